"""Boards in Grafana's format (schema of Grafana 11.6; later ones read it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.dashboard import Panel as PanelModel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.monitoring.panels import Board, Look, Panel, Query, Variable
from deploy.monitoring.promql import Matcher, narrowed
from deploy.monitoring.series import SCRAPED

TAG = "ossature"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_EVERYTHING = ".*"
_LABELS = {Variable.MODEL: ("model", "model_name"), Variable.ORGANIZATION: ("org",)}
_LABEL_TEXT = {Variable.MODEL: "Model", Variable.ORGANIZATION: "Organization"}
# Where a variable's values are looked up: gauges and counters that exist from the start, or from an organization's first request.
_VALUES = {
    Variable.MODEL: 'label_values(ossature_requests_in_flight{namespace=~"$namespace"}, model)',
    Variable.ORGANIZATION: 'label_values(ossature_requests_total{namespace=~"$namespace"}, org)',
}


def in_view(expression: str, variables: tuple[Variable, ...]) -> str:
    """The expression with the dashboard's variables in each selector whose metric has their label."""

    def chosen(metric: str) -> tuple[Matcher, ...]:
        series = SCRAPED[metric]
        matchers = [Matcher("namespace", "=~", "$namespace")] if series.in_a_namespace else []
        for variable in variables:
            matchers += [Matcher(label, "=~", f"${variable}") for label in _LABELS[variable] if label in series.labels]
        return tuple(matchers)

    return narrowed(expression, chosen)


def as_json(board: Board) -> str:
    """The dashboard as a file's content."""
    return JSONEncoder(sort_keys=True, indent=1).encode(_dashboard(board)) + "\n"


def _dashboard(board: Board) -> DashboardModel:
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.purpose)
        .tags([TAG])
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            dashboard.DashboardLink("Ossature")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
            .as_dropdown(False)
        )
    )
    for variable in _variables(board.variables):
        built = built.with_variable(variable)
    number = 0
    for row in board.rows:
        number += 1
        built = built.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(_Ready(_panel(panel, board.variables, number)))
    return built.build()


class _Ready(Builder[PanelModel]):
    """A panel that is built already, for builders that want to build it themselves."""

    def __init__(self, panel: PanelModel) -> None:
        self._panel = panel

    def build(self) -> PanelModel:
        return self._panel


def _variables(chosen: tuple[Variable, ...]) -> Iterator[Builder[VariableModel]]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    # Without Kubernetes no series has a namespace: `.*` matches that, too.
    yield _choice("namespace", "Namespace", "label_values(ossature_build_info, namespace)")
    for variable in chosen:
        yield _choice(variable, _LABEL_TEXT[variable], _VALUES[variable])


def _choice(name: str, label: str, values: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query({"query": values, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .hide(VariableHide.DONT_HIDE)
        .multi(True)
        .include_all(True)
        .all_value(_EVERYTHING)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


_AnyPanel = bargauge.Panel | heatmap.Panel | stat.Panel | table.Panel | timeseries.Panel


def _panel(panel: Panel, variables: tuple[Variable, ...], number: int) -> PanelModel:
    built = _styled(panel).id(number).title(panel.title).description(_description(panel)).datasource(_SOURCE)
    built = built.span(panel.width).height(panel.height).unit(panel.unit).thresholds(_thresholds(panel))
    if panel.look is not Look.HEATMAP:
        built = built.min(0)
    if panel.maximum is not None:
        built = built.max(panel.maximum)
    if panel.needs:
        built = built.no_value("none")
    for query, letter in zip(panel.queries, _letters(), strict=False):
        built = built.with_target(_target(query, panel.look, variables, letter))
    return built.build()


def _description(panel: Panel) -> str:
    return f"{panel.meaning} Needs {panel.needs}." if panel.needs else panel.meaning


def _letters() -> Iterable[str]:
    return "ABCDEFGH"


def _target(query: Query, look: Look, variables: tuple[Variable, ...], letter: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(in_view(query.expression, variables)).ref_id(letter).datasource(_SOURCE)
    if query.legend and look is not Look.TABLE:
        target = target.legend_format(query.legend)
    if look is Look.HEATMAP:
        return target.range().format(PromQueryFormat.HEATMAP)
    if look is Look.TABLE:
        return target.instant().format(PromQueryFormat.TABLE)
    return target.instant() if look is Look.BARS else target.range()


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color=panel.base), *(Threshold(value=step.value, color=step.color) for step in panel.steps)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _styled(panel: Panel) -> _AnyPanel:
    match panel.look:
        case Look.GRAPH:
            return _graph(panel)
        case Look.NUMBER:
            return stat.Panel().graph_mode(BigValueGraphMode.AREA).reduce_options(_last())
        case Look.BARS:
            return bargauge.Panel().reduce_options(_last())
        case Look.HEATMAP:
            return heatmap.Panel().y_axis(heatmap.YAxisConfig().unit(panel.unit)).cell_gap(1).show_legend()
        case Look.TABLE:
            return _table(panel)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _graph(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM).display_mode(LegendDisplayMode.LIST)
    graph = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .fill_opacity(25 if panel.stacked else 8)
        .line_width(1)
    )
    if panel.stacked:
        graph = graph.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if panel.steps:
        graph = graph.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return graph


def _table(panel: Panel) -> table.Panel:
    """One row for each label set, a column for each query."""
    names = {f"Value #{letter}": query.legend for query, letter in zip(panel.queries, _letters(), strict=False)}
    return (
        table.Panel()
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names | {"org": "Organization"}}
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(next(iter(names.values()))).desc(True)])
    )

"""File, environment and command line make one configuration; what is wrong is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cluster.config.fields import ITEM, Kind, names_in, settings
from cluster.config.loading import ConfigError, SourceKind, load, load_with_sources
from cluster.config.problems import Location, Problem
from cluster.config.schema import ClusterConfig

MODEL = {"id": "m", "source": "weights"}


def write(folder: Path, data: object) -> Path:
    path = folder / "c.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def problems(path: Path | None, env: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(path, env or {})
    return list(caught.value.problems)


# --- what wins ------------------------------------------------------------------------------------------------------------


def test_without_a_file_the_demo_is_loaded() -> None:
    config = load(None, {})
    assert [model.id for model in config.models] == ["gpt-oss-demo"]
    assert config.http.host == "127.0.0.1"


def test_environment_beats_file_and_command_line_beats_both(tmp_path: Path) -> None:
    path = write(tmp_path, {"http": {"port": 1001, "host": "h"}, "grpc": {"port": 1002}, "models": [MODEL]})
    loaded = load_with_sources(
        path, {"OSSATURE_HTTP__PORT": "2001", "OSSATURE_GRPC__PORT": "2002"}, overrides={"http.port": 3001, "models.0.replicas": 2}
    )
    assert (loaded.config.http.port, loaded.config.grpc.port, loaded.config.http.host) == (3001, 2002, "h")
    assert loaded.source_of(("http", "port")).kind is SourceKind.COMMAND_LINE
    assert str(loaded.source_of(("grpc", "port"))) == "environment OSSATURE_GRPC__PORT"
    assert str(loaded.source_of(("http", "host"))) == f"file {path}:4"
    assert loaded.source_of(("http", "max_body_bytes")).kind is SourceKind.DEFAULT
    assert loaded.source_of(("metrics", "port")).kind is SourceKind.DEFAULT


def test_a_single_model_can_be_picked(tmp_path: Path) -> None:
    path = write(tmp_path, {"models": [MODEL, {"id": "n", "source": "w", "replicas": 3}]})
    loaded = load_with_sources(path, {}, only_model="n")
    assert [model.id for model in loaded.config.models] == ["n"]
    assert str(loaded.source_of(("models", 0, "replicas"))) == f"file {path}:5"


def test_picking_an_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, {"models": [{"id": "gpt-oss-20b", "source": "w"}]})
    with pytest.raises(ConfigError, match=r"no model 'gpt-oss-2b' is configured; did you mean `gpt-oss-20b`\?"):
        load(path, {}, only_model="gpt-oss-2b")


# --- what is refused ------------------------------------------------------------------------------------------------------


def _sections() -> list[Location]:
    """Every place that takes named settings, list items as index 0."""
    holders = [s for s in settings() if s.kind in (Kind.SECTION, Kind.SECTIONS)]
    concrete = [(*s.location, ITEM) if s.kind is Kind.SECTIONS else s.location for s in holders]
    return [(), *(tuple(0 if part == ITEM else part for part in location) for location in concrete)]


def _minimal_with(section: Location, name: str, value: object) -> dict[str, object]:
    """A valid configuration with one more name in ``section``."""
    data: dict[str, object] = {"models": [dict(MODEL)]}
    holder: object = data
    for part in section:
        holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})  # type: ignore[index,attr-defined]
    holder[name] = value  # type: ignore[index]
    return data


@hypothesis_settings(deadline=None)
@given(data=st.data())
def test_an_unknown_name_at_any_depth_is_refused_with_its_path(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    section = data.draw(st.sampled_from(_sections()))
    name = data.draw(st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name not in names_in(section)))
    value: object = data.draw(st.sampled_from([1, "text", True, None, [], {"a": 1}]))
    path = write(tmp_path_factory.mktemp("c"), _minimal_with(section, name, value))
    (problem,) = problems(path)
    assert problem.location == (*section, name)
    assert problem.message.startswith("there is no such setting")
    assert problem.origin is not None
    assert problem.origin.startswith(f"{path}:")
    line = path.read_text().splitlines()[int(problem.origin.rpartition(":")[2]) - 1]
    assert line.lstrip("- ").startswith((name, f"'{name}'"))


def test_a_misspelt_name_gets_a_suggestion(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, {"htpp": {"port": 1}, "models": [MODEL]}))
    assert problem.suggestion == "http"


def test_a_name_of_another_section_is_pointed_to_its_place(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, {"haproxy": True, "models": [MODEL]}))
    assert problem.suggestion == "ray.haproxy"


def test_an_engine_argument_beside_engine_is_pointed_to_its_place(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, {"models": [{**MODEL, "tensor_parallel_size": 2}]}))
    assert "arguments of the engine belong under `engine`" in problem.message


def test_all_problems_are_listed_with_line_value_and_what_is_allowed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "http:\n  port: 70000\ngrpc:\n  port: '8'\nmodels:\n  - id: a\n    replicas: 1.5\n    environment: {OMP_NUM_THREADS: 1}\n",
    )
    assert [str(problem).removeprefix(f"{path}:") for problem in problems(path)] == [
        '4: grpc.port: is not allowed (given: "8"); allowed: whole number, 1 to 65535',
        "2: http.port: is not allowed (given: 70000); allowed: whole number, 1 to 65535",
        "8: models.0.environment.OMP_NUM_THREADS: must be text: put it in quotes (given: 1); allowed: map of text",
        "7: models.0.replicas: is not allowed (given: 1.5); allowed: whole number, at least 1",
        "6: models.0.source: is required; allowed: text, at least 1 character",
    ]


@pytest.mark.parametrize("value", [True, "8000", 80.5, None, [1], {"a": 1}, float("inf"), float("nan"), 10**30])
def test_a_port_takes_nothing_but_a_whole_number(tmp_path: Path, value: object) -> None:
    (problem,) = problems(write(tmp_path, {"http": {"port": value}, "models": [MODEL]}))
    assert problem.path == "http.port"


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_time_is_finite(tmp_path: Path, value: float) -> None:
    (problem,) = problems(write(tmp_path, {"admission": {"request_timeout_s": value}, "models": [MODEL]}))
    assert problem.path == "admission.request_timeout_s"


def test_a_file_without_models_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, "http: {port: 8080}"))
    assert (problem.path, problem.message) == ("models", "is required")


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        ({"secret": "hunter2"}, "hunter2"),
        ({"database": {"url": "postgres://u:hunter2@h/d"}}, "hunter2"),
        ({"databse": {"url": "postgres://u:hunter2@h/d"}}, "hunter2"),
        ({"models": [{**MODEL, "environment": {"HF_TOKEN": ["hunter2"]}}]}, "hunter2"),
    ],
)
def test_a_refused_secret_is_not_shown(tmp_path: Path, data: dict[str, object], secret: str) -> None:
    found = problems(write(tmp_path, {"models": [MODEL], **data}))
    assert secret not in "\n".join(map(str, found)) + json.dumps([problem.as_dict() for problem in found])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(deadline=None)
@given(data=st.dictionaries(st.sampled_from(names_in(())) | st.text(max_size=8), _json, max_size=4))
def test_whatever_is_in_the_file_it_is_loaded_or_refused(data: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("c"), yaml.safe_dump({"models": [MODEL], **data}, allow_unicode=True))
    outcome: ClusterConfig | tuple[Problem, ...]
    try:
        outcome = load(path, {})
    except ConfigError as error:
        outcome = error.problems
    assert isinstance(outcome, ClusterConfig) or all(problem.message and problem.origin for problem in outcome)


def test_a_model_without_replicas_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, {"models": [{**MODEL, "replicas": 0}]}))
    assert problem.path == "models.0.replicas"

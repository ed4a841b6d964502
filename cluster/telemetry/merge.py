"""From the values of many processes to one family of each metric.

Counters and histograms are summed over every process that has ever written to the folder. Gauges are taken from living processes:
``sum``, ``min`` and ``max`` modes are combined as they say. In the other modes (``all``, ``mostrecent``) one process's value would
hide the others' or need a process id for a label; there each process keeps its own series under ``replica``, a small number that is
given out again when its process ends. vLLM's gauges are of this sort: two replicas of a model on one node have the same labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from cluster.telemetry.multiprocess import Owner
from cluster.telemetry.valuefiles import GAUGE, HISTOGRAM, Series

_COMBINED_MODES: dict[str, Callable[[Iterable[float]], float]] = {
    "sum": sum,
    "livesum": sum,
    "min": min,
    "livemin": min,
    "max": max,
    "livemax": max,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass over the folder found.

    ``sums``: counters and buckets over all processes. ``gauges``: by living process. ``slots``: the ``replica`` label of the
    processes that need one. ``processes``: living ones. ``folded_processes``: ended ones.
    """

    sums: dict[Series, float]
    gauges: dict[Series, list[tuple[Owner, float]]]
    slots: dict[Owner, int]
    processes: int
    folded_processes: int


def kept_apart(mode: str) -> bool:
    """Whether gauges of this mode stay a series for each process."""
    return mode not in _COMBINED_MODES


def assign_slots(former: dict[Owner, int], owners: set[Owner]) -> dict[Owner, int]:
    """Small numbers for processes: those that live on keep theirs, new ones take the lowest free, the oldest process first."""
    slots = {owner: slot for owner, slot in former.items() if owner in owners}
    taken = set(slots.values())
    newcomers = sorted(owners - slots.keys(), key=lambda owner: (owner.started or 0, owner.pid))
    free = [slot for slot in range(len(owners)) if slot not in taken]
    slots.update(zip(newcomers, free, strict=False))  # a kept slot beyond the range leaves one free number too many
    return slots


def families(reading: Reading) -> Iterator[Metric]:
    """One family per metric name, of the type and with the help of its first series."""
    members: dict[str, list[Series]] = defaultdict(list)
    for series in (*reading.sums, *reading.gauges):
        members[series.family].append(series)
    for name, group in members.items():
        family = Metric(name, group[0].help, group[0].kind)
        if group[0].kind == GAUGE:
            family.samples = [sample for series in group for sample in _gauge(series, reading)]
        elif group[0].kind == HISTOGRAM:
            family.samples = [*_histogram(name, group, reading.sums)]
        else:
            family.samples = [Sample(series.sample, series.labels, reading.sums[series]) for series in group]
        yield family


def _gauge(series: Series, reading: Reading) -> Iterator[Sample]:
    values = reading.gauges[series]
    combine = _COMBINED_MODES.get(series.mode)
    if combine is not None:
        yield Sample(series.sample, series.labels, combine(value for _, value in values))
        return
    for owner, value in values:
        yield Sample(series.sample, {**series.labels, "replica": str(reading.slots[owner])}, value)


def _histogram(family: str, group: Iterable[Series], sums: dict[Series, float]) -> Iterator[Sample]:
    """Files hold the count of each bucket alone; the exposition wants them accumulated, and their total as ``_count``."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
    for series in group:
        if series.bound is not None:
            buckets[series.group].append((series.bound, sums[series]))
    for series in group:
        if series.bound is not None or series.group not in buckets:
            continue
        count = 0.0
        for bound, value in sorted(buckets[series.group]):
            count += value
            yield Sample(f"{family}_bucket", {**series.labels, "le": _bound_label(bound)}, count)
        yield Sample(f"{family}_count", series.labels, count)
        yield Sample(series.sample, series.labels, sums[series])


def _bound_label(bound: float) -> str:
    """As Prometheus writes a bucket's bound."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]

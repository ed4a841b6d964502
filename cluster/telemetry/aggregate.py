"""All metrics of a node's processes, living and ended, as one collection."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

from cluster.telemetry import build, catalog
from cluster.telemetry.archive import Archive
from cluster.telemetry.definition import Metric as Definition
from cluster.telemetry.merge import Reading, assign_slots, families, kept_apart
from cluster.telemetry.multiprocess import Owner, locked
from cluster.telemetry.valuefiles import GAUGE, FileName, Series, SeriesTable, ValueFile

_log = logging.getLogger(__name__)


class NodeCollector(Collector):
    """Reads the folder at each ``collect``, after folding what dead processes left. Threads that collect take turns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._table = SeriesTable()
        self._archive = Archive(directory, self._table)
        self._files: dict[str, ValueFile] = {}
        self._slots: dict[Owner, int] = {}
        self._reported_damage: set[str] = set()
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before a collection."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Families in the order of their names. Raises ``FileNotFoundError`` when the folder is gone."""
        began = time.perf_counter()
        with self._lock, locked(self._directory):
            reading = self._read()
        found = [*families(reading)]
        found += _own_families(reading, shutil.disk_usage(self._directory), time.perf_counter() - began)
        yield from sorted(found, key=lambda family: family.name)

    def _read(self) -> Reading:
        self._archive.refresh()
        living, dead = self._scan()
        if dead:
            self._archive.fold(dead)
            self._report(self._archive.damage)
        sums = dict(self._archive.values)
        gauges: dict[Series, list[tuple[Owner, float]]] = defaultdict(list)
        apart: set[Owner] = set()
        for file in living:
            values = file.read(self._table)
            if file.name.kind == GAUGE:
                for series, value in values:
                    gauges[series].append((file.name.owner, value))
                if kept_apart(file.name.mode):
                    apart.add(file.name.owner)
            else:
                for series, value in values:
                    sums[series] = sums.get(series, 0.0) + value
            if file.damage is not None:
                self._report([file.damage])
        self._slots = assign_slots(self._slots, apart)
        return Reading(sums, gauges, self._slots, len({file.name.owner for file in living}), self._archive.processes)

    def _scan(self) -> tuple[list[ValueFile], list[ValueFile]]:
        """The files of living and of dead processes. Each process is judged once, for all of its files."""
        alive: dict[Owner, bool] = {}
        living: dict[str, ValueFile] = {}
        dead: list[ValueFile] = []
        for path in sorted(self._directory.glob("*.db")):
            name = FileName.parse(path.name)
            if name is None:
                continue
            if name.owner not in alive:
                alive[name.owner] = name.owner.alive()
            if alive[name.owner]:
                living[path.name] = self._files.get(path.name) or ValueFile(path, name)
            else:
                dead.append(ValueFile(path, name))
        self._files = living
        return [*living.values()], dead

    def _report(self, damage: Iterable[str]) -> None:
        for text in damage:
            if text not in self._reported_damage:
                self._reported_damage.add(text)
                _log.error("damaged metrics file, using what is readable of it: %s", text)


class _Disk(Protocol):
    """As ``shutil.disk_usage`` tells it, in bytes."""

    @property
    def total(self) -> int: ...

    @property
    def free(self) -> int: ...


def _own_families(reading: Reading, disk: _Disk, collect_s: float) -> Iterator[Metric]:
    """What the exporter says of itself and its node. ``disk``: the data folder's file system; ``collect_s``: seconds."""
    measured: tuple[tuple[Definition, dict[str, str], float], ...] = (
        (catalog.nodes.EXPORTER_PROCESSES, {}, reading.processes),
        (catalog.nodes.EXPORTER_FOLDED, {}, reading.folded_processes),
        (catalog.nodes.EXPORTER_COLLECT, {}, collect_s),
        (catalog.nodes.DATA_FOLDER_FREE, {}, disk.free),
        (catalog.nodes.DATA_FOLDER_SIZE, {}, disk.total),
        (catalog.nodes.BUILD_INFO, build.versions(), 1),
    )
    for metric, labels, value in measured:
        family = Metric(metric.name.removesuffix("_total"), metric.meaning, str(metric.kind))
        family.add_sample(metric.name, labels, value)
        yield family

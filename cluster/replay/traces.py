"""Request traces in Mooncake's format: one JSON object a line with ``timestamp`` (ms), ``input_length`` and ``output_length``

(tokens) and ``hash_ids``, which name consecutive 512-token blocks of the prompt, each together with everything before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec

from cluster.replay.workload import SimulatedRequest, Workload

BLOCK_TOKENS = 512


class TraceError(ValueError):
    """The file is no trace; says which line and why."""


class _Line(msgspec.Struct):
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: tuple[int, ...]


def read_trace(path: Path) -> Workload:
    """The trace's requests by arrival, all of one organization: traces name none. Raises ``TraceError`` or ``OSError``."""
    decoder = msgspec.json.Decoder(_Line)
    requests = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise TraceError(f"line {number}: {error}") from None
            if entry.input_length < 1 or entry.output_length < 0:
                raise TraceError(f"line {number}: input_length must be positive and output_length not negative")
            if len(entry.hash_ids) != -(-entry.input_length // BLOCK_TOKENS):
                raise TraceError(f"line {number}: {entry.input_length} tokens need one hash id for each {BLOCK_TOKENS}")
            requests.append(
                SimulatedRequest(
                    arrival_s=entry.timestamp / 1000.0,
                    org="trace",
                    input_tokens=entry.input_length,
                    output_tokens=max(1, entry.output_length),
                    blocks=entry.hash_ids,
                )
            )
    if not requests:
        raise TraceError("the file has no requests")
    requests.sort(key=lambda request: request.arrival_s)
    return Workload(path.stem, BLOCK_TOKENS, requests)


def spread_arrivals(workload: Workload, period_s: float) -> Workload:
    """The same requests, with those that are recorded at the same instant spread evenly over the ``period_s`` after it.

    For traces whose times were rounded down to multiples of that.
    """
    together = Counter(request.arrival_s for request in workload.requests)
    before: dict[float, int] = defaultdict(int)
    requests = []
    for request in workload.requests:
        at_s = request.arrival_s
        requests.append(replace(request, arrival_s=at_s + period_s * before[at_s] / together[at_s]))
        before[at_s] += 1
    requests.sort(key=lambda request: request.arrival_s)
    return replace(workload, requests=requests)

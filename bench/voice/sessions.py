"""How many listening sessions a gateway holds: ``python -m bench.voice.sessions``.

Each session sends silence in real time, 20 ms at a time, with turn detection on. Once a second it also sends
``input_audio_buffer.clear``, which is answered when all audio before it has been listened to: how long that takes, by the client's
clock, is how late the session's frames are. Processor time is the gateway's own, without its clients.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from bench import procfs, record
from bench.live.ossature import classify
from bench.live.stack import ROUTER
from bench.programs import Unavailable
from bench.voice.cluster import Served, served
from bench.voice.conversation import session_settings
from bench.voice.session import PIECE_BYTES, PIECE_MS, Session, SessionFailed, append_event, opened
from cluster import heap

LATE_MS = 40.0
_SETTLE_S = 3.0
_PIECES_A_SECOND = 1000 // PIECE_MS
_SILENCE = append_event(bytes(PIECE_BYTES))


def gateway_of(title: str) -> str:
    """Processes of a cluster: the gateways, and everything else."""
    return ROUTER if "gateway" in title and classify(title) == ROUTER else "other"


async def listen(session: Session, seconds: float, offset_s: float, after: float) -> list[float]:
    """Milliseconds that frames were late, a sample a second from ``after`` on. ``offset_s``: sessions take turns."""
    waits: list[float] = []
    await asyncio.sleep(offset_s)
    begun = time.monotonic()
    for number in range(int(seconds * _PIECES_A_SECOND)):
        due = begun + number * PIECE_MS / 1000
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await session.connection.send(_SILENCE)
        if number % _PIECES_A_SECOND == 0:
            sent = time.monotonic()
            await session.send("input_audio_buffer.clear")
            cleared = await session.until("input_audio_buffer.cleared")
            session.events.clear()
            if sent >= after:
                waits.append(1e3 * (cleared.at - sent))
    return waits


async def run(cluster: Served, count: int, seconds: float) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(opened(cluster.url, cluster.key, cluster.model, session_settings()))
            for _ in range(count)
        ]
        after = time.monotonic() + _SETTLE_S
        listening = [
            asyncio.create_task(listen(session, seconds + _SETTLE_S, number * PIECE_MS / 1000 / count, after))
            for number, session in enumerate(sessions)
        ]
        await asyncio.sleep(_SETTLE_S)
        before, began = _times(cluster), time.monotonic()
        await asyncio.sleep(seconds - 1)
        used, took_s = procfs.used(before, _times(cluster)), time.monotonic() - began
        waits = sorted(wait for waited in await asyncio.gather(*listening) for wait in waited)
    gateway = used.get(ROUTER)
    cores = gateway / took_s if gateway else None
    return {
        "sessions": count,
        "seconds": seconds,
        "late_ms": {
            "p50": round(statistics.median(waits), 2),
            "p99": round(waits[int(len(waits) * 0.99)], 2),
            "max": round(waits[-1], 2),
            "samples": len(waits),
            "above_limit": sum(wait > LATE_MS for wait in waits),
        },
        "gateway_cores": round(cores, 3) if cores is not None else None,
        "sessions_per_core": round(count / cores, 1) if cores else None,
    }


def _times(cluster: Served) -> procfs.Snapshot:
    return procfs.snapshot(cluster.own.processes(), gateway_of) if cluster.own is not None else {}


def show(rows: Sequence[dict[str, Any]]) -> None:
    print(f"{'sessions':>9}{'gateway cores':>15}{'a core':>8}{'late p50':>10}{'p99':>8}{'max ms':>8}{'> 40 ms':>9}")
    for row in rows:
        late = row["late_ms"]
        cores = "-" if row["gateway_cores"] is None else f"{row['gateway_cores']:.2f}"
        a_core = "-" if row["sessions_per_core"] is None else f"{row['sessions_per_core']:.0f}"
        print(
            f"{row['sessions']:>9}{cores:>15}{a_core:>8}{late['p50']:>10.1f}{late['p99']:>8.1f}{late['max']:>8.1f}{late['above_limit']:>9}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.voice.sessions", description="Listening sessions on one gateway.")
    parser.add_argument("--sessions", type=int, nargs="+", default=[10, 25, 50], help="how many at a time (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--endpoints", type=Path, help="endpoints.json of a cluster that runs (default: start one)")
    parser.add_argument("--json", type=Path, help="where to write the result (default: below .bench/results)")
    options = parser.parse_args(argv)
    circumstances = record.circumstances()
    try:
        with served(options.endpoints, {}) as cluster:
            heap.settle()  # a collection of the clients' own would be counted as the gateway's delay
            rows = [uvloop.run(run(cluster, count, options.seconds)) for count in options.sessions]
    except (Unavailable, SessionFailed) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    show(rows)
    path = record.save(circumstances | {"kind": "voice-sessions", "rows": rows}, "voice-sessions", options.json)
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

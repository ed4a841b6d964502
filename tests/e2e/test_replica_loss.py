"""SIGKILL of an engine replica under load: what had no byte yet is answered by the other one, a started stream ends in an error."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import RunningCluster
from tests.e2e.process_table import ancestors, busiest, engine_cores, engine_replicas

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]

MODEL = "gpt-oss-demo"
REPLACED_WITHIN_S = 480.0
LONG_STREAMS = 8
ENDLESS_TOKENS = 6000  # more than any machine makes in the time of a test


@dataclass
class Outcome:
    """What a client saw. ``error`` is the error event's code, ``finish`` the finish reason, ``replica`` what answered it first."""

    bytes_seen: bool = False
    finish: str | None = None
    error: str | None = None
    status: int = 200
    replica: str = ""


def stream(
    running: RunningCluster,
    number: int,
    tokens: int,
    started: threading.Semaphore | None = None,
    leave: threading.Event | None = None,
) -> Outcome:
    """A raw text completion: every token is seen, while a chat model that goes on behind its answer's end would stay silent.

    The reader tells ``started`` of its first byte, and goes once ``leave`` is set.
    """
    outcome = Outcome()
    body = {
        "model": MODEL,
        "prompt": f"Conversation {number}. " + "the shop sells apples and pears. " * 180,
        "stream": True,
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    admin = {"x-ossature-admin-key": running.admin_key}
    with running.raw() as client, client.stream("POST", "/v1/completions", json=body, headers=admin) as answer:
        outcome.status = answer.status_code
        outcome.replica = re.findall(r"\breplica=(\S+)", answer.headers["x-ossature-route"])[0]
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                outcome.error = event["error"]["code"]
                continue
            if started is not None and not outcome.bytes_seen:
                started.release()
            outcome.bytes_seen = True
            outcome.finish = event["choices"][0]["finish_reason"] or outcome.finish
            if leave is not None and leave.is_set():
                outcome.finish = "left"
                break
    return outcome


def test_sigkill_under_load_loses_no_request_without_a_byte(running: RunningCluster) -> None:
    replicas = engine_replicas(running.run_id, MODEL)
    assert len(replicas) == 2
    stop = threading.Event()
    started = threading.Semaphore(0)
    short: list[Outcome] = []

    def steady(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            short.append(stream(running, worker * 1000 + number, 8))

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        long = [pool.submit(stream, running, -number, ENDLESS_TOKENS, started, stop) for number in range(1, LONG_STREAMS + 1)]
        for _ in long:
            assert started.acquire(timeout=120), "a stream did not start"
        workers = [pool.submit(steady, worker) for worker in range(1, 5)]
        time.sleep(1)
        os.kill(busiest(replicas), signal.SIGKILL)
        time.sleep(6)
        stop.set()
        for worker in workers:
            worker.result()
        streams = [future.result() for future in long]

    outcomes = short + streams
    assert all(outcome.status == 200 for outcome in outcomes)
    lost = [outcome for outcome in outcomes if outcome.error and not outcome.bytes_seen]
    assert lost == []
    assert all(outcome.finish or outcome.error == "engine_failed" for outcome in outcomes)
    cut = [outcome for outcome in streams if outcome.error]
    assert cut, "the killed replica held no stream: the test has shown nothing"
    assert len({outcome.replica for outcome in cut}) == 1, "streams of the surviving replica ended too"


def test_a_killed_replica_leaves_no_process_and_is_replaced(running: RunningCluster) -> None:
    deadline = time.monotonic() + REPLACED_WITHIN_S
    while True:
        status = running.admin().get("/admin/v1/status").json()
        replicas = next(model["replicas"] for model in status["models"] if model["id"] == MODEL)
        if len(replicas) == 2:
            break
        assert time.monotonic() < deadline, "the replica was not replaced"
        time.sleep(1)
    assert len(engine_cores(running.run_id)) == 3, "an engine process outlived its replica"


def test_a_dead_engine_process_is_noticed_and_its_replica_replaced(running: RunningCluster) -> None:
    def cores() -> set[int]:
        """Of the demo model: those that its replicas have started."""
        replicas = set(engine_replicas(running.run_id, MODEL))
        return {pid for pid in engine_cores(running.run_id) if replicas.intersection(ancestors(pid))}

    before = cores()
    assert len(before) == 2
    victim = min(before)
    counters = counted(running)
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + REPLACED_WITHIN_S
    while len(now := cores()) < len(before) or victim in now:
        assert time.monotonic() < deadline, "the engine was not replaced"
        time.sleep(1)
    while running.raw().get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(1)
    answer = running.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].finish_reason
    after = counted(running)
    assert all(after.get(name, 0.0) >= value for name, value in counters.items()), "a counter went backward"


def counted(running: RunningCluster) -> dict[str, float]:
    """Every counter sample of a scrape."""
    samples = {}
    for line in running.scrape().splitlines():
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name.endswith(("_total", "_count", "_bucket")) and not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            samples[key] = float(value)
    return samples

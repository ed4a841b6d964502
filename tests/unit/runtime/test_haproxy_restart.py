"""A process that dies is started again; one that was stopped, replaced or dies young is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cluster.runtime import haproxy_restart
from cluster.runtime.haproxy_restart import restart_dead_haproxy

PATIENCE_S = 10.0


class Api:
    """Keeps a process as Serve's class does."""

    def __init__(self) -> None:
        self._proc: asyncio.subprocess.Process | None = None
        self.begun: list[asyncio.subprocess.Process] = []

    async def _start_and_wait_for_haproxy(self, *arguments: str) -> asyncio.subprocess.Process:
        self.begun.append(await asyncio.create_subprocess_exec("sleep", "60"))
        return self.begun[-1]

    async def start(self) -> None:
        self._proc = await self._start_and_wait_for_haproxy()

    async def _graceful_reload(self) -> None:
        former = self.present
        self._proc = await self._start_and_wait_for_haproxy("-sf")
        former.terminate()
        await former.wait()

    async def stop(self) -> None:
        if self.present.returncode is None:
            self.present.kill()
        await self.present.wait()
        await asyncio.sleep(0.05)  # the watch may hear of it before the process is forgotten
        self._proc = None

    @property
    def present(self) -> asyncio.subprocess.Process:
        assert self._proc is not None
        return self._proc


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(haproxy_restart, "YOUNG_S", 0.0)
    kept = type("Kept", (Api,), {})
    restart_dead_haproxy(kept)
    made: Api = kept()
    return made


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_dead_one_is_started_again_each_time(api: Api) -> None:
    await api.start()
    for lives in (2, 3):
        api.present.kill()
        await until(lambda lives=lives: len(api.begun) == lives and api.present is api.begun[-1])  # type: ignore[misc]
        assert api.present.returncode is None
    await api.stop()


async def test_a_stopped_one_stays_stopped(api: Api) -> None:
    await api.start()
    await api.stop()
    await asyncio.sleep(0.1)
    assert len(api.begun) == 1
    assert api._proc is None


async def test_one_that_is_stopped_while_it_is_started_again_stays_stopped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.start()
    going_on = asyncio.Event()
    begin = type(api)._start_and_wait_for_haproxy

    async def slow_begin(self: Api, *arguments: str) -> asyncio.subprocess.Process:
        process = await begin(self, *arguments)
        await going_on.wait()
        return process

    monkeypatch.setattr(type(api), "_start_and_wait_for_haproxy", slow_begin)
    api.present.kill()
    await until(lambda: len(api.begun) == 2)
    stopping = asyncio.create_task(api.stop())
    await asyncio.sleep(0.1)
    going_on.set()
    await stopping
    await until(lambda: api.begun[-1].returncode is not None)


async def test_one_that_a_reload_replaced_has_no_second_successor(api: Api) -> None:
    await api.start()
    await api._graceful_reload()
    await asyncio.sleep(0.1)
    assert len(api.begun) == 2
    await api.stop()


async def test_one_that_dies_young_is_left_to_serve(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_restart, "YOUNG_S", 60.0)
    await api.start()
    api.present.kill()
    await asyncio.sleep(0.2)
    assert len(api.begun) == 1

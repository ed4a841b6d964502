"""Which adapters an engine has loaded: on demand, one at a time, in step with the engine's own least-recently-used order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.engine.adapters.errors import AdapterError, AdapterUnusable
from cluster.engine.adapters.folder import AdapterFolder
from cluster.engine.contract import Adapter
from cluster.tuned.adapter_files import AdapterShape, BadAdapter, read_shape

logger = logging.getLogger("ossature.engine.adapters")

_MEMORY = 8
"""Loads over which the time of one is averaged."""


class Refused(Exception):
    """The engine does not take the adapter. The message is the engine's own, for the log."""


class AdapterHost(Protocol):
    """An engine that takes adapters. It holds a number of them, and drops the least lately used one for another."""

    async def load(self, name: str, number: int, folder: Path) -> None:
        """Raises :class:`Refused`."""
        ...

    async def loaded(self) -> set[int]:
        """Numbers of those that it holds."""
        ...

    def offer(self, name: str, number: int, folder: Path) -> None:
        """From now on requests may name it, whether or not it is loaded at the moment."""
        ...

    def withdraw(self, name: str) -> None:
        """No request will name it any more until it is offered again. Idempotent."""
        ...


class AdapterObserver(Protocol):
    """Who keeps metrics of it. Calls must not block."""

    def adapter_loaded(self, model: str, seconds: float) -> None:
        """The engine has loaded one from the replica's disk, in so many seconds."""
        ...

    def adapter_failed(self, model: str) -> None:
        """A request could not be answered for want of its adapter."""
        ...

    def adapters_held(self, model: str, count: int) -> None:
        """How many the engine holds now."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What gateways are told: names of adapters that are loaded or about to be, and what a load takes, in ms (0: not known)."""

    names: tuple[str, ...] = ()
    load_ms: float = 0.0


class Adapters:
    """Of one engine. Used on its event loop."""

    def __init__(
        self,
        model: str,
        folder: AdapterFolder,
        host: AdapterHost,
        check: Callable[[AdapterShape], None],
        observer: AdapterObserver,
        on_change: Callable[[Held], None],
    ) -> None:
        """``check`` raises :class:`BadAdapter` for one that does not fit the model. ``on_change`` is told what is held."""
        self._model = model
        self._folder = folder
        self._host = host
        self._check = check
        self._observer = observer
        self._on_change = on_change
        self._numbers: dict[str, int] = {}  # by name, while the engine may know it
        self._last_number = 0
        self._held: OrderedDict[str, None] = OrderedDict()  # least lately used first, as far as is known here
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, int] = {}
        self._turn = asyncio.Lock()
        self._load_ms = 0.0

    @asynccontextmanager
    async def using(self, adapter: Adapter) -> AsyncIterator[None]:
        """For the life of a request that names the adapter: its files stay, and it was loaded when the body begins.

        Raises :class:`AdapterError`.
        """
        name = adapter.name
        # Counted from here on, so that its number stays whatever else is loaded meanwhile.
        self._users[name] = self._users.get(name, 0) + 1
        try:
            folder = await self._ready(adapter)
            try:
                self._host.offer(name, self._numbers[name], folder)
                yield
            finally:
                self._folder.unpin(adapter)
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
                self._host.withdraw(name)

    async def close(self) -> None:
        """Break off what is being loaded."""
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        await self._folder.close()

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _ready(self, adapter: Adapter) -> Path:
        """Pin the adapter's folder and have it loaded."""
        try:
            folder = await self._folder.pin(adapter)
            try:
                await self._ensure(adapter, folder)
            except BaseException:
                self._folder.unpin(adapter)
                raise
        except AdapterError:
            self._observer.adapter_failed(self._model)
            raise
        return folder

    async def _ensure(self, adapter: Adapter, folder: Path) -> None:
        name = adapter.name
        if name in self._held:
            self._held.move_to_end(name)
            return
        load = self._loads.get(name)
        if load is None:
            load = self._loads[name] = asyncio.create_task(self._load(adapter, folder))
            load.add_done_callback(lambda done: self._load_ended(name, done))
            self._tell()
        await asyncio.shield(load)

    def _load_ended(self, name: str, load: asyncio.Task[None]) -> None:
        del self._loads[name]
        if not load.cancelled():
            load.exception()  # those who wait have it; there may be none left
        self._tell()

    async def _load(self, adapter: Adapter, folder: Path) -> None:
        # A user of its own: whoever asked for it may be gone before the engine has read the files.
        await self._folder.pin(adapter)
        try:
            async with self._turn:
                began = time.perf_counter()
                await self._read(adapter, folder)
                seconds = time.perf_counter() - began
        finally:
            self._folder.unpin(adapter)
        took_ms = seconds * 1000.0
        self._load_ms = took_ms if not self._load_ms else self._load_ms + (took_ms - self._load_ms) / _MEMORY
        self._observer.adapter_loaded(self._model, seconds)
        logger.info("adapter %s loaded in %.0f ms; %d are held", adapter.name, took_ms, len(self._held))

    async def _read(self, adapter: Adapter, folder: Path) -> None:
        name = adapter.name
        try:
            self._check(await asyncio.to_thread(read_shape, folder))
        except BadAdapter as bad:
            raise AdapterUnusable(f"The model's adapter can't be served: {bad}.") from None
        number = self._numbers.get(name)
        if number is None:
            self._last_number += 1
            number = self._numbers[name] = self._last_number
        try:
            await self._host.load(name, number, folder)
        except Refused as refused:
            logger.error("adapter %s was refused by the engine: %s", name, refused)
            raise AdapterUnusable("The model's adapter can't be served: the engine of its base model does not take it.") from None
        loaded = await self._host.loaded()
        self._held[name] = None
        for other in [other for other in self._held if self._numbers[other] not in loaded]:
            del self._held[other]
        # Numbers of what neither the engine holds nor a request names are given up: a name that comes back gets another one.
        for other in [other for other in self._numbers if other not in self._held and other not in self._users]:
            del self._numbers[other]

    def _tell(self) -> None:
        self._observer.adapters_held(self._model, len(self._held))
        self._on_change(Held(tuple(sorted({*self._held, *self._loads})), self._load_ms))

"""The registry of tuned models: register, list, get, delete. What belongs to another organization does not exist."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cluster.config.schema import ModelSettings, TunedModelsSettings
from cluster.errors import Conflict, InvalidRequest, ModelNotFound, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.objects.contract import ObjectStorage
from cluster.store.periodic import Periodic
from cluster.store.tables import TunedModelRow
from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE, AdapterShape, BadAdapter, read_shape
from cluster.tuned.model import Kind, State, TunedModel, object_keys
from cluster.tuned.names import TunedName
from cluster.tuned.repository import Entry, TunedModelRepository

logger = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
_SWEEP_BATCH = 100
_DELETION_S = 60.0
"""A deletion that takes longer has been broken off."""
_PROBATION_S = 7 * 86400.0
"""Whoever should have examined a model is not coming any more. A job that does come registers it anew."""


@dataclass(frozen=True, slots=True)
class NewTunedModel:
    """What to register: the adapter in ``folder`` (its two files, as PEFT writes them), under ``name``."""

    name: TunedName
    folder: Path
    job_id: str | None = None


class TunedModels:
    """One for each gateway. ``bases``: the cluster's models by id."""

    def __init__(
        self,
        database: Database,
        storage: ObjectStorage,
        settings: TunedModelsSettings,
        bases: Mapping[str, ModelSettings],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rows = TunedModelRepository(database)
        self._storage = storage
        self._settings = settings
        self._bases = bases
        self._now = now
        self._sweeper = Periodic("tuned-models", settings.sweep_interval_s, self.sweep)

    def start(self) -> None:
        """Begin to sweep from time to time."""
        self._sweeper.start()

    async def close(self) -> None:
        """Idempotent."""
        await self._sweeper.close()

    async def list(self, principal: Principal) -> list[TunedModel]:
        """Those of the caller's organization, oldest first."""
        return await self._rows.all(principal)

    async def find(self, principal: Principal, model_id: str, *, probation: bool = False) -> TunedModel | None:
        """The caller's model of this name, if there is one. Names of other organizations don't reach the database.

        ``probation``: also one that is still being examined, for whoever does that.
        """
        name = TunedName.parse(model_id)
        if name is None or name.org_id != principal.org_id:
            return None
        return await self._rows.find(principal, model_id, probation=probation)

    async def get(self, principal: Principal, model_id: str) -> TunedModel:
        """Raises :class:`ModelNotFound`."""
        found = await self.find(principal, model_id)
        if found is None:
            raise ModelNotFound(f"The model {model_id[:128]!r} does not exist or you do not have access to it.", param="model")
        return found

    async def register(self, principal: Principal, new: NewTunedModel, *, probation: bool = False) -> TunedModel:
        """Copy an adapter into the store and make a model of it, which can be used when this returns.

        With ``probation`` nobody but its examiner sees the model before :meth:`accept`; its state tells whether that is still due.
        To register the same files under the same name again gives the model that is there; so a job may repeat the step. Raises
        :class:`InvalidRequest` for a base that takes no adapters and for files that can't be served on it, :class:`Conflict`
        for a name that is taken, :class:`~cluster.errors.PermissionDenied` (quota), :class:`StoreUnavailable`.
        """
        if new.name.org_id != principal.org_id:
            raise ValueError("a tuned model carries the name of the organization that registers it")
        base = self._base(principal, new.name.base)
        digests, sizes, shape = await asyncio.to_thread(_examined, new.folder, self._settings.max_adapter_bytes)
        if shape.rank > base.adapters.max_rank:
            raise _invalid(f"its rank is {shape.rank}, and {base.id!r} takes adapters up to rank {base.adapters.max_rank}")
        name = str(new.name)
        existing = await self._rows.entry(principal, name)
        if existing is not None and existing.state is State.READY and existing.digests != digests:
            raise Conflict(f"The model {name!r} exists already, with other files.", code="model_exists")
        same = existing is not None and existing.digests == digests
        if same and (found := await self.find(principal, name, probation=probation)) is not None:
            return found
        if existing is not None:
            await self._discard(existing)
        step = "" if new.name.step is None else f"-{new.name.step}"
        location = f"{principal.org_id}/{new.name.id}{step}-{secrets.token_hex(6)}"
        now_us = self._now_us()
        row = TunedModelRow(
            name=name,
            org_id=principal.org_id,
            project_id=principal.project_id,
            base_model=base.id,
            kind=Kind.ADAPTER,
            state=State.UPLOADING,
            location=location,
            config_sha256=digests[0],
            config_bytes=sizes[0],
            weights_sha256=digests[1],
            weights_bytes=sizes[1],
            rank=shape.rank,
            job_id=new.job_id,
            checkpoint_step=new.name.step,
            created_us=now_us,
            changed_us=now_us,
        )
        await self._rows.add(row, self._settings.max_models_per_organization)
        try:
            for key, file, digest in zip(object_keys(location), (CONFIG_FILE, WEIGHTS_FILE), digests, strict=True):
                await self._upload(key, new.folder / file, digest)
            state = State.PROBATION if probation else State.READY
            model = await self._rows.uploaded(name, location, state, self._now_us())
        except BaseException:
            await self._discard(Entry(name, State.UPLOADING, location, digests))
            raise
        logger.info("tuned model %s: rank %d, %d bytes", name, shape.rank, sum(sizes))
        return model

    async def accept(self, principal: Principal, name: TunedName) -> None:
        """End a model's probation: from now on its organization can use it. Idempotent. Raises :class:`ModelNotFound`."""
        if not await self._rows.accept(principal, str(name), self._now_us()):
            raise ModelNotFound(f"The model {str(name)!r} does not exist.", param="model")

    async def refuse(self, principal: Principal, name: TunedName) -> None:
        """End a model's probation: it and its files are gone. Does nothing to one that is ready. Idempotent."""
        entry = await self._rows.entry(principal, str(name))
        if entry is not None and entry.state is State.PROBATION:
            await self._discard(entry)

    async def delete(self, principal: Principal, model_id: str) -> None:
        """Gone for everybody when this returns; its files a moment later, or when the sweeper finds them.

        Raises :class:`ModelNotFound`.
        """
        name = TunedName.parse(model_id)
        entry = None
        if name is not None and name.org_id == principal.org_id:
            entry = await self._rows.hide(principal, model_id, self._now_us())
        if entry is None:
            raise ModelNotFound(f"The model {model_id[:128]!r} does not exist or you do not have access to it.", param="model")
        try:
            await self._remove(entry)
        except StoreUnavailable:
            # The model is gone for everybody; trying again would only answer that there is none.
            logger.warning("the files of the deleted model %s are left to the sweeper", model_id)

    async def sweep(self) -> int:
        """End registrations and deletions that were broken off; how many. Several gateways may sweep at once."""
        now_s = self._now()
        patience_s = {
            State.UPLOADING: self._settings.upload_timeout_s,
            State.PROBATION: _PROBATION_S,
            State.DELETING: _DELETION_S,
        }
        before_us = {state: int((now_s - seconds) * 1_000_000) for state, seconds in patience_s.items()}
        entries = await self._rows.left_over(before_us, _SWEEP_BATCH)
        for entry in entries:
            await self._discard(entry)
        await self._storage.remove_unfinished(now_s - self._settings.upload_timeout_s)
        return len(entries)

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _base(self, principal: Principal, base_id: str) -> ModelSettings:
        base = self._bases.get(base_id)
        if base is None or base.organization not in (None, principal.org_id):
            raise ModelNotFound(f"The model {base_id[:128]!r} does not exist or you do not have access to it.", param="model")
        if not base.adapters.enabled:
            raise InvalidRequest(f"The model {base_id!r} does not take adapters.", param="model", code="model_not_available")
        return base

    async def _upload(self, key: str, path: Path, digest: str) -> None:
        """Raises :class:`InvalidRequest` when the file is not what it was a moment ago."""
        seen = hashlib.sha256()
        writer = await self._storage.create(key)
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                while piece := await asyncio.to_thread(_next_piece, file, seen):
                    await writer.write(piece)
            if seen.hexdigest() != digest:
                raise _invalid(f"{path.name} has changed while it was read")
            await writer.commit()
        finally:
            await writer.abort()

    async def _discard(self, entry: Entry) -> None:
        """End what is in a passing state. A model that has become ready meanwhile stays."""
        if entry.state is not State.DELETING and not await self._rows.abandon(entry, self._now_us()):
            return
        await self._remove(entry)

    async def _remove(self, entry: Entry) -> None:
        for key in object_keys(entry.location):
            await self._storage.delete(key)
        await self._rows.remove(entry)

    def _now_us(self) -> int:
        return int(self._now() * 1_000_000)


def _examined(folder: Path, max_bytes: int) -> tuple[tuple[str, str], tuple[int, int], AdapterShape]:
    """Digests and sizes of configuration and weights, and what they are. Blocks."""
    try:
        shape = read_shape(folder)
    except BadAdapter as bad:
        raise _invalid(str(bad)) from None
    config, weights = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    sizes = config.stat().st_size, weights.stat().st_size
    if sum(sizes) > max_bytes:
        raise _invalid(f"it has {sum(sizes)} bytes, and at most {max_bytes} are allowed")
    return (_digest(config), _digest(weights)), sizes, shape


def _next_piece(file: BinaryIO, seen: hashlib._Hash) -> bytes:
    piece = file.read(_PIECE_BYTES)
    seen.update(piece)
    return piece


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _invalid(why: str) -> InvalidRequest:
    return InvalidRequest(f"This adapter can't be served: {why}.", code="invalid_adapter")

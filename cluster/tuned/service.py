"""The registry of tuned models: register, list, get, delete. What belongs to another organization does not exist."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.tuning import TunedModelsSettings
from cluster.errors import Conflict, InvalidRequest, ModelNotFound, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.objects.contract import ObjectMissing, ObjectStorage
from cluster.store.periodic import Periodic
from cluster.store.tables import TunedModelRow
from cluster.tuned import contents
from cluster.tuned.contents import Contents, Part, bad_adapter, bad_weights
from cluster.tuned.model import Kind, State, TunedModel, object_keys
from cluster.tuned.names import TunedName
from cluster.tuned.repository import Entry, TunedModelRepository, no_room
from cluster.tuned.weights import MAX_FILES, BadManifest, Manifest, file_key, manifest_key

logger = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
_SWEEP_BATCH = 100
_DELETION_S = 60.0
"""A deletion that takes longer has been broken off."""
_PROBATION_S = 7 * 86400.0
"""Whoever should have examined a model is not coming any more. A job that does come registers it anew."""


@dataclass(frozen=True, slots=True)
class NewTunedModel:
    """What to register under ``name``: of ``folder`` the adapter (its two files, as PEFT writes them), or the whole model."""

    name: TunedName
    folder: Path
    job_id: str | None = None
    kind: Kind = Kind.ADAPTER


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

    async def check_room(self, principal: Principal, base_id: str, kind: Kind) -> None:
        """Raises what :meth:`register` would before it reads any file, so that nothing is trained that could not be kept."""
        self._base(principal, base_id, kind)
        if kind is Kind.MERGED and await self._rows.merged_count() >= self._settings.max_merged_models:
            raise no_room(self._settings.max_merged_models)

    async def register(self, principal: Principal, new: NewTunedModel, *, probation: bool = False) -> TunedModel:
        """Copy a model's files into the store and make a model of them. An adapter can be used when this returns.

        With ``probation`` nobody but its examiner sees the model before :meth:`accept`; its state tells whether that is still due.
        To register the same files under the same name again gives the model that is there; so a job may repeat the step. Raises
        :class:`InvalidRequest` for a base that takes no such models and for files that can't be served on it, :class:`Conflict`
        for a name that is taken, :class:`~cluster.errors.PermissionDenied` (quota), :class:`StoreUnavailable`.
        """
        if new.name.org_id != principal.org_id:
            raise ValueError("a tuned model carries the name of the organization that registers it")
        base = self._base(principal, new.name.base, new.kind)
        read = await asyncio.to_thread(self._read, new)
        if new.kind is Kind.ADAPTER and read.rank > base.adapters.max_rank:
            raise bad_adapter(f"its rank is {read.rank}, and {base.id!r} takes adapters up to rank {base.adapters.max_rank}")
        name = str(new.name)
        existing = await self._rows.entry(principal, name)
        if existing is not None and existing.state is State.READY and existing.digests != read.digests:
            raise Conflict(f"The model {name!r} exists already, with other files.", code="model_exists")
        same = existing is not None and existing.digests == read.digests
        if same and (found := await self.find(principal, name, probation=probation)) is not None:
            return found
        if existing is not None:
            await self._discard(existing)
        row = self._row(principal, new, read)
        await self._rows.add(row, self._settings.max_models_per_organization, self._settings.max_merged_models)
        location = row.location
        try:
            for key, part in zip(read.keys(location), read.parts, strict=True):
                await self._upload(key, part)
            state = State.PROBATION if probation else State.READY
            model = await self._rows.uploaded(name, location, state, self._now_us())
        except BaseException:
            await self._discard(Entry(name, State.UPLOADING, location, read.digests, read.kind, read.sizes[0]))
            raise
        logger.info("tuned model %s: %s, %d bytes", name, read.kind, sum(read.sizes))
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

    def _base(self, principal: Principal, base_id: str, kind: Kind) -> ModelSettings:
        base = self._bases.get(base_id)
        if base is None or base.organization not in (None, principal.org_id):
            raise ModelNotFound(f"The model {base_id[:128]!r} does not exist or you do not have access to it.", param="model")
        if kind is Kind.ADAPTER and not base.adapters.enabled:
            raise InvalidRequest(f"The model {base_id!r} does not take adapters.", param="model", code="model_not_available")
        return base

    def _read(self, new: NewTunedModel) -> Contents:
        """Blocks."""
        if new.kind is Kind.ADAPTER:
            return contents.adapter(new.folder, self._settings.max_adapter_bytes)
        return contents.merged(new.folder, self._settings.max_merged_bytes)

    def _row(self, principal: Principal, new: NewTunedModel, read: Contents) -> TunedModelRow:
        step = "" if new.name.step is None else f"-{new.name.step}"
        now_us = self._now_us()
        return TunedModelRow(
            name=str(new.name),
            org_id=principal.org_id,
            project_id=principal.project_id,
            base_model=new.name.base,
            kind=read.kind,
            state=State.UPLOADING,
            location=f"{principal.org_id}/{new.name.id}{step}-{secrets.token_hex(6)}",
            config_sha256=read.digests[0],
            config_bytes=read.sizes[0],
            weights_sha256=read.digests[1],
            weights_bytes=read.sizes[1],
            rank=read.rank,
            job_id=new.job_id,
            checkpoint_step=new.name.step,
            created_us=now_us,
            changed_us=now_us,
        )

    async def _upload(self, key: str, part: Part) -> None:
        """Raises :class:`InvalidRequest` when a file is not what it was a moment ago."""
        seen = hashlib.sha256()
        writer = await self._storage.create(key)
        try:
            if isinstance(part.content, bytes):
                seen.update(part.content)
                await writer.write(part.content)
            else:
                with await asyncio.to_thread(part.content.open, "rb") as file:
                    while piece := await asyncio.to_thread(_next_piece, file, seen):
                        await writer.write(piece)
            if seen.hexdigest() != part.sha256:
                raise bad_weights("its files have changed while they were read")
            await writer.commit()
        finally:
            await writer.abort()

    async def _discard(self, entry: Entry) -> None:
        """End what is in a passing state. A model that has become ready meanwhile stays."""
        if entry.state is not State.DELETING and not await self._rows.abandon(entry, self._now_us()):
            return
        await self._remove(entry)

    async def _remove(self, entry: Entry) -> None:
        for key in await self._keys(entry):
            await self._storage.delete(key)
        await self._rows.remove(entry)

    async def _keys(self, entry: Entry) -> Sequence[str]:
        """Of all objects, the manifest last: without it the others could not be found."""
        if entry.kind is Kind.ADAPTER:
            return object_keys(entry.location)
        key = manifest_key(entry.location)
        try:
            raw = b"".join([piece async for piece in self._storage.read(key, 0, entry.manifest_bytes)])
            places = len(Manifest.of(raw).files)
        except ObjectMissing:
            # Nothing else is there either: it is written first and deleted last.
            return []
        except BadManifest:
            logger.error("the manifest of %s is damaged: objects of up to %d places are removed", entry.location, MAX_FILES)
            places = MAX_FILES
        return [*(file_key(entry.location, place) for place in range(places)), key]

    def _now_us(self) -> int:
        return int(self._now() * 1_000_000)


def _next_piece(file: BinaryIO, seen: hashlib._Hash) -> bytes:
    piece = file.read(_PIECE_BYTES)
    seen.update(piece)
    return piece

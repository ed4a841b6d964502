"""Rows of tuned models. What shows one takes a principal; the rest is for the registry's own upkeep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from cluster.errors import Conflict, PermissionDenied
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.tables import TunedModelRow
from cluster.tuned.model import Kind, State, TunedModel


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of any state: where its files are, and what tells two registrations of one name apart."""

    name: str
    state: State
    location: str
    digests: tuple[str, str]
    kind: Kind = Kind.ADAPTER
    manifest_bytes: int = 0


class TunedModelRepository:
    """Every method may raise :class:`~cluster.errors.StoreUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what organizations see -------------------------------------------------------------------------------------------

    async def all(self, principal: Principal) -> list[TunedModel]:
        """Those of the caller's organization, oldest first."""
        row = TunedModelRow
        async with self._database.session() as session:
            rows = await session.scalars(_own(principal).order_by(row.created_us, row.name))
            return [TunedModel.of(each) for each in rows]

    async def find(self, principal: Principal, name: str, *, probation: bool = False) -> TunedModel | None:
        """``probation``: also one that is not ready yet, but could be asked."""
        states = (State.READY, State.PROBATION) if probation else (State.READY,)
        async with self._database.session() as session:
            row = (await session.scalars(_own(principal, *states).where(TunedModelRow.name == name))).one_or_none()
            return None if row is None else TunedModel.of(row)

    async def hide(self, principal: Principal, name: str, now_us: int) -> Entry | None:
        """Make a ready model ``deleting``; ``None`` when the caller has none of this name."""
        async with self._database.transaction() as session:
            row = (await session.scalars(_own(principal).where(TunedModelRow.name == name).with_for_update())).one_or_none()
            if row is None:
                return None
            row.state, row.changed_us = State.DELETING, now_us
            return _entry(row)

    # --- the registry's upkeep --------------------------------------------------------------------------------------------

    async def entry(self, principal: Principal, name: str) -> Entry | None:
        """The caller's row of this name, whatever its state."""
        query = select(TunedModelRow).where(TunedModelRow.name == name, TunedModelRow.org_id == principal.org_id)
        async with self._database.session() as session:
            row = (await session.scalars(query)).one_or_none()
            return None if row is None else _entry(row)

    async def add(self, row: TunedModelRow, max_models: int, max_merged: int) -> None:
        """Raises :class:`Conflict` when the name is taken, :class:`PermissionDenied` with ``max_models`` of the organization, or,
        for a merged one, with ``max_merged`` of all organizations."""
        count = select(func.count()).select_from(TunedModelRow).where(TunedModelRow.org_id == row.org_id)
        merged = select(func.count()).select_from(TunedModelRow).where(_merged())
        try:
            async with self._database.transaction() as session:
                if self._database.dialect == "postgresql":
                    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:org_id, 0))")
                    await session.execute(lock, {"org_id": f"tuned:{row.org_id}"})
                    if row.kind == Kind.MERGED:
                        await session.execute(lock, {"org_id": "tuned:merged"})
                if (await session.execute(count)).scalar_one() >= max_models:
                    raise PermissionDenied(
                        f"The organization has {max_models} tuned models, as many as it may have. Delete some first.",
                        code="model_quota_exceeded",
                    )
                if row.kind == Kind.MERGED and (await session.execute(merged)).scalar_one() >= max_merged:
                    raise no_room(max_merged)
                session.add(row)
        except IntegrityError:
            raise Conflict(f"The model {row.name!r} exists already, or is being registered.", code="model_exists") from None

    async def uploaded(self, name: str, location: str, state: State, now_us: int) -> TunedModel:
        """Its files are all there: from now on it is in ``state``.

        Raises :class:`Conflict` when the registration was taken for broken off meanwhile.
        """
        row = TunedModelRow
        async with self._database.transaction() as session:
            found = (
                await session.scalars(
                    select(row).where(row.name == name, row.location == location, row.state == State.UPLOADING).with_for_update()
                )
            ).one_or_none()
            if found is None:
                raise Conflict(f"The registration of {name!r} took too long and was given up.", code="model_exists")
            found.state, found.changed_us = state, now_us
            return TunedModel.of(found)

    async def accept(self, principal: Principal, name: str, now_us: int) -> bool:
        """End a probation well. ``False`` when the caller has no such model; one that is ready stays so."""
        row = TunedModelRow
        own = _own(principal, State.READY, State.PROBATION).where(row.name == name).with_for_update()
        async with self._database.transaction() as session:
            found = (await session.scalars(own)).one_or_none()
            if found is not None and found.state == State.PROBATION:
                found.state, found.changed_us = State.READY, now_us
            return found is not None

    async def abandon(self, entry: Entry, now_us: int) -> bool:
        """Make a registration that has not ended, or is on probation, ``deleting``; ``False`` when it has."""
        row = TunedModelRow
        change = (
            update(row)
            .where(row.name == entry.name, row.location == entry.location, row.state.in_((State.UPLOADING, State.PROBATION)))
            .values(state=State.DELETING, changed_us=now_us)
            .returning(row.name)
        )
        async with self._database.transaction() as session:
            return (await session.execute(change)).first() is not None

    async def remove(self, entry: Entry) -> None:
        """The row of a model whose files are gone."""
        row = TunedModelRow
        async with self._database.transaction() as session:
            await session.execute(
                delete(row).where(row.name == entry.name, row.location == entry.location, row.state == State.DELETING)
            )

    async def merged_count(self) -> int:
        """Merged models of all organizations, and registrations of such."""
        query = select(func.count()).select_from(TunedModelRow).where(_merged())
        async with self._database.session() as session:
            return (await session.execute(query)).scalar_one()

    async def merged(self, limit: int) -> list[TunedModel]:
        """Ready ones of all organizations, oldest first: for whoever starts their engines, and for nobody's request."""
        row = TunedModelRow
        query = select(row).where(_merged(), row.state == State.READY).order_by(row.created_us, row.name).limit(limit)
        async with self._database.session() as session:
            return [TunedModel.of(each) for each in await session.scalars(query)]

    async def left_over(self, before_us: Mapping[State, int], limit: int) -> list[Entry]:
        """Rows in one of these states since before its time."""
        row = TunedModelRow
        due = [and_(row.state == state, row.changed_us < time_us) for state, time_us in before_us.items()]
        query = select(row).where(or_(*due)).limit(limit)
        async with self._database.session() as session:
            return [_entry(each) for each in await session.scalars(query)]


def _own(principal: Principal, *states: State) -> Select[TunedModelRow]:
    """Rows of the caller's organization; ready ones, unless other states are named."""
    row = TunedModelRow
    return select(row).where(row.org_id == principal.org_id, row.state.in_(states or (State.READY,)))


def _merged() -> ColumnElement[bool]:
    """Whose engines are there, or will be."""
    return and_(TunedModelRow.kind == Kind.MERGED, TunedModelRow.state != State.DELETING)


def no_room(max_merged: int) -> PermissionDenied:
    return PermissionDenied(
        f"This cluster has {max_merged} tuned models with engines of their own, as many as it may have "
        "(tuned_models.max_merged_models). One must be deleted first, or its operator must allow more.",
        code="merged_model_quota_exceeded",
    )


def _entry(row: TunedModelRow) -> Entry:
    kind = Kind(row.kind)
    digests = (row.config_sha256, row.weights_sha256)
    return Entry(row.name, State(row.state), row.location, digests, kind, row.config_bytes if kind is Kind.MERGED else 0)

"""Runs and their output items in the database. Every method takes the principal whose they must be."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import NotFound
from cluster.evals.paging import PAGE_BYTES, within
from cluster.evals.runs.outcome import ItemStatus, Outcome, Totals, digest
from cluster.identity.principal import Principal
from cluster.inference.requests import problems
from cluster.jobs.model import JobState, is_job_id
from cluster.store.database import Database
from cluster.store.eval_tables import EvalOutputItemRow, EvalRunRow, EvalRunTotalsRow
from cluster.store.tables import JobRow

_SCAN_ITEMS = 100
_ITEM_ID = re.compile(r"outputitem_[0-9a-f]{32}")

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """``state``, ``error``: of the run's job; ``error`` is code and message. ``item_count``: ``None`` until it is known."""

    row: EvalRunRow
    item_count: int | None
    totals: Totals
    state: JobState
    error: tuple[str, str] | None


class RunTable:
    """Methods raise :class:`NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    # --- runs -------------------------------------------------------------------------------------------------------------

    async def count(self, session: AsyncSession, principal: Principal) -> int:
        """The organization's runs."""
        query = select(func.count()).select_from(EvalRunRow).where(EvalRunRow.org_id == principal.org_id)
        return int((await session.execute(query)).scalar_one())

    async def get(self, principal: Principal, run_id: str, eval_id: str | None = None) -> RunRecord:
        """``eval_id``: of which it must be a run."""
        async with self._database.session() as session:
            return await self.find(session, principal, run_id, eval_id)

    async def find(self, session: AsyncSession, principal: Principal, run_id: str, eval_id: str | None = None) -> RunRecord:
        if is_job_id(run_id):
            query = _runs(principal).where(EvalRunRow.id == run_id)
            if eval_id is not None:
                query = query.where(EvalRunRow.eval_id == eval_id)
            found = (await session.execute(query)).one_or_none()
            if found is not None:
                return _record(found)
        raise NotFound(f"There is no run {run_id[:100]!r} of this eval.", param="run_id", code="eval_run_not_found")

    async def page(
        self,
        principal: Principal,
        eval_id: str,
        *,
        states: Sequence[JobState],
        after: str | None,
        limit: int,
        order: Order,
        max_bytes: int = PAGE_BYTES,
    ) -> tuple[list[RunRecord], bool]:
        """Runs by time of creation, and whether there are more. ``states``: any of them; none: all."""
        row = EvalRunRow
        place = tuple_(row.created_us, row.id)
        async with self._database.session() as session:
            query = select(row.id, row.size_bytes).join(JobRow, JobRow.id == row.id).where(*_own(principal), row.eval_id == eval_id)
            if states:
                query = query.where(JobRow.state.in_(states))
            if after is not None:
                last = await self._cursor(session, principal, after, eval_id)
                query = query.where(place < last if order == "desc" else place > last)
            columns = (row.created_us.desc(), row.id.desc()) if order == "desc" else (row.created_us, row.id)
            found = (await session.execute(query.order_by(*columns).limit(limit + 1))).all()
            ids = within([(each.id, each.size_bytes) for each in found[:limit]], max_bytes)
            full = (await session.execute(_runs(principal).where(row.id.in_(ids)))).all()
        records = {record.row.id: record for record in map(_record, full)}
        return [records[name] for name in ids if name in records], len(found) > len(ids)

    async def delete(self, principal: Principal, eval_id: str, run_id: str) -> None:
        async with self._database.transaction() as session:
            record = await self.find(session, principal, run_id, eval_id)
            await session.execute(delete(EvalRunRow).where(EvalRunRow.id == record.row.id))

    async def unfinished(self, principal: Principal, eval_id: str) -> list[str]:
        """Runs of the eval that wait or go on."""
        query = select(EvalRunRow.id).join(JobRow, JobRow.id == EvalRunRow.id)
        query = query.where(*_own(principal), EvalRunRow.eval_id == eval_id, JobRow.finished_at.is_(None))
        async with self._database.session() as session:
            return list(await session.scalars(query))

    # --- while it runs ----------------------------------------------------------------------------------------------------

    async def add_run(self, session: AsyncSession, row: EvalRunRow, item_count: int | None) -> RunRecord:
        """A new run, in the caller's transaction, in which its job is made as well."""
        totals = Totals()
        session.add(row)
        await session.flush()
        session.add(EvalRunTotalsRow(run_id=row.id, item_count=item_count, totals=msgspec.json.encode(totals)))
        await session.flush()
        return RunRecord(row, item_count, totals, JobState.QUEUED, None)

    async def set_item_count(self, session: AsyncSession, run_id: str, count: int) -> None:
        row = await session.get(EvalRunTotalsRow, run_id, with_for_update=True)
        if row is not None:
            row.item_count = count

    async def done(self, run_id: str) -> set[int]:
        """Places of the items that are written."""
        query = select(EvalOutputItemRow.place).where(EvalOutputItemRow.run_id == run_id)
        async with self._database.session() as session:
            return set(await session.scalars(query))

    async def add(self, session: AsyncSession, run_id: str, outcomes: Sequence[Outcome]) -> int | None:
        """Write what came out of items, and count them, in the caller's transaction. Places that are there stay as they are.

        How many items are done now; ``None``, and nothing written: the run was deleted.
        """
        row = await session.get(EvalRunTotalsRow, run_id, with_for_update=True)
        if row is None:
            return None
        item = EvalOutputItemRow
        places = [outcome.place for outcome in outcomes]
        known = set(await session.scalars(select(item.place).where(item.run_id == run_id, item.place.in_(places))))
        totals = msgspec.json.decode(row.totals, type=Totals)
        values = []
        for outcome in outcomes:
            if outcome.place not in known:
                totals = totals.with_outcome(outcome)
                values.append(_values(run_id, outcome, int(self._now())))
        if values:
            await session.execute(insert(item), values)
            row.totals = msgspec.json.encode(totals)
        return totals.done

    # --- output items -----------------------------------------------------------------------------------------------------

    async def items(
        self,
        run_id: str,
        *,
        status: ItemStatus | None,
        after: str | None,
        limit: int,
        order: Order,
        max_bytes: int = PAGE_BYTES,
    ) -> tuple[list[EvalOutputItemRow], bool]:
        """A run's items in the order of their source, and whether there are more. The run must be known to be the caller's."""
        item = EvalOutputItemRow
        async with self._database.session() as session:
            sizes = select(item.place, item.size_bytes).where(item.run_id == run_id)
            if status is not None:
                sizes = sizes.where(item.status == str(status))
            if after is not None:
                found = select(item.place).where(item.run_id == run_id, item.id == after)
                place = (await session.execute(found)).scalar_one_or_none()
                if place is None:
                    raise problems.invalid("after", "there is no such object in this list.")
                sizes = sizes.where(item.place < place if order == "desc" else item.place > place)
            sizes = sizes.order_by(item.place.desc() if order == "desc" else item.place).limit(limit + 1)
            sized = (await session.execute(sizes)).all()
            places = within([(each.place, each.size_bytes) for each in sized[:limit]], max_bytes)
            query = select(item).where(item.run_id == run_id, item.place.in_(places))
            full = {row.place: row for row in await session.scalars(query)}
        return [full[place] for place in places if place in full], len(sized) > len(places)

    async def item(self, run_id: str, item_id: str) -> EvalOutputItemRow:
        row = None
        if _ITEM_ID.fullmatch(item_id):
            query = select(EvalOutputItemRow).where(EvalOutputItemRow.run_id == run_id, EvalOutputItemRow.id == item_id)
            async with self._database.session() as session:
                row = (await session.execute(query)).scalar_one_or_none()
        if row is None:
            raise NotFound(
                f"There is no output item {item_id[:100]!r} of this run.", param="output_item_id", code="output_item_not_found"
            )
        return row

    async def scan(self, run_id: str) -> AsyncGenerator[list[EvalOutputItemRow], None]:
        """All items that are written, in the order of their source, some at a time."""
        after: str | None = None
        more = True
        while more:
            rows, more = await self.items(run_id, status=None, after=after, limit=_SCAN_ITEMS, order="asc")
            if not rows:
                return
            yield rows
            after = rows[-1].id

    async def grades(self, run_id: str) -> list[tuple[int, bytes, bytes]]:
        """Place, digest of the item and grades (JSON) of all items that are written."""
        item = EvalOutputItemRow
        query = select(item.place, item.item_digest, item.grades).where(item.run_id == run_id).order_by(item.place)
        async with self._database.session() as session:
            return [(each.place, each.item_digest, each.grades) for each in (await session.execute(query)).all()]

    async def _cursor(self, session: AsyncSession, principal: Principal, after: str, eval_id: str) -> tuple[int, str]:
        try:
            record = await self.find(session, principal, after, eval_id)
        except NotFound:
            raise problems.invalid("after", "there is no such object in this list.") from None
        return record.row.created_us, record.row.id


def _own(principal: Principal) -> tuple[Any, ...]:
    return EvalRunRow.org_id == principal.org_id, EvalRunRow.project_id == principal.project_id


def _runs(principal: Principal) -> Select[EvalRunRow, EvalRunTotalsRow, str, bytes | None]:
    query = select(EvalRunRow, EvalRunTotalsRow, JobRow.state, JobRow.error).where(*_own(principal))
    query = query.join(EvalRunTotalsRow, EvalRunTotalsRow.run_id == EvalRunRow.id)
    return query.join(JobRow, JobRow.id == EvalRunRow.id)


def _record(found: Any) -> RunRecord:
    row, totals, state, error = found
    decoded = msgspec.json.decode(error) if error is not None else None
    return RunRecord(
        row,
        totals.item_count,
        msgspec.json.decode(totals.totals, type=Totals),
        JobState(state),
        (decoded["code"], decoded["message"]) if decoded is not None else None,
    )


def _values(run_id: str, outcome: Outcome, now_s: int) -> dict[str, Any]:
    item, sample, grades = (msgspec.json.encode(part) for part in (outcome.item, outcome.sample, outcome.grades))
    return {
        "run_id": run_id,
        "place": outcome.place,
        "id": f"outputitem_{secrets.token_hex(16)}",
        "status": str(outcome.status),
        "item_digest": digest(outcome.item),
        "item": item,
        "sample": sample,
        "grades": grades,
        "size_bytes": len(item) + len(sample) + len(grades),
        "created_at": now_s,
    }

"""Evals as their organization's project sees them: create, list, get, change, delete. No query without a principal."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.evals import EvalsSettings
from cluster.errors import InvalidRequest, NotFound, PermissionDenied
from cluster.evals.data_source import SourceConfig, described, namespaces_schema, parse_source, read_source
from cluster.evals.definitions import Criterion, LabelModel, Python, ScoreModel, parse_criteria
from cluster.evals.paging import PAGE_BYTES, Page, within
from cluster.evals.template_check import check_templates
from cluster.identity.principal import Principal
from cluster.inference.requests import problems
from cluster.inference.service import Inference
from cluster.store.database import Database
from cluster.store.eval_tables import EvalRow

_ID = re.compile(r"eval_[0-9a-f]{32}")

Order = Literal["asc", "desc"]
OrderBy = Literal["created_at", "updated_at"]


@dataclass(frozen=True, slots=True)
class NewEval:
    """``source``, ``criteria``: ``data_source_config`` and ``testing_criteria`` as they were sent."""

    name: str | None
    metadata: Mapping[str, str]
    source: Mapping[str, Any]
    criteria: Sequence[object]


@dataclass(frozen=True)
class Eval:
    """An eval. ``source`` and ``criteria`` are read when they are needed."""

    id: str
    row: EvalRow

    @cached_property
    def source(self) -> SourceConfig:
        return read_source(msgspec.json.decode(self.row.source))

    @cached_property
    def criteria(self) -> list[Criterion]:
        return parse_criteria(msgspec.json.decode(self.row.criteria))

    @property
    def metadata(self) -> dict[str, str]:
        found: dict[str, str] = msgspec.json.decode(self.row.metadata_json)
        return found

    def to_json(self) -> dict[str, Any]:
        """OpenAI's ``Eval``."""
        row = self.row
        return {
            "object": "eval",
            "id": row.id,
            "name": row.name,
            "data_source_config": msgspec.Raw(row.shown_source),
            "testing_criteria": msgspec.Raw(row.criteria),
            "created_at": row.created_us // 1_000_000,
            "metadata": msgspec.Raw(row.metadata_json),
        }


class Evals:
    """Methods raise :class:`NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(
        self, database: Database, inference: Inference, settings: EvalsSettings, now: Callable[[], float] = time.time
    ) -> None:
        """``inference``: knows which models a caller may name."""
        self._database = database
        self._inference = inference
        self._settings = settings
        self._now = now

    async def create(self, principal: Principal, new: NewEval) -> Eval:
        """Raises :class:`InvalidRequest`, which names the field, and :class:`PermissionDenied` when there are too many."""
        source, criteria = await asyncio.to_thread(_checked, new)
        for index, criterion in enumerate(criteria):
            await self._check_means(principal, criterion, f"testing_criteria.{index}")
        now_us = int(self._now() * 1_000_000)
        name = f"eval_{secrets.token_hex(16)}"
        shown_source = msgspec.json.encode(described(source))
        shown_criteria = msgspec.json.encode([criterion.to_json() for criterion in criteria])
        row = EvalRow(
            id=name,
            org_id=principal.org_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            name=new.name or name,
            metadata_json=msgspec.json.encode(new.metadata),
            source=msgspec.json.encode(new.source),
            shown_source=shown_source,
            criteria=shown_criteria,
            size_bytes=len(shown_source) + len(shown_criteria),
            created_us=now_us,
            updated_us=now_us,
        )
        async with self._database.transaction() as session:
            count = select(func.count()).select_from(EvalRow).where(EvalRow.org_id == principal.org_id)
            if (await session.execute(count)).scalar_one() >= self._settings.max_evals_per_organization:
                raise PermissionDenied(
                    f"Your organization has {self._settings.max_evals_per_organization} evals, which is the most it may have.",
                    code="too_many_evals",
                )
            session.add(row)
        return Eval(row.id, row)

    async def page(
        self,
        principal: Principal,
        *,
        after: str | None,
        limit: int,
        order: Order,
        order_by: OrderBy,
        max_bytes: int = PAGE_BYTES,
    ) -> Page:
        """``max_bytes``: it ends earlier with more. Raises :class:`InvalidRequest` for an ``after`` that is not in the list."""
        column = EvalRow.updated_us if order_by == "updated_at" else EvalRow.created_us
        place = tuple_(column, EvalRow.id)
        query = select(EvalRow.id, EvalRow.size_bytes).where(*_own(principal))
        async with self._database.session() as session:
            if after is not None:
                last = await self._find(session, principal, after)
                if last is None:
                    raise problems.invalid("after", "there is no such object in this list.")
                here = (last.updated_us if order_by == "updated_at" else last.created_us, last.id)
                query = query.where(place < here if order == "desc" else place > here)
            columns = (column.desc(), EvalRow.id.desc()) if order == "desc" else (column, EvalRow.id)
            found = (await session.execute(query.order_by(*columns).limit(limit + 1))).all()
            ids = within([(each.id, each.size_bytes) for each in found[:limit]], max_bytes)
            full = await session.scalars(select(EvalRow).where(EvalRow.id.in_(ids), *_own(principal)))
            rows = {row.id: row for row in full}
        return Page([Eval(name, rows[name]).to_json() for name in ids if name in rows], has_more=len(found) > len(ids))

    async def get(self, principal: Principal, eval_id: str) -> Eval:
        async with self._database.session() as session:
            return Eval(eval_id, await self._row(session, principal, eval_id))

    async def update(self, principal: Principal, eval_id: str, *, name: str | None, metadata: Mapping[str, str] | None) -> Eval:
        """``None`` leaves something as it is."""
        async with self._database.transaction() as session:
            row = await self._row(session, principal, eval_id, lock=True)
            if name is not None:
                row.name = name
            if metadata is not None:
                row.metadata_json = msgspec.json.encode(metadata)
            row.updated_us = int(self._now() * 1_000_000)
        return Eval(row.id, row)

    async def delete(self, principal: Principal, eval_id: str) -> None:
        """The eval with its runs and their output."""
        async with self._database.transaction() as session:
            row = await self._row(session, principal, eval_id, lock=True)
            await session.execute(delete(EvalRow).where(EvalRow.id == row.id))

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _check_means(self, principal: Principal, criterion: Criterion, param: str) -> None:
        """Whether there is what the criterion needs: its model, for this caller, or Python."""
        if isinstance(criterion, LabelModel | ScoreModel):
            await check_model(self._inference, principal, criterion.model, f"{param}.model")
        if isinstance(criterion, Python) and not self._settings.python_graders:
            raise problems.unsupported_value(f"{param}.type", "graders in Python are switched off on this cluster.")

    async def _find(self, session: AsyncSession, principal: Principal, eval_id: str, *, lock: bool = False) -> EvalRow | None:
        if not _ID.fullmatch(eval_id):
            return None
        query = select(EvalRow).where(EvalRow.id == eval_id, *_own(principal))
        return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()

    async def _row(self, session: AsyncSession, principal: Principal, eval_id: str, *, lock: bool = False) -> EvalRow:
        row = await self._find(session, principal, eval_id, lock=lock)
        if row is None:
            raise NotFound(f"There is no eval {eval_id[:100]!r}.", param="eval_id", code="eval_not_found")
        return row


def _checked(new: NewEval) -> tuple[SourceConfig, list[Criterion]]:
    source = parse_source(new.source)
    criteria = parse_criteria(new.criteria)
    schema = namespaces_schema(source)
    for index, criterion in enumerate(criteria):
        check_templates(criterion.templates(f"testing_criteria.{index}"), schema)
    return source, criteria


async def check_model(inference: Inference, principal: Principal, model: str, param: str) -> None:
    """Raises :class:`InvalidRequest` for a model that this caller can't use."""
    try:
        await inference.find_model(principal, model)
    except NotFound as error:
        raise InvalidRequest(error.message, param=param, code="model_not_found") from None


def _own(principal: Principal) -> tuple[Any, ...]:
    return EvalRow.org_id == principal.org_id, EvalRow.project_id == principal.project_id

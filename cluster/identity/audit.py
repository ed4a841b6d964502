"""The audit log: who did what to organizations, projects and keys, or tried to, and when. Rows are added and never changed.

What an action did is written in the action's own transaction: there is no action without its row and no row without its action.
Attempts that were refused have nothing to be part of; they get a transaction of their own, few enough that a caller who is refused
over and over can't fill the database.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import NotFound, OssatureError, PermissionDenied, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.identity.refusal_budget import RefusalBudget
from cluster.identity.secrets import new_id
from cluster.store.database import Database
from cluster.store.tables import LABEL_LENGTH, AuditRow
from cluster.telemetry import logs
from cluster.telemetry.redaction import redact

logger = logging.getLogger(__name__)

AT_START: Final = "start"
"""Actor of what a start of the cluster does by itself: whoever may open its database."""
AT_COMMAND_LINE: Final = "command-line"
"""Actor of commands that work on the database itself."""
UNKNOWN_ACTOR: Final = ""
"""Actor of attempts with no key, or with none that is valid."""
MAX_DETAIL_CHARS: Final = 200


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """``actor``: id of the key that asked, or one of the constants above. ``target``: id of what was made or changed.

    ``organization_id``: whose that is. ``error``: code of the refusal. ``details``: names as they were asked for; never a secret.
    """

    id: str
    at_us: int
    action: str
    outcome: Outcome
    actor: str
    target: str
    organization_id: str
    request_id: str
    error: str
    details: Mapping[str, str]

    @classmethod
    def of(cls, row: AuditRow) -> AuditEvent:
        return cls(
            id=row.id,
            at_us=row.at_us,
            action=row.action,
            outcome=Outcome(row.outcome),
            actor=row.actor,
            target=row.target,
            organization_id=row.org_id,
            request_id=row.request_id,
            error=row.error,
            details=json.loads(row.details_json),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "object": "audit_event",
            "id": self.id,
            "at": self.at_us / 1e6,
            "action": self.action,
            "outcome": self.outcome.value,
            "actor": self.actor or None,
            "target": self.target or None,
            "organization_id": self.organization_id or None,
            "request_id": self.request_id or None,
            "error": self.error or None,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """``None``: any."""

    action: str | None = None
    outcome: str | None = None
    actor: str | None = None
    organization_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    events: list[AuditEvent]
    has_more: bool


class Attempt:
    """An action under way."""

    def __init__(self, log: AuditLog, actor: str, action: str, org_id: str, target: str, details: Mapping[str, str]) -> None:
        self._log = log
        self._actor = actor
        self._action = action
        self._org_id = org_id
        self._target = target
        self._details = details

    def done(self, session: AsyncSession, *, target: str, org_id: str | None) -> None:
        """Write it into the action's transaction, which is still open."""
        session.add(
            self._log.row(self._action, Outcome.DONE, self._actor, target=target, org_id=org_id or "", details=self._details)
        )

    async def refused(self, error: OssatureError) -> None:
        await self._log.refused(self._actor, self._action, error, target=self._target, org_id=self._org_id, details=self._details)


class AuditLog:
    """``now``: Unix seconds. ``request_id``: of the request being served, which the edges bind for the logs."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], float] = time.time,
        request_id: Callable[[], str | None] = logs.request_id.get,
        budget: RefusalBudget | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._request_id = request_id
        self._budget = budget or RefusalBudget()

    @asynccontextmanager
    async def attempt(
        self, admin: Principal, action: str, *, org_id: str = "", target: str = "", details: Mapping[str, str] | None = None
    ) -> AsyncIterator[Attempt]:
        """Around an action: if it is refused, that is written down before the error goes on its way."""
        attempt = Attempt(self, admin.key_id, action, org_id, target, details or {})
        try:
            yield attempt
        except OssatureError as error:
            await attempt.refused(error)
            raise

    async def refused(
        self,
        actor: str,
        action: str,
        error: OssatureError,
        *,
        target: str = "",
        org_id: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Write down an attempt that came to nothing, unless this actor had too many of late; the next row then counts those.

        Does not raise: that it can't be written must not change what the caller is told. It is logged instead.
        """
        if isinstance(error, StoreUnavailable):
            logger.error("An attempt at %s by %s failed for want of a database", action, actor or "nobody known")
            return
        granted = self._budget.take(actor)
        if granted is None:
            return
        details = dict(details or {})
        if granted.passed_over:
            details["passed_over"] = str(granted.passed_over)
        row = self.row(
            action, Outcome.REFUSED, actor, target=target, org_id=org_id, error=error.code or error.type, details=details
        )
        try:
            async with self._database.transaction() as session:
                session.add(row)
        except StoreUnavailable:
            logger.error("A refused attempt at %s by %s could not be written to the audit log", action, actor or "nobody known")

    def row(
        self,
        action: str,
        outcome: Outcome,
        actor: str,
        *,
        target: str = "",
        org_id: str = "",
        error: str = "",
        details: Mapping[str, str] | None = None,
    ) -> AuditRow:
        """A row to add to a session. What callers wrote is cut and cleaned: a name may hold anything, a key for instance."""
        clean = {name: _clean(value) for name, value in (details or {}).items()}
        return AuditRow(
            id=new_id("audit"),
            at_us=int(self._now() * 1e6),
            action=action[:LABEL_LENGTH],
            outcome=outcome.value,
            actor=actor,
            target=_clean(target),
            org_id=_clean(org_id),
            request_id=(self._request_id() or "")[:LABEL_LENGTH],
            error=error[:LABEL_LENGTH],
            details_json=json.dumps(clean),
        )

    async def list_events(self, admin: Principal, wanted: AuditFilter, *, after: str | None, limit: int) -> AuditPage:
        """The newest first, from behind ``after`` on. Raises :class:`PermissionDenied`, :class:`NotFound` (``after``)."""
        if not admin.admin:
            raise PermissionDenied("Only an admin key may do this.")
        query = select(AuditRow).order_by(AuditRow.at_us.desc(), AuditRow.id.desc()).limit(limit + 1)
        given = {
            AuditRow.action: wanted.action,
            AuditRow.outcome: wanted.outcome,
            AuditRow.actor: wanted.actor,
            AuditRow.org_id: wanted.organization_id,
        }
        query = query.where(*(column == value for column, value in given.items() if value is not None))
        async with self._database.session() as session:
            if after is not None:
                last = await session.get(AuditRow, after)
                if last is None:
                    raise NotFound("There is no such audit event.", param="after")
                older = and_(AuditRow.at_us == last.at_us, AuditRow.id < last.id)
                query = query.where(or_(AuditRow.at_us < last.at_us, older))
            events = [AuditEvent.of(row) for row in await session.scalars(query)]
        return AuditPage(events[:limit], len(events) > limit)


def _clean(text: str) -> str:
    """Without what looks like a secret, and without what a database can't store as text."""
    return redact(text).encode("utf-8", "replace").decode().replace("\0", "")[:MAX_DETAIL_CHARS]

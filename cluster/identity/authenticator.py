"""From an API key to a principal, without waiting for the database on the way of a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import select

from cluster.config.settings.identity import IdentitySettings
from cluster.errors import Overloaded, PermissionDenied, StoreUnavailable, Unauthenticated
from cluster.identity.cache import KeyCache
from cluster.identity.last_used import LastUsed
from cluster.identity.principal import Principal
from cluster.identity.repository import REVISION, revision
from cluster.identity.secrets import is_secret, secret_hash
from cluster.store.database import Database
from cluster.store.errors import told_cause
from cluster.store.tables import ApiKeyRow

logger = logging.getLogger(__name__)

UNKNOWN_TTL_S = 5.0
MAX_UNKNOWN = 10_000
NORMAL_STALENESS_S = 1.0
"""How old the last answer of a healthy database may be: the time within which a revocation must hold."""
LOOKUPS_AT_ONCE = 2
"""Of keys not seen before; the other connections stay free for the watch over revocations and for the ledger."""
MAX_PENDING_LOOKUPS = 1000


class Authenticator:
    """Knows who calls. One for each gateway and event loop, between :meth:`start` and :meth:`close`.

    Keys seen once are remembered. A task reads the identity revision every ``poll_interval_s`` and forgets what was revoked since,
    so that a revocation holds on every gateway within one interval and one query. While that task can't reach the database,
    remembered keys go on for ``outage_grace_s``; then nobody is let in, because a revocation could have been missed.

    ``clock``: monotonic seconds, for intervals; ``now``: Unix seconds, for ``last_used_at``.
    """

    def __init__(
        self,
        database: Database,
        settings: IdentitySettings,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._cache = KeyCache(settings.max_cached_keys, MAX_UNKNOWN, UNKNOWN_TTL_S, clock)
        self._revision_query = database.scalar_query(REVISION)
        self._last_used = LastUsed(database, now)
        self._lookups: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._lookup_slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._revision = 0
        self._last_contact = float("-inf")
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch for revocations. Raises :class:`StoreUnavailable` when the database can't be reached."""
        await self._watch_once()
        self._watcher = asyncio.create_task(self._watch(), name="identity-watch")
        self._last_used.start()

    async def close(self) -> None:
        """Stop watching and write what is still unwritten. Idempotent."""
        pending = [*self._lookups.values(), *([self._watcher] if self._watcher else [])]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._watcher = None
        await self._revision_query.close()
        await self._last_used.close()

    async def authenticate(self, secret: str | None, organization: str | None = None, project: str | None = None) -> Principal:
        """Who holds this key. ``organization`` and ``project`` are ids that the caller named (OpenAI-Organization, -Project).

        They can only confirm what the key is for. Raises :class:`Unauthenticated` (missing, malformed, unknown or revoked key, not
        told apart), :class:`PermissionDenied` (the key is not of that organization or project), :class:`Overloaded` (it can't
        be told now).
        """
        if not secret:
            raise Unauthenticated("No API key was given. Send it in the header 'Authorization: Bearer <key>'.", reason="missing")
        if not is_secret(secret):
            raise _incorrect_key("malformed")
        if self._clock() - self._last_contact > self._settings.outage_grace_s + NORMAL_STALENESS_S:
            raise Overloaded("API keys can't be checked at the moment. Try again.", code="store_unavailable")
        digest = secret_hash(secret)
        principal = self._cache.get(digest)
        if principal is None:
            principal = await self._find(digest)
        if organization and organization != principal.org_id:
            raise PermissionDenied(
                "The API key does not belong to this organization.", param="OpenAI-Organization", code="mismatched_organization"
            )
        if project and project != principal.project_id:
            raise PermissionDenied(
                "The API key does not belong to this project.", param="OpenAI-Project", code="mismatched_project"
            )
        self._last_used.note(principal.key_id)
        return principal

    async def holder(self, key_id: str) -> Principal:
        """Who holds the key of this id, if it still is valid: for secrets that were made with it and end with it.

        Asks the database. Raises :class:`Unauthenticated` for a key that was revoked, :class:`Overloaded` if it can't be told now.
        """
        query = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        async with self._database.session() as session:
            row = await session.scalar(query)
        if row is None:
            raise _incorrect_key("unknown")
        return _principal(row)

    async def _find(self, digest: bytes) -> Principal:
        """Ask the database, once for all that wait for the same key."""
        if self._cache.is_unknown(digest):
            raise _incorrect_key()
        lookup = self._lookups.get(digest)
        if lookup is None:
            if len(self._lookups) >= MAX_PENDING_LOOKUPS:
                raise Overloaded("Too many API keys wait to be checked. Try again.")
            lookup = asyncio.create_task(self._look_up(digest), name="identity-lookup")
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda done: self._lookup_ended(digest, done))
        # Shielded: that one of the callers goes away must not fail the others.
        principal = await asyncio.shield(lookup)
        if principal is None:
            raise _incorrect_key()
        return principal

    def _lookup_ended(self, digest: bytes, lookup: asyncio.Task[Principal | None]) -> None:
        del self._lookups[digest]
        if not lookup.cancelled():
            lookup.exception()  # every caller may be gone; an error that nobody waits for is no defect

    async def _look_up(self, digest: bytes) -> Principal | None:
        async with self._lookup_slots:
            while True:
                seen = self._revision
                principal = await self._read(digest)
                # A revocation noticed meanwhile may be younger than what was read: it would be cached for ever.
                if seen == self._revision:
                    break
        if principal is None:
            self._cache.put_unknown(digest)
        else:
            self._cache.put(digest, principal)
        return principal

    async def _read(self, digest: bytes) -> Principal | None:
        query = select(ApiKeyRow).where(ApiKeyRow.secret_hash == digest, ApiKeyRow.revoked_at.is_(None))
        async with self._database.session() as session:
            row = await session.scalar(query)
        return None if row is None else _principal(row)

    async def _watch(self) -> None:
        reachable = True
        while True:
            await asyncio.sleep(self._settings.poll_interval_s)
            try:
                await self._watch_once()
            except StoreUnavailable as error:
                if reachable:
                    logger.error("the database can't be reached, revoked keys go unnoticed: %s", told_cause(error))
                reachable = False
            except Exception:
                # A defect, or tables that are away while they are restored. An end of the watch would be one of the gateway.
                if reachable:
                    logger.exception("the database's answer can't be used, revoked keys go unnoticed")
                reachable = False
            else:
                if not reachable:
                    logger.warning("the database can be reached again")
                reachable = True

    async def _watch_once(self) -> None:
        asked = self._clock()
        revoked: list[bytes] = []
        # Several times a second, and nearly always the same.
        current = int(await self._revision_query.value())
        if current > self._revision and self._cache:
            async with self._database.session() as session:
                current = await revision(session)
                query = select(ApiKeyRow.secret_hash).where(ApiKeyRow.revision > self._revision)
                revoked = list(await session.scalars(query))
        # No await from here on: a lookup that ends in between would remember what is being forgotten.
        self._cache.evict(revoked)
        if current < self._revision:
            # The database was put back to an older state: nothing remembered can be trusted.
            self._cache.clear()
        self._revision = current
        self._last_contact = asked


def _principal(row: ApiKeyRow) -> Principal:
    return Principal(org_id=row.org_id or "", project_id=row.project_id or "", key_id=row.id, admin=row.admin)


def _incorrect_key(reason: str = "unknown") -> Unauthenticated:
    return Unauthenticated("The API key is not valid.", reason=reason)

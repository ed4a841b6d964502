"""Keys against the database: two gateways, revocation, outages."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.identity import IdentitySettings
from cluster.errors import Overloaded, PermissionDenied, Unauthenticated
from cluster.identity.authenticator import Authenticator
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.identity.secrets import new_secret
from cluster.store.database import Database

pytestmark = pytest.mark.integration

REVOCATION_LIMIT_S = 1.0


@pytest_asyncio.fixture
async def gateways(open_database: Callable[[], Database]) -> AsyncIterator[list[Authenticator]]:
    started = [Authenticator(open_database(), IdentitySettings()) for _ in range(2)]
    for gateway in started:
        await gateway.start()
    yield started
    for gateway in started:
        await gateway.close()


@pytest.fixture
def directory(database: Database) -> Directory:
    return Directory(database)


async def refused_after_s(gateway: Authenticator, secret: str) -> float:
    """Seconds from now until the gateway refuses the key, asked all the time."""
    start = time.monotonic()
    while time.monotonic() - start < 5:
        try:
            await gateway.authenticate(secret)
        except Unauthenticated:
            return time.monotonic() - start
        await asyncio.sleep(0.01)
    raise AssertionError("the revoked key was still accepted after 5 s")


async def test_a_new_key_works_at_once_on_every_gateway(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    organization = await directory.create_organization(admin, "acme")
    project = await directory.create_project(admin, organization.id, "p")
    key = await directory.create_key(admin, organization.id, project.id, "k")
    for gateway in gateways:
        principal = await gateway.authenticate(key.secret)
        assert principal == Principal(organization.id, project.id, key.api_key.id)
    admin_key = await directory.create_admin_key(admin, "ops")
    assert await gateways[0].authenticate(admin_key.secret) == Principal("", "", admin_key.api_key.id, admin=True)


async def test_a_revoked_key_is_refused_within_a_second_on_every_gateway(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    organization = await directory.create_organization(admin, "acme")
    kept = await directory.create_key(admin, organization.id, None, "kept")
    for attempt in range(3):
        key = await directory.create_key(admin, organization.id, None, f"k{attempt}")
        for gateway in gateways:
            await gateway.authenticate(key.secret)
            await gateway.authenticate(kept.secret)
        await directory.revoke_key(admin, key.api_key.id)
        waits = await asyncio.gather(*(refused_after_s(gateway, key.secret) for gateway in gateways))
        assert max(waits) < REVOCATION_LIMIT_S
    for gateway in gateways:
        assert (await gateway.authenticate(kept.secret)).key_id == kept.api_key.id


async def test_a_revocation_that_meets_a_first_lookup_is_not_forgotten(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    organization = await directory.create_organization(admin, "acme")
    keys = await asyncio.gather(*(directory.create_key(admin, organization.id, None, "k") for _ in range(30)))

    async def use_while_revoking(secret: str, key_id: str) -> None:
        async def use(gateway: Authenticator) -> None:
            for _ in range(20):
                try:
                    await gateway.authenticate(secret)
                except Unauthenticated:
                    return
                await asyncio.sleep(0)

        await asyncio.gather(*(use(gateway) for gateway in gateways), directory.revoke_key(admin, key_id))

    await asyncio.gather(*(use_while_revoking(key.secret, key.api_key.id) for key in keys))
    await asyncio.sleep(REVOCATION_LIMIT_S)
    for key in keys:
        for gateway in gateways:
            with pytest.raises(Unauthenticated):
                await gateway.authenticate(key.secret)


async def test_headers_only_confirm_what_the_key_may_use(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    ours = await directory.create_organization(admin, "ours")
    theirs = await directory.create_organization(admin, "theirs")
    second = await directory.create_project(admin, ours.id, "second")
    (their_project,) = await directory.list_projects(admin, theirs.id)
    key = await directory.create_key(admin, ours.id, None, "k")
    gateway = gateways[0]
    own = await gateway.authenticate(key.secret, ours.id, key.api_key.project_id)
    assert own == await gateway.authenticate(key.secret)
    for organization, project, param in [
        (theirs.id, None, "OpenAI-Organization"),
        ("ours", None, "OpenAI-Organization"),
        (None, second.id, "OpenAI-Project"),
        (None, their_project.id, "OpenAI-Project"),
        (ours.id, their_project.id, "OpenAI-Project"),
        (theirs.id, key.api_key.project_id, "OpenAI-Organization"),
        (ours.id + " ", None, "OpenAI-Organization"),
    ]:
        with pytest.raises(PermissionDenied) as caught:
            await gateway.authenticate(key.secret, organization, project)
        assert caught.value.param == param
    admin_key = await directory.create_admin_key(admin, "ops")
    with pytest.raises(PermissionDenied):
        await gateway.authenticate(admin_key.secret, ours.id)


async def test_existing_and_invented_organizations_are_not_told_apart(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    ours = await directory.create_organization(admin, "ours")
    theirs = await directory.create_organization(admin, "theirs")
    key = await directory.create_key(admin, ours.id, None, "k")
    bodies = []
    for organization in (theirs.id, "org_" + "f" * 32, "nonsense"):
        with pytest.raises(PermissionDenied) as caught:
            await gateways[0].authenticate(key.secret, organization)
        bodies.append(caught.value.body())
    assert bodies[0] == bodies[1] == bodies[2]


async def test_last_use_is_written_without_delaying_requests(
    open_database: Callable[[], Database], directory: Directory, admin: Principal
) -> None:
    organization = await directory.create_organization(admin, "acme")
    used = await directory.create_key(admin, organization.id, None, "used")
    await directory.create_key(admin, organization.id, None, "unused")
    later = Authenticator(open_database(), IdentitySettings(), now=lambda: 2_000_000_000.5)
    earlier = Authenticator(open_database(), IdentitySettings(), now=lambda: 1_900_000_000.0)
    for gateway in (later, earlier):
        await gateway.start()
        await gateway.authenticate(used.secret)
        assert {k.last_used_at for k in await directory.list_keys(admin, organization.id)} <= {None, 2_000_000_000}
        await gateway.close()
    times = {k.name: k.last_used_at for k in await directory.list_keys(admin, organization.id)}
    assert times == {"used": 2_000_000_000, "unused": None}


async def test_a_restored_older_database_invalidates_what_was_remembered(
    gateways: list[Authenticator], directory: Directory, admin: Principal, database: Database
) -> None:
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "k")
    other = await directory.create_key(admin, organization.id, None, "other")
    await directory.revoke_key(admin, other.api_key.id)
    await asyncio.sleep(0.6)
    await gateways[0].authenticate(key.secret)
    async with database.transaction() as session:
        await session.execute(text("UPDATE revisions SET value = 0"))
        await session.execute(text("DELETE FROM api_keys"))
    assert await refused_after_s(gateways[0], key.secret) < REVOCATION_LIMIT_S


class Line:
    """A TCP connection to the database that can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._target)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        try:
            await asyncio.wait(
                [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            writer.close()
            far_writer.close()
            self._tasks.discard(task)


async def test_known_keys_outlive_an_outage_by_the_grace_period_and_return_with_the_database(
    fresh_postgres_url: str, admin: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cluster")
    url = make_url(fresh_postgres_url)
    line = Line(str(url.host), int(url.port or 0))
    await line.open()
    direct = Database.open(fresh_postgres_url, DatabaseSettings())
    remote = Database.open(url.set(port=line.port).render_as_string(hide_password=False), DatabaseSettings(timeout_s=1.0))
    clock_offset_s = 0.0
    gateway = Authenticator(remote, IdentitySettings(), clock=lambda: time.monotonic() + clock_offset_s)
    await gateway.start()
    directory = Directory(direct)
    organization = await directory.create_organization(admin, "acme")
    known, unknown, revoked = [await directory.create_key(admin, organization.id, None, name) for name in "abc"]
    await gateway.authenticate(known.secret)
    await gateway.authenticate(revoked.secret)

    await line.cut()
    await asyncio.sleep(0.6)
    await gateway.authenticate(known.secret)
    with pytest.raises(Overloaded) as caught:
        await gateway.authenticate(unknown.secret)
    assert caught.value.retry_after_s is not None
    await directory.revoke_key(admin, revoked.api_key.id)
    clock_offset_s = 29.0
    await gateway.authenticate(known.secret)
    clock_offset_s = 32.0
    with pytest.raises(Overloaded):
        await gateway.authenticate(known.secret)

    await line.open()
    for _ in range(100):
        await asyncio.sleep(0.05)
        try:
            await gateway.authenticate(known.secret)
            break
        except Overloaded:
            continue
    await gateway.authenticate(known.secret)
    await gateway.authenticate(unknown.secret)
    with pytest.raises(Unauthenticated):
        await gateway.authenticate(revoked.secret)
    assert caplog.text.count("can't be reached") == 1
    assert caplog.text.count("can be reached again") == 1
    assert not any(key.secret in caplog.text for key in (known, unknown, revoked))
    await gateway.close()
    await remote.close()
    await direct.close()
    await line.cut()


async def test_starting_without_a_database_fails(tmp_path: Path) -> None:
    database = Database.open("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/none", DatabaseSettings(timeout_s=1.0))
    with pytest.raises(Overloaded):
        await Authenticator(database, IdentitySettings()).start()
    await database.close()


async def test_invented_keys_are_refused_and_leave_real_ones_working(
    gateways: list[Authenticator], directory: Directory, admin: Principal
) -> None:
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "k")
    invented = [new_secret() for _ in range(300)]
    outcomes = await asyncio.gather(
        *(gateways[0].authenticate(secret) for secret in invented), gateways[0].authenticate(key.secret), return_exceptions=True
    )
    assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes[:-1])
    assert isinstance(outcomes[-1], Principal)

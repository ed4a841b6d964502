"""The set-up hook of a confined cluster, in a process of its own: it changes classes of libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_a_grpc_server_that_asks_for_every_address_gets_loopback() -> None:
    code = """
import asyncio, grpc
from pathlib import Path
from cluster.runtime.worker_setup import confined
confined()
async def main():
    server = grpc.aio.server()
    ports = [server.add_insecure_port(address) for address in ("[::]:0", "0.0.0.0:0")]
    await server.start()
    wanted = {f"{port:04X}" for port in ports}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, port = line.split()[1].rsplit(":", 1)
            if port in wanted and line.split()[3] == "0A":
                print(address)
    await server.stop(None)
asyncio.run(main())
"""
    addresses = set(run(code).split())
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.mark.parametrize("hook", ["plain", "confined"])
def test_two_clusters_never_share_a_grpc_port(hook: str) -> None:
    code = f"""
import asyncio
from ray.serve._private.grpc_util import start_grpc_server
from ray.serve.config import gRPCOptions
async def taken():
    loop = asyncio.get_running_loop()
    _, first = await start_grpc_server(lambda **_: None, gRPCOptions(port=port), event_loop=loop)
    try:
        _, second = await start_grpc_server(lambda **_: None, gRPCOptions(port=port), event_loop=loop)
        await second.stop(None)
        return False
    except RuntimeError:
        return True
    finally:
        await first.stop(None)
import socket
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
print(asyncio.run(taken()))
from cluster.runtime.worker_setup import {hook}
{hook}()
print(asyncio.run(taken()))
"""
    before, after = run(code).split()
    assert before == "False", "Ray Serve refuses shared ports by itself: the hook's part in it can go"
    assert after == "True"


def test_haproxy_is_told_to_bind_loopback() -> None:
    code = """
from cluster.runtime.worker_setup import confined
confined()
from ray.serve._private import haproxy, haproxy_templates
texts = [v for m in (haproxy, haproxy_templates) for v in vars(m).values() if isinstance(v, str) and "bind " in v]
assert any("bind 127.0.0.1:" in text for text in texts)
print(sum(text.count("bind *:") + text.count("bind :") for text in texts))
"""
    assert run(code).strip() == "0"


@pytest.mark.parametrize("hook", ["plain", "confined"])
def test_haproxy_keeps_looking_at_clients_that_wait(hook: str) -> None:
    code = f"""
from ray.serve._private import haproxy_templates
before = sum("option splice-request" in v for v in vars(haproxy_templates).values() if isinstance(v, str))
from cluster.runtime.worker_setup import {hook}
{hook}()
after = sum("option splice-request" in v for v in vars(haproxy_templates).values() if isinstance(v, str))
print(before, after)
"""
    before, after = map(int, run(code).split())
    assert before > 0, "Ray Serve no longer splices requests: the hook's part in it can go"
    assert after == 0


@pytest.mark.parametrize("hook", ["plain", "confined"])
def test_haproxy_without_a_gateway_asks_to_try_again(hook: str) -> None:
    code = f"""
from ray.serve._private import haproxy_templates
def lines():
    texts = [v for v in vars(haproxy_templates).values() if isinstance(v, str)]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line.startswith("http-request return status") and "[path]" in line]
before = lines()
from cluster.runtime.worker_setup import {hook}
{hook}()
print(*[line.split()[3] for line in before + lines()])
print(all("hdr Retry-After 1" in line for line in lines()))
"""
    statuses, retry_after = run(code).splitlines()
    assert statuses.split() == ["404", "503"], "Ray Serve answers otherwise by itself: look whether the hook's part in it can go"
    assert retry_after == "True"


@pytest.mark.parametrize("hook", ["plain", "confined"])
def test_serve_has_what_restarts_a_dead_haproxy(hook: str) -> None:
    code = f"""
from cluster.runtime.worker_setup import {hook}
{hook}()
from ray.serve._private.haproxy import HAProxyApi
for method in (HAProxyApi._start_and_wait_for_haproxy, HAProxyApi._graceful_reload, HAProxyApi.stop):
    print(method.__module__)
"""
    assert set(run(code).split()) == {"cluster.runtime.haproxy_restart"}

"""Does the sandbox hold on this host? Tried once, before the first script of a client: each boundary is attacked from inside."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from cluster.evals.sandbox.command import ENVIRONMENT
from cluster.evals.sandbox.contract import SandboxFailed, SandboxLimits, SandboxUnavailable, ScriptFailed
from cluster.evals.sandbox.sandbox import Sandbox

_PROBE_CPU_S: Final = 1
_PROBE_WALL_S: Final = 30.0

#: Counts what should not be possible. Each attack is a line that raises where the sandbox holds.
_ATTACKS: Final = """
import ctypes, os, socket

def attempts(item):
    yield "read a file of the host", lambda: open(item["canary"]).read()
    yield "list the host's processes", lambda: os.listdir("/proc/1")
    yield "write to the root folder", lambda: written("/.sandbox-probe")
    yield "write to the interpreter's folder", lambda: written(os.path.dirname(os.__file__) + "/.sandbox-probe")
    yield "make a socket", lambda: socket.socket()
    yield "start a process", lambda: os.fork() or os._exit(0)
    yield "signal another process", lambda: os.kill(1, 0)
    yield "make a user namespace", lambda: checked(ctypes.CDLL(None, use_errno=True).unshare(0x10000000))
    yield "trace a process", lambda: checked(ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0))

def written(path):
    open(path, "x").close()
    os.unlink(path)

def checked(outcome):
    if outcome != 0:
        raise OSError

def grade(sample, item):
    breaches = []
    for name, attempt in attempts(item):
        try:
            attempt()
        except OSError:
            continue
        breaches.append(name)
    if set(os.environ) - set(item["environment"]):
        breaches.append("see the host's environment")
    if breaches:
        raise RuntimeError("it can " + ", ".join(breaches))
    return 1.0
"""
_GREEDY: Final = "def grade(sample, item): return float(len(bytearray(item['bytes'])) > 0)"
_ENDLESS: Final = "def grade(sample, item):\n    while True: pass"
_TALKATIVE: Final = "def grade(sample, item):\n    while True: print('x' * 1000)"
_SET_BY_SHELLS: Final = "PWD"


async def probed(limits: SandboxLimits, *, concurrency: int, bubblewrap: str = "bwrap") -> Sandbox:
    """A sandbox that holds here; takes about two seconds.

    Raises:
        SandboxUnavailable: there is none; the message says what is missing or which boundary does not hold.
    """
    sandbox = Sandbox.found(limits, concurrency=concurrency, bubblewrap=bubblewrap)
    short = Sandbox.found(replace(limits, cpu_s=_PROBE_CPU_S, wall_s=_PROBE_WALL_S), concurrency=concurrency, bubblewrap=bubblewrap)
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        await asyncio.to_thread(canary.write_text, "secret")
        item = {"canary": str(canary), "environment": [*ENVIRONMENT, _SET_BY_SHELLS]}
        try:
            await sandbox.run(_ATTACKS, {}, item)
        except SandboxFailed as error:
            raise SandboxUnavailable(
                f"{error}. Unprivileged user namespaces may be switched off (sysctl kernel.unprivileged_userns_clone, "
                "user.max_user_namespaces, AppArmor's restriction), or the container's own profile forbids them."
            ) from error
        except ScriptFailed as error:
            raise SandboxUnavailable(f"the sandbox does not hold on this host: {error}") from error
    await _must_fail(short, "memory", _GREEDY, {"bytes": limits.memory_bytes})
    await _must_fail(short, "cpu", _ENDLESS, {})
    await _must_fail(short, "output", _TALKATIVE, {})
    return sandbox


async def _must_fail(sandbox: Sandbox, kind: str, source: str, item: dict[str, object]) -> None:
    try:
        await sandbox.run(source, {}, item)
    except ScriptFailed as error:
        if error.kind == kind:
            return
        raise SandboxUnavailable(f"the sandbox's limit of {kind} does not hold on this host: {error}") from error
    except SandboxFailed as error:
        raise SandboxUnavailable(str(error)) from error
    raise SandboxUnavailable(f"the sandbox's limit of {kind} does not hold on this host")

"""Attacks on the sandbox, from inside and with a real bubblewrap. Each is one boundary, and each is an error of that one run."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.evals.case import Case, sample_of
from cluster.evals.definitions import parse_criteria
from cluster.evals.grade import Fault
from cluster.evals.grading import Grading
from cluster.evals.judging import Judge
from cluster.evals.sandbox import Sandbox, SandboxFailed, SandboxLimits, SandboxUnavailable, ScriptFailed, probed, seccomp
from tests.unit.evals.fake_judge import FakeJudge

pytestmark = pytest.mark.slow

LIMITS = SandboxLimits(memory_bytes=192 << 20, cpu_s=2, wall_s=20.0, output_bytes=8 << 10, tmp_bytes=4 << 20, file_bytes=1 << 20)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """Skips where none holds, and says why."""
    try:
        return asyncio.run(probed(LIMITS, concurrency=2))
    except SandboxUnavailable as error:
        pytest.skip(f"no sandbox on this host: {error}")


def script(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\ndef grade(sample, item):\n{lines}\n"


async def score(sandbox: Sandbox, body: str, item: dict[str, Any] | None = None) -> float:
    return await sandbox.run(script(body), sample_of("answer"), item or {})


async def test_a_script_sees_its_sample_and_item_and_returns_a_score(sandbox: Sandbox) -> None:
    source = "def grade(sample, item) -> float:\n    return 0.75 if sample['output_text'] == item['label'] else 0.0"
    assert await sandbox.run(source, sample_of("x"), {"label": "x"}) == 0.75
    assert await sandbox.run(source, sample_of("x"), {"label": "y"}) == 0.0


async def test_the_standard_library_works(sandbox: Sandbox) -> None:
    body = "import json, re, math, difflib, statistics, decimal, datetime, unicodedata, hashlib, random\n"
    body += "return float(len(re.findall('a', 'banana'))) + math.sqrt(1) + difflib.SequenceMatcher(None, 'ab', 'ab').ratio()"
    assert await score(sandbox, body) == 5.0


async def test_the_same_script_and_item_give_the_same_score(sandbox: Sandbox) -> None:
    body = "return float(hash(item['label']) % 1000003)"
    assert await score(sandbox, body, {"label": "x"}) == await score(sandbox, body, {"label": "x"})


async def test_a_script_has_a_tmp_of_its_own(sandbox: Sandbox) -> None:
    assert await score(sandbox, "open('/tmp/x', 'w').write('1.5')\nreturn float(open('/tmp/x').read())") == 1.5
    assert await score(sandbox, "return float(len(os.listdir('/tmp')))") == 0.0


RAISES = [
    ("network: a socket", "import socket\nsocket.socket()"),
    ("network: a local socket", "import socket\nsocket.socket(socket.AF_UNIX)"),
    ("network: a name", "import socket\nsocket.create_connection(('localhost', 80), 1)"),
    ("network: urllib", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')"),
    ("files: the host's accounts", "open('/etc/shadow').read()"),
    ("files: the host's folders", "os.listdir('/etc')"),
    ("files: a secret of the cluster", "open(item['secret']).read()"),
    ("files: a symbolic link to one", "os.symlink(item['secret'], '/tmp/link')\nopen('/tmp/link').read()"),
    ("files: up and out", "open('/tmp/../../..' + item['secret']).read()"),
    ("files: the program's memory by /proc", "open('/proc/self/mem', 'rb').read(1)"),
    ("files: the host's root by /proc", "os.listdir('/proc/1/root')"),
    ("files: /sys", "os.listdir('/sys')"),
    ("files: a disk", "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))"),
    ("writing: the root folder", "open('/x', 'w')"),
    ("writing: the runner", "open('/runner.py', 'a')"),
    ("writing: the standard library", "open(os.__file__, 'a')"),
    ("writing: the interpreter", "open(sys.executable, 'ab')"),
    ("writing: /dev", "open('/dev/shm', 'w')"),
    ("writing: a file over its size", "open('/tmp/x', 'wb').write(bytes(2 << 20))"),
    ("writing: more than tmp holds", "for n in range(9): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))"),
    ("processes: fork", "os.fork()"),
    ("processes: a fork bomb", "while True: os.fork()"),
    ("processes: subprocess", "import subprocess\nsubprocess.run([sys.executable, '-c', ''])"),
    ("processes: a shell", "import subprocess\nsubprocess.run('true', shell=True)"),
    ("processes: threads", "import threading\nthreading.Thread(target=print).start()"),
    ("processes: a pool", "import multiprocessing\nmultiprocessing.Pool(2)"),
    ("signals: init", "os.kill(1, 9)"),
    ("signals: everybody", "os.kill(-1, 9)"),
    ("signals: a process of the host", "os.kill(item['pid'], 0)"),
    ("tracing: ptrace", "if libc.ptrace(16, item['pid'], 0, 0): raise OSError(ctypes.get_errno(), 'ptrace')"),
    ("tracing: reading memory", "if libc.process_vm_readv(1, 0, 0, 0, 0, 0) < 0: raise OSError(ctypes.get_errno(), 'vm')"),
    ("kernel: a user namespace", "if libc.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'unshare')"),
    ("kernel: mounting", "if libc.mount(b'x', b'/tmp', b'tmpfs', 0, 0): raise OSError(ctypes.get_errno(), 'mount')"),
    ("kernel: changing root", "os.chroot('/tmp')"),
    ("kernel: becoming root", "os.setuid(0)"),
    ("kernel: io_uring", "if libc.syscall(425, 1, 0) < 0: raise OSError(ctypes.get_errno(), 'io_uring')"),
    ("kernel: bpf", "if libc.syscall(321, 0, 0, 0) < 0: raise OSError(ctypes.get_errno(), 'bpf')"),
    ("kernel: more of a resource", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))"),
    ("kernel: a memory file", "os.memfd_create('x')"),
    ("kernel: shared memory", "if libc.shmget(0, 1 << 30, 0o1600) < 0: raise OSError(ctypes.get_errno(), 'shmget')"),
    ("kernel: typing into a terminal", "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSTI, b'x')"),
    ("files: more than may be open", "kept = [open('/dev/null') for _ in range(100)]"),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in RAISES])
async def test_a_boundary_is_an_exception_inside(sandbox: Sandbox, body: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    with pytest.raises(ScriptFailed) as caught:
        await score(sandbox, f"{body}\nreturn 1.0", {"secret": str(secret), "pid": os.getpid()})
    assert caught.value.kind == "exception"
    assert "do not read" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("memory", "return float(len(bytearray(1 << 30)))"),
        ("memory", "kept = []\nwhile True: kept.append(bytearray(1 << 20))"),
        ("cpu", "while True: pass"),
        ("cpu", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"),
        ("cpu", "return float(len(str(9 ** (9 ** 9))))"),
        ("output", "while True: print('x' * 1000)"),
        ("output", "while True: os.write(2, b'x' * 1000)"),
        ("crash", "os._exit(0)"),
        ("crash", "os._exit(1)"),
        ("crash", "ctypes.string_at(0)"),
        ("crash", "os.abort()"),
        ("exception", "sys.exit(0)"),
        ("exception", "raise KeyboardInterrupt"),
        ("exception", "def down(): down()\ndown()"),
        ("exception", "return item['missing']"),
        ("score", "return 'good'"),
        ("score", "return None"),
        ("score", "return float('nan')"),
        ("score", "return 10 ** 400"),
    ],
)
async def test_a_run_that_ends_badly_says_how(sandbox: Sandbox, kind: str, body: str) -> None:
    with pytest.raises(ScriptFailed) as caught:
        await score(sandbox, body)
    assert caught.value.kind == kind, str(caught.value)


@pytest.mark.parametrize("source", ["def grade(", "x = 1", "grade = 1", "raise ValueError('no')", "import numpy", "\0", "exit()"])
async def test_a_source_that_can_not_be_loaded_says_so(sandbox: Sandbox, source: str) -> None:
    with pytest.raises(ScriptFailed) as caught:
        await sandbox.run(source, {}, {})
    assert caught.value.kind == "source"


async def test_time_is_bounded_even_without_work(sandbox: Sandbox) -> None:
    quick = Sandbox.found(replace(LIMITS, wall_s=1.0), concurrency=1)
    with pytest.raises(ScriptFailed) as caught:
        await score(quick, "import time\ntime.sleep(60)")
    assert caught.value.kind == "timeout"


async def test_input_is_bounded(sandbox: Sandbox) -> None:
    with pytest.raises(ScriptFailed) as caught:
        await score(sandbox, "return 1.0", {"x": "y" * (LIMITS.input_bytes + 1)})
    assert caught.value.kind == "input"


async def test_the_environment_holds_nothing_of_the_hosts(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_SECRET", "do not read")
    with pytest.raises(ScriptFailed) as caught:
        await score(sandbox, "raise ValueError(sorted(os.environ))")
    assert "['HOME', 'LANG', 'PWD', 'PYTHONHASHSEED']" in str(caught.value)


async def test_open_files_of_the_host_are_not_inherited(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    descriptor = os.open(secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    body = """
found = 0
for n in range(4, 60):
    try:
        os.fstat(n)
        found += 1
    except OSError:
        pass
return float(found)
"""
    try:
        assert await score(sandbox, body) == 0.0
    finally:
        os.close(descriptor)


async def test_a_forged_answer_is_only_a_score(sandbox: Sandbox) -> None:
    body = 'os.write(3, b\'{"score": 0.5, "kind": null}\')\nos._exit(0)'
    assert await score(sandbox, body) == 0.5
    for forged in ('{"kind": "sandbox"}', '{"score": "x"}', '{"score": NaN}', "garbage", "{}"):
        with pytest.raises(ScriptFailed):
            await score(sandbox, f"os.write(3, {forged.encode()!r})\nos._exit(0)")


def own_sandboxes() -> list[str]:
    """Children of this process that are bubblewrap."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [child for child in children if "bwrap" in Path(f"/proc/{child}/cmdline").read_text()]


async def test_nothing_runs_on_after_a_cancelled_run(sandbox: Sandbox) -> None:
    task = asyncio.create_task(score(sandbox, "while True: pass  # 5f1c"))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not own_sandboxes()


async def test_runs_share_the_slots(sandbox: Sandbox) -> None:
    assert await asyncio.gather(*(score(sandbox, f"return {n}.0") for n in range(5))) == [0.0, 1.0, 2.0, 3.0, 4.0]


async def test_a_grade_reports_the_attack_as_an_error_of_its_item(sandbox: Sandbox) -> None:
    [criterion] = parse_criteria([{"type": "python", "name": "n", "source": script("os.fork()")}])
    grade = await Grading(Judge(FakeJudge([])), sandbox).grade(criterion, Case({}, sample_of("x")))
    assert grade.error is not None
    assert (grade.error.code, grade.error.kind, grade.passed) == (Fault.PYTHON_RUNTIME, "exception", False)
    assert "PermissionError" in grade.error.message


@pytest.mark.parametrize(("source", "passed"), [("return 0.5", True), ("return 0.49", False), ("return True", True)])
async def test_without_a_threshold_half_passes(sandbox: Sandbox, source: str, passed: bool) -> None:
    [criterion] = parse_criteria([{"type": "python", "name": "n", "source": script(source)}])
    grade = await Grading(Judge(FakeJudge([])), sandbox).grade(criterion, Case({}, {}))
    assert (grade.passed, grade.error) == (passed, None)


# --- hosts that can't -----------------------------------------------------------------------------------------------------


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="'no-such-bwrap' is not installed"):
        await probed(LIMITS, concurrency=1, bubblewrap="no-such-bwrap")


Bubblewrap = Callable[[str], str]


@pytest.fixture
def fake_bubblewrap(tmp_path: Path) -> Bubblewrap:
    """Writes a shell script that stands in for bubblewrap; gives its path."""

    def written(body: str) -> str:
        path = tmp_path / "fake_bwrap"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return written


async def test_a_host_without_namespaces_is_refused_with_bubblewraps_reason(fake_bubblewrap: Bubblewrap) -> None:
    program = fake_bubblewrap("echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace"):
        await probed(LIMITS, concurrency=1, bubblewrap=program)


async def test_a_sandbox_that_does_not_hold_is_refused_with_what_it_lets_through(fake_bubblewrap: Bubblewrap) -> None:
    # Isolates nothing: runs the interpreter on the runner as they lie on the host.
    runner = Path(seccomp.__file__).with_name("runner.py")
    program = fake_bubblewrap(f'while [ "$1" != "--" ]; do shift; done; exec "$2" -P -s -S -B {runner} "$8"')
    with pytest.raises(SandboxUnavailable, match="read a file of the host"):
        await probed(LIMITS, concurrency=1, bubblewrap=program)


async def test_a_sandbox_that_does_not_start_is_no_fault_of_the_script(fake_bubblewrap: Bubblewrap) -> None:
    broken = Sandbox.found(LIMITS, concurrency=1, bubblewrap=fake_bubblewrap("exit 3"))
    with pytest.raises(SandboxFailed, match="exit status 3"):
        await broken.run("def grade(sample, item): return 1.0", {}, {})


# --- the filter -----------------------------------------------------------------------------------------------------------


def verdict(program: bytes, architecture: int, number: int, second_argument: int = 0) -> int:
    """Interpret the program as the kernel does."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, 0, second_argument, 0, 0, 0, 0)
    instructions = list(struct.iter_unpack("=HBBI", program))
    position, accumulator = 0, 0
    while True:
        code, jump_true, jump_false, value = instructions[position]
        position += 1
        if code == 0x20:
            [accumulator] = struct.unpack_from("=I", data, value)
        elif code == 0x15:
            position += jump_true if accumulator == value else jump_false
        else:
            assert code == 0x06
            return int(value)


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_filter_allows_its_table_and_nothing_else(machine: str) -> None:
    architecture, calls = seccomp.ARCHITECTURES[machine]
    program = seccomp.program(machine)
    plain = {number for name, number in calls.items() if name != "ioctl"}
    for number in [*range(600), 0x40000000, 0x40000001, 0xFFFFFFFF]:
        assert (verdict(program, architecture, number) == 0x7FFF0000) == (number in plain), number
    assert verdict(program, architecture, calls["ioctl"], 0x5401) == 0x7FFF0000
    assert verdict(program, architecture, calls["ioctl"], 0x5412) == 0x00050001
    assert verdict(program, 0x40000003, 1) == 0x80000000


def test_the_tables_name_no_call_that_leads_out() -> None:
    forbidden = {"clone", "clone3", "fork", "vfork", "socket", "connect", "ptrace", "kill", "tkill", "tgkill", "mount", "unshare"}
    forbidden |= {"setns", "bpf", "io_uring_setup", "memfd_create", "shmget", "keyctl", "pidfd_open", "process_vm_readv", "prctl"}
    for _, calls in seccomp.ARCHITECTURES.values():
        assert not forbidden & calls.keys()
        assert len(set(calls.values())) == len(calls)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        seccomp.program("riscv64")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, so no kernel headers to compare with")
def test_the_numbers_are_the_kernels() -> None:
    architecture = os.uname().machine
    if architecture not in seccomp.ARCHITECTURES:
        pytest.skip(f"no table for {architecture}")
    names = seccomp.ARCHITECTURES[architecture][1]
    lines = "\n".join(f"CALL {name} __NR_{name}" for name in names)
    done = subprocess.run(
        ["cc", "-E", "-P", "-x", "c", "-"],
        input=f"#include <sys/syscall.h>\n{lines}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no kernel headers: {done.stderr[:200]}")
    found = dict(line.split()[1:] for line in done.stdout.splitlines() if line.startswith("CALL "))
    assert {name: str(number) for name, number in names.items()} == found


def test_the_runner_needs_the_standard_library_only() -> None:
    runner = Path(seccomp.__file__).with_name("runner.py")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"compile(open({str(runner)!r}).read(), 'r', 'exec')"], check=False)
    assert done.returncode == 0
    assert "cluster" not in runner.read_text()

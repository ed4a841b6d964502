"""The bubblewrap command line: what a script can see and which namespaces it lives in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cluster.evals.sandbox.contract import SandboxLimits

RUNNER: Final = Path(__file__).with_name("runner.py")
ENVIRONMENT: Final = {"LANG": "C.UTF-8", "HOME": "/tmp", "PYTHONHASHSEED": "0"}  # noqa: S108 - the sandbox's own /tmp
"""All that a script finds in its environment. The hash seed: the same script and item give the same score."""

_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom")
_NOBODY: Final = "65534"
_RUNNER_INSIDE: Final = "/runner.py"
# Neither user nor site packages, no folder of the script in the path, no bytecode files. Not -I: it would ignore the hash seed.
_PYTHON_OPTIONS: Final = ("-P", "-s", "-S", "-B")
_CORE_BYTES: Final = 0
_PROCESSES: Final = 1


def arguments(bubblewrap: str, limits: SandboxLimits, filter_descriptor: int) -> list[str]:
    """The whole command. ``filter_descriptor``: an open file with the system-call filter, which bubblewrap reads to its end."""
    interpreter = os.path.realpath(sys.executable)
    return [
        bubblewrap,
        *("--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY, "--cap-drop", "ALL"),
        *("--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"),
        *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
        *_mounts(interpreter),
        *("--ro-bind", str(RUNNER), _RUNNER_INSIDE),
        *("--size", str(limits.tmp_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108
        *("--remount-ro", "/", "--seccomp", str(filter_descriptor), "--"),
        *(interpreter, *_PYTHON_OPTIONS, _RUNNER_INSIDE, _resources(limits)),
    ]


def _mounts(interpreter: str) -> Iterator[str]:
    """This interpreter, its standard library and the system's shared libraries, read-only; three devices; nothing else."""
    for folder in _LIBRARIES:
        if os.path.islink(folder):
            yield from ("--symlink", os.readlink(folder), folder)
        elif os.path.isdir(folder):
            yield from ("--ro-bind", folder, folder)
    yield from ("--ro-bind", interpreter, interpreter)
    library = os.path.join(sys.base_prefix, "lib")
    if not any(Path(library).is_relative_to(folder) for folder in _LIBRARIES):
        yield from ("--ro-bind", library, library)
    for device in _DEVICES:
        yield from ("--dev-bind", device, device)


def _resources(limits: SandboxLimits) -> str:
    """What the runner sets before it runs the script; names are those of ``RLIMIT_*``."""
    return json.dumps(
        {
            "AS": limits.memory_bytes,
            "CPU": limits.cpu_s,
            "FSIZE": limits.file_bytes,
            "NOFILE": limits.open_files,
            "NPROC": _PROCESSES,
            "CORE": _CORE_BYTES,
        }
    )

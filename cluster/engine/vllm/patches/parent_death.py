"""End an engine process when the replica that started it is gone.

A replica killed with SIGKILL can't clean up; vLLM's engine core would live on with the model in memory. Linux delivers a signal to
a child when the *thread* that created it ends (prctl(2), PR_SET_PDEATHSIG), which is why
:class:`~cluster.engine.vllm.engine.VllmEngine` starts its engine from a thread that lives as long as the engine.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> bool:
    """In a process that multiprocessing started: have the kernel kill it when its parent ends. Elsewhere: do nothing.

    Returns whether the kernel was asked. Raises ``OSError`` when it refused.
    """
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux" or multiprocessing.get_start_method(allow_none=True) == "forkserver":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent.pid:  # it ended before the call above
        os.kill(os.getpid(), signal.SIGKILL)
    return True

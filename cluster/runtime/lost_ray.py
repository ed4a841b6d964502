"""The end of a process whose Ray has died.

Ray's own ways out wait for the dead: its hook for uncaught exceptions and the destructors of its C++ part ask the control service.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

from cluster.runtime import processes

LEAVE_WITHIN_S = 30.0
"""For the orderly end: twice the grace of processes that are asked to end, and slack for a busy machine."""
LAST_WORD_S = 2.0
"""For gateways, between the end of the engines and their own: an event to each stream, and its row of the ledger."""
ENGINES = "ray::ServeReplica:ossature:engine:"
"""The title that Ray gives to the processes of engine replicas begins so."""
EXIT_CODE = 1


class RayLost(Exception):
    """Ray has died under a cluster that ran or started; the message says which part of it."""


def last_word(run_id: str) -> None:
    """Kill the engines of a run that ends. To a gateway that lives the streams that they answered have failed, and it ends them

    with an error event, as long as it and HAProxy are there.
    """
    if processes.kill_titled(run_id, ENGINES):
        time.sleep(LAST_WORD_S)


def end_processes(run_id: str) -> None:
    """End what is left of a run whose Ray has died, the engines first."""
    last_word(run_id)
    processes.end_all(run_id)


def leave_after(reason: str, stop: threading.Event, ended: threading.Event, own_run: str | None) -> None:
    """Ask the main thread to end the cluster. If ``ended`` isn't set in time, it hangs in a call of Ray: end the process here.

    ``own_run``: the mark of the processes to end, where Ray is our own.
    """
    stop.set()
    if ended.wait(LEAVE_WITHIN_S):
        return
    sys.stderr.write(f"Error: the cluster has ended: {reason}\n")
    if own_run is not None:
        end_processes(own_run)
    _exit_now()


def leave_without_ray() -> None:
    """Make this process's end, when it comes, one that asks Ray for nothing."""
    sys.excepthook = sys.__excepthook__
    atexit.register(_exit_now)  # the last to be registered is the first to be called


def _exit_now() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)

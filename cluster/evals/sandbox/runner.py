"""Runs inside the sandbox: limits itself, loads the script, calls ``grade(sample, item)``, writes the score. Standard library only.

Standard input: ``{"source", "sample", "item"}``. First argument: the limits, as JSON. Standard output: the line ``ready`` once the
script is about to run, then ``{"score": number}`` or ``{"kind": ..., "details": ...}``. The script shares this process, so all that
it can forge here is its own score.
"""

import json
import os
import resource
import sys
import traceback

SOURCE_NAME = "<grader>"
DETAILS_CHARS = 2000


def main() -> None:
    limits = json.loads(sys.argv[1])
    request = json.loads(sys.stdin.buffer.read())
    # What the script prints goes to standard error, so that it does not get between the lines of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    for name in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE"):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limits[name], limits[name]))
    os.write(answer, b"ready\n")
    try:
        outcome = graded(request)
    except MemoryError:
        outcome = {"kind": "memory", "details": ""}
    os.write(answer, json.dumps(outcome).encode())


def graded(request: "dict[str, object]") -> "dict[str, object]":
    names = {"__name__": "grader"}
    try:
        exec(compile(str(request["source"]), SOURCE_NAME, "exec"), names)  # noqa: S102 - what this process is for
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit, too, is the script's failure
        return {"kind": "source", "details": account(error)}
    grade = names.get("grade")
    if not callable(grade):
        return {"kind": "source", "details": "it defines no function 'grade(sample, item)'"}
    try:
        score = grade(request["sample"], request["item"])
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001
        return {"kind": "exception", "details": account(error)}
    if not isinstance(score, (int, float)):
        return {"kind": "score", "details": f"it returned {type(score).__name__}, not a number"}
    try:
        number = float(score)
    except OverflowError:
        number = float("inf")
    if number != number or number in (float("inf"), float("-inf")):
        return {"kind": "score", "details": "it returned a number that is not finite"}
    return {"score": number}


def account(error: BaseException) -> str:
    """The end of the traceback, from the script's own first frame on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != SOURCE_NAME:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))[-DETAILS_CHARS:]


if __name__ == "__main__":
    main()

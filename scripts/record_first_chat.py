"""Record a real first chat with the running cluster as docs/images/first-chat.svg.

usage: python scripts/record_first_chat.py [--endpoints .run/endpoints.json] [--out docs/images/first-chat.svg]

Types questions into `ossature chat` on a pseudo-terminal and draws what came back; nothing in the picture is made up.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

QUESTIONS = ("Who are you?", "Hi, my name is Ada.", "What is vLLM?", "What is my name?")
PROMPT = b"> "
COLUMNS = 100
WAIT_S = 120.0


def read_until_prompt(terminal: int) -> bytes:
    """Output up to the next prompt."""
    output = b""
    deadline = time.monotonic() + WAIT_S
    while not output.endswith(PROMPT):
        if time.monotonic() > deadline:
            raise SystemExit(f"no prompt within {WAIT_S:.0f} s; so far: {output!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            output += os.read(terminal, 65536)
    return output


def record(endpoints: Path) -> str:
    ossature = str(Path(sys.executable).with_name("ossature"))
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), OSSATURE_ENDPOINTS=str(endpoints))
        os.execv(ossature, [ossature, "chat"])  # noqa: S606 - our own command
    output = b"$ ossature chat\r\n" + read_until_prompt(terminal)
    for question in QUESTIONS:
        os.write(terminal, question.encode() + b"\n")
        output += read_until_prompt(terminal)
    os.write(terminal, b"\x04")
    os.waitpid(child, 0)
    return output.removesuffix(PROMPT).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=Path, default=Path(".run/endpoints.json"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/first-chat.svg"))
    arguments = parser.parse_args()
    text = Text.from_ansi(record(arguments.endpoints).replace("\r\n", "\n"))
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115 - closed with the process
    console.print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(str(arguments.out), title="ossature chat")
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()

"""``ossature chat``: talk to a model from the terminal."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from cluster.cli.output import CommandError, ExitCode, command, emit_json
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target


class ReasoningEffort(StrEnum):
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@command
def chat(
    prompt: Annotated[
        str | None, typer.Argument(help="One question; `-` or a pipe reads it from standard input. None: a conversation.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model that answers; default: the first one.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="System message.")] = None,
    reasoning_effort: Annotated[
        ReasoningEffort | None, typer.Option("--reasoning-effort", help="How much the model may think.")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Show the first question's model a file, or an https:// URL; repeatable.", metavar="FILE|URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON, with its usage and times.")] = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Talk to a model: a conversation, or one question with PROMPT or piped input.

    In a conversation Ctrl-C stops an answer and Ctrl-D ends; /help lists its commands.

    Example: ossature chat "What is this?" --image photo.jpg
    """
    question = _question(prompt)
    if question is None and as_json:
        raise CommandError("--json needs a PROMPT or piped input", exit_code=ExitCode.USAGE)
    from cluster.cli.client import ClusterClient
    from cluster.cli.conversation import Screen, converse, start
    from cluster.cli.image import image_part

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        conversation = start(client, model, system, str(reasoning_effort) if reasoning_effort else None)
        conversation.shown = [image_part(each) for each in images or ()]
        if question is None:
            _enable_line_editing()
            converse(conversation, input)
            return
        if as_json:
            emit_json(conversation.ask(question, lambda part, text: None).as_dict())
            return
        screen = Screen()
        answer = conversation.ask(question, screen.show)
        screen.end(answer)
        if answer.finish_reason == "Ctrl-C":
            raise typer.Exit(ExitCode.INTERRUPTED)


def _question(prompt: str | None) -> str | None:
    if prompt not in (None, "-"):
        return prompt
    if prompt is None and sys.stdin.isatty():
        return None
    piped = sys.stdin.read().strip()
    if not piped:
        raise CommandError("there is no question on standard input", exit_code=ExitCode.USAGE)
    return piped


def _enable_line_editing() -> None:
    """Arrow keys and history in ``input``, where Python was built with readline."""
    import contextlib
    import importlib

    with contextlib.suppress(ImportError):
        importlib.import_module("readline")

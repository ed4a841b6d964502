"""A conversation in the terminal: turns, the commands between them, and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from cluster.cli.answer import Answer, Part, stream_answer
from cluster.cli.image import image_part
from cluster.cli.output import CommandError, ExitCode, printable

if TYPE_CHECKING:
    from cluster.cli.client import ClusterClient

HELP = """\
/help          this list
/reset         forget the conversation
/model         the models, and which one answers
/model NAME    let another model answer
/image FILE    show a file or an https:// URL with the next question
/quit          end (Ctrl-D too)
Ctrl-C stops an answer."""


@dataclass(slots=True)
class Conversation:
    """Messages so far, and who answers. ``models`` are the ones that the key may use.

    ``shown``: image parts that go with the next turn.
    """

    client: ClusterClient
    models: list[str]
    model: str
    system: str | None = None
    reasoning_effort: str | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def reset(self) -> None:
        self.messages.clear()

    def ask(self, prompt: str, show: Callable[[Part, str], None]) -> Answer:
        """Send a turn and show its answer as it arrives. A turn that fails leaves the conversation as it was."""
        content = [*self.shown, {"type": "text", "text": prompt}] if self.shown else prompt
        asked = {"role": "user", "content": content}
        system = [{"role": "system", "content": self.system}] if self.system else []
        body: dict[str, Any] = {"model": self.model, "messages": [*system, *self.messages, asked]}
        if self.reasoning_effort is not None:
            body["reasoning_effort"] = self.reasoning_effort
        answer = Answer(self.model)
        try:
            with closing(stream_answer(self.client, body, answer)) as pieces:
                for part, text in pieces:
                    show(part, text)
        except KeyboardInterrupt:
            answer.finish_reason = "Ctrl-C"
        if answer.content:
            self.messages += [asked, {"role": "assistant", "content": answer.content}]
            self.shown = []
        return answer


def start(client: ClusterClient, model: str | None, system: str | None, reasoning_effort: str | None) -> Conversation:
    """A conversation with ``model``, or with the first one that the key may use. Raises :class:`CommandError`."""
    models = [str(each.get("id")) for each in client.list("/v1/models")]
    if not models:
        raise CommandError("this key may use no model", exit_code=ExitCode.NOT_FOUND)
    if model is not None and model not in models:
        raise _unknown_model(model, models)
    return Conversation(client, models, model or models[0], system, reasoning_effort)


class Screen:
    """Shows the pieces of an answer: reasoning dimmed, then the answer. Control characters in them are not passed on."""

    def __init__(self) -> None:
        self._part: Part | None = None

    def show(self, part: Part, text: str) -> None:
        if self._part is not None and part is not self._part:
            typer.echo("\n")
        self._part = part
        if part is Part.CONTENT:
            typer.echo(printable(text), nl=False)
        else:
            typer.secho(printable(text), nl=False, dim=True)

    def end(self, answer: Answer) -> None:
        if self._part is not None:
            typer.echo()
        typer.secho(answer.summary(), dim=True, err=True)


def converse(conversation: Conversation, read_line: Callable[[str], str]) -> None:
    """Read turns until the input ends. ``read_line`` shows a prompt and returns a line, or raises ``EOFError``."""
    typer.secho(f"{conversation.model} answers. /help lists the commands, Ctrl-D ends.", dim=True)
    while True:
        try:
            line = read_line("> ").strip()
        except EOFError:
            typer.echo()
            return
        except KeyboardInterrupt:
            typer.echo("\nCtrl-D ends.")
            continue
        if line == "/quit":
            return
        if line.startswith("/"):
            _command(conversation, line)
        elif line:
            _turn(conversation, line)


def _turn(conversation: Conversation, line: str) -> None:
    screen = Screen()
    try:
        answer = conversation.ask(line, screen.show)
    except CommandError as error:
        typer.secho(f"\nError: {error.message}", err=True, fg=typer.colors.RED)
        if error.next_step:
            typer.echo(error.next_step, err=True)
        return
    screen.end(answer)


def _command(conversation: Conversation, line: str) -> None:
    name, _, argument = line.partition(" ")
    if name == "/help":
        typer.echo(HELP)
    elif name == "/reset":
        conversation.reset()
        typer.echo("Forgotten.")
    elif name == "/image" and argument.strip():
        try:
            conversation.shown.append(image_part(argument.strip()))
            typer.echo("It goes with the next question.")
        except CommandError as error:
            typer.secho(f"Error: {error.message}", err=True, fg=typer.colors.RED)
    elif name == "/model" and not argument.strip():
        for model in conversation.models:
            typer.echo(f"{'*' if model == conversation.model else ' '} {model}")
    elif name == "/model" and argument.strip() in conversation.models:
        conversation.model = argument.strip()
        typer.echo(f"{conversation.model} answers from now on.")
    elif name == "/model":
        typer.echo(_unknown_model(argument.strip(), conversation.models).message)
    else:
        typer.echo(f"There is no {printable(name)}; /help lists the commands.")


def _unknown_model(model: str, models: list[str]) -> CommandError:
    return CommandError(f"there is no model {model!r}; there are: {', '.join(models)}", exit_code=ExitCode.NOT_FOUND)

"""``ossature talk``: hold a spoken conversation with a model."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, note
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

if TYPE_CHECKING:
    from cluster.cli.client import ClusterClient
    from cluster.cli.talking.talk import Event, Talk
    from cluster.cli.talking.wire import Wire
    from cluster.cli.target import Target


class TurnDetection(StrEnum):
    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"
    NONE = "none"


@command
def talk_command(
    wav: Annotated[
        Path | None, typer.Option("--wav", help="Say this audio file (WAV, FLAC, MP3, Ogg) instead of the microphone's sound.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write what is answered to this WAV file; needs --wav.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send the file as fast as the cluster takes it, not in real time; needs --wav.")
    ] = False,
    model: Annotated[str | None, typer.Option("--model", help="Model that answers; default: the first one.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", help="Voice that answers.")] = None,
    instructions: Annotated[str | None, typer.Option("--instructions", help="What the model is told before.")] = None,
    turn_detection: Annotated[
        TurnDetection, typer.Option("--turn-detection", help="What ends your turns; none: you do, with Enter.")
    ] = TurnDetection.SERVER_VAD,
    over_grpc: Annotated[bool, typer.Option("--grpc", help="Connect by gRPC instead of a WebSocket.")] = False,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Talk with a model: by microphone and loudspeaker, or by audio files anywhere. Ctrl-C ends the conversation.

    Example: ossature talk --wav question.wav --out answer.wav
    """
    if wav is None and (out is not None or fast or as_json):
        raise CommandError("--out, --fast and --json need --wav", exit_code=ExitCode.USAGE)
    import asyncio
    import time

    from cluster.cli.client import ClusterClient
    from cluster.cli.conversation import start
    from cluster.cli.talking.playback import Playback
    from cluster.cli.talking.recording import read_recording
    from cluster.cli.talking.screen import Silent, Transcript
    from cluster.cli.talking.session import settings
    from cluster.cli.talking.talk import Talk

    said = read_recording(wav) if wav is not None else None
    target = find_target(endpoints, base_url)
    talk = Talk(Playback(), Silent() if as_json else Transcript(), time.monotonic)
    update = settings(instructions, voice, turn_detection.value)
    with ClusterClient(target, admin=False) as client:
        answering = start(client, model, None, None).model
        opened = _opened(target, client, answering, over_grpc=over_grpc)
        by_hand = turn_detection is TurnDetection.NONE
        try:
            if said is None:
                note(f"{answering} listens. Ctrl-C ends.")
                asyncio.run(_hold(opened, talk, update, by_hand=by_hand))
                return
            answer_s = asyncio.run(_play(opened, talk, update, said, out, fast=fast, by_hand=by_hand))
        except KeyboardInterrupt:
            if said is not None:
                raise
            typer.echo()
            return
    if as_json:
        emit_json(_summary(talk, answer_s, out))
    elif talk.answer_s:
        note(f"first sound after {', '.join(f'{each:.2f} s' for each in talk.answer_s)} · {answer_s:.1f} s of answers")


def _opened(target: Target, client: ClusterClient, model: str, *, over_grpc: bool) -> AbstractAsyncContextManager[Wire]:
    if over_grpc:
        from cluster.cli.talking.grpc_wire import by_grpc

        return by_grpc(target, model)
    from cluster.cli.talking.wire import by_socket

    return by_socket(target, client, model)


async def _hold(opened: AbstractAsyncContextManager[Wire], talk: Talk, update: Event, *, by_hand: bool) -> None:
    from cluster.cli.talking.devices import loudspeaker, microphone
    from cluster.cli.talking.session import TalkSession

    async with opened as wire:
        session = TalkSession(wire, talk, by_hand=by_hand)
        await session.open(update)
        await session.hold(microphone, lambda: loudspeaker(talk.playback))


async def _play(
    opened: AbstractAsyncContextManager[Wire],
    talk: Talk,
    update: Event,
    said: bytes,
    out: Path | None,
    *,
    fast: bool,
    by_hand: bool,
) -> float:
    """Seconds of audio that were answered."""
    from cluster.cli.talking.recording import new_recording
    from cluster.cli.talking.session import TalkSession

    async with opened as wire:
        session = TalkSession(wire, talk, by_hand=by_hand)
        await session.open(update)
        with new_recording(out) as recording:
            await session.play_file(said, recording, fast=fast)
        return recording.seconds


def _summary(talk: Talk, answer_s: float, out: Path | None) -> Event:
    return {
        "turns": [{"role": turn.role, "text": turn.text, "interrupted": turn.interrupted} for turn in talk.turns],
        "first_audio_s": [round(each, 4) for each in talk.answer_s],
        "answer_s": round(answer_s, 4),
        "out": str(out) if out is not None else None,
    }

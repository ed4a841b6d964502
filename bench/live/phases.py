"""What is measured of a row in a round: processor time a token, time added before the first byte, requests a core-second."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bench import procfs
from bench.arithmetic import per_cpu_second, per_token_us, quantile
from bench.fakes.profile import Profile
from bench.live.stack import BACKGROUND, FRONT_END, ROUTER, Running
from bench.load import Outcome, closed_loop

_TIMEOUT_S = 60.0
#: Different prompts of one size, asked again and again, as conversations do.
_PROMPTS = 16
_FILLER = "An ossature is the bone structure of a body, or the frame that carries a building. "


class MeasurementFailed(Exception):
    """A row that did not answer every request. The message says what it said instead."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of load. ``requests`` for a fixed number, else ``duration_s``. ``prompts``: for real engines, which decide themselves
    how much they say; without them fake engines are asked for ``profile``.
    """

    name: str
    profile: Profile
    in_flight: int
    prompt_bytes: int = 600
    requests: int | None = None
    duration_s: float | None = None
    prompts: tuple[str, ...] = ()


# By duration: a quick row sends many requests in it, a slow one its first wave.
STREAMS = Phase("streams", Profile(ttft_us=10_000, step_us=10_000, tokens=100), in_flight=64, duration_s=1.5)
ALONE = Phase("first byte, 1 in flight", Profile(ttft_us=2_000, step_us=1_000, tokens=2), in_flight=1, duration_s=1.0)
CROWD = Phase("first byte, 32 in flight", Profile(ttft_us=20_000, step_us=20_000, tokens=16), in_flight=32, duration_s=1.5)
SMALL = Phase("requests of 600 B", Profile(ttft_us=0, step_us=1_000, tokens=1), in_flight=16, duration_s=1.0)
LARGE = Phase("requests of 600 KB", Profile(ttft_us=0, step_us=1_000, tokens=1), 4, prompt_bytes=600_000, duration_s=1.0)
FAKE_ENGINE_PHASES = (STREAMS, ALONE, CROWD, SMALL, LARGE)

#: Questions that the demo model knows, so that it speaks proper Harmony: reasoning first, then an answer.
_QUESTIONS = (
    "Who are you?",
    "What can you do?",
    "Hello! How are you today?",
    "What is a prompt cache?",
    "My name is Marco. What is my name?",
    "Tell me about yourself, please.",
    "What is Ossature?",
    "Good morning!",
)
REAL_STREAMS = Phase(STREAMS.name, Profile(), in_flight=64, requests=128, prompts=_QUESTIONS)
REAL_ENGINE_PHASES = (REAL_STREAMS,)
SCRIPTED_PHASES = (Phase(STREAMS.name, Profile(), in_flight=64, requests=192, prompts=("Why are there tides?",)),)


def shortened(phase: Phase, factor: float) -> Phase:
    """The same with less load, for a look instead of a measurement."""
    if phase.duration_s is not None:
        return replace(phase, duration_s=phase.duration_s * factor)
    assert phase.requests is not None
    tokens = max(2, round(phase.profile.tokens * factor))
    return replace(
        phase, requests=max(phase.in_flight, round(phase.requests * factor)), profile=replace(phase.profile, tokens=tokens)
    )


def bodies(phase: Phase, model: str) -> Callable[[int], bytes]:
    """Makes the body of the n-th request. A profile's text stands first in the prompt, then its number, then filler."""

    if phase.prompts:
        made = [chat_body(model, prompt, temperature=0) for prompt in phase.prompts]
        return lambda number: made[number % len(made)]

    def body(number: int) -> bytes:
        text = f"{phase.profile.text} {number:08d} "
        text += (_FILLER * (phase.prompt_bytes // len(_FILLER) + 1))[: max(0, phase.prompt_bytes - len(text))]
        return chat_body(model, text)

    made = [body(number) for number in range(_PROMPTS)]
    return lambda number: made[number % _PROMPTS]


def chat_body(model: str, prompt: str, **settings: object) -> bytes:
    """A streamed chat completion with usage, in the compact JSON that clients send."""
    return json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            **settings,
        },
        separators=(",", ":"),
    ).encode()


@dataclass(frozen=True, slots=True)
class Measured:
    """One phase of one row: what came back, and the seconds of processor time by group of processes."""

    outcome: Outcome
    cpu_s: Mapping[str, float]


async def measure(running: Running, phase: Phase) -> Measured:
    """Run the phase. Raises ``MeasurementFailed`` unless every request got its whole answer."""
    before: procfs.Snapshot = {}

    def start() -> None:
        nonlocal before
        before = running.snapshot()

    quick = replace(phase, profile=Profile(ttft_us=0, step_us=1_000, tokens=2))
    outcome = await closed_loop(
        running.target,
        bodies(phase, running.model),
        in_flight=phase.in_flight,
        requests=phase.requests,
        duration_s=phase.duration_s,
        timeout_s=_TIMEOUT_S,
        warm_up=bodies(quick, running.model)(0),
        on_start=start,
    )
    cpu_s = procfs.used(before, running.snapshot())
    if outcome.failures:
        raise MeasurementFailed(f"{phase.name}: {len(outcome.failures)} requests failed, the first with {outcome.failures[0]}")
    wanted = None if phase.prompts else phase.profile.tokens
    for sample in outcome.samples:
        if sample.completion_tokens != wanted if wanted is not None else sample.completion_tokens < 1:
            raise MeasurementFailed(f"{phase.name}: an answer had {sample.completion_tokens} tokens, not {wanted or 'one or more'}")
    return Measured(outcome, cpu_s)


def figures(phase: Phase, measured: Measured) -> dict[str, float | None]:
    """The figures of one phase, by name. Times in milliseconds, processor time in microseconds."""
    outcome, cpu_s = measured.outcome, measured.cpu_s
    router_s, front_end_s = cpu_s.get(ROUTER, 0.0), cpu_s.get(FRONT_END, 0.0)
    background_s = cpu_s.get(BACKGROUND)
    match phase.name:
        case STREAMS.name:
            return {
                "router_us_per_token": per_token_us(router_s, outcome.tokens) if ROUTER in cpu_s else None,
                "path_us_per_token": per_token_us(router_s + front_end_s, outcome.tokens),
                "background_cores": None if background_s is None else background_s / outcome.wall_s,
                "events_per_token": sum(sample.events for sample in outcome.samples) / outcome.tokens,
                # A fake engine keeps its pace whatever is in front of it.
                "tokens_per_s": outcome.tokens / outcome.wall_s if phase.prompts else None,
            }
        case ALONE.name | CROWD.name:
            ttft_ms = [sample.ttft_s * 1e3 for sample in outcome.samples]
            where = "alone" if phase.name == ALONE.name else "crowd"
            return {f"ttft_p50_ms_{where}": quantile(ttft_ms, 0.5), f"ttft_p99_ms_{where}": quantile(ttft_ms, 0.99)}
        case _:
            size = "small" if phase.name == SMALL.name else "large"
            return {
                f"requests_per_core_s_{size}": per_cpu_second(len(outcome.samples), router_s) if ROUTER in cpu_s else None,
                f"requests_per_s_{size}": len(outcome.samples) / outcome.wall_s,
            }

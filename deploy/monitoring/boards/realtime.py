"""Spoken conversations and speech: what a listener notices, and why."""

from __future__ import annotations

from deploy.monitoring.panels import Board, Panel, Query, Row, Unit, number, quantiles, rates, worse_above

_LATENCY = "ossature_realtime_latency_seconds"
_TOTAL = f'{_LATENCY}{{stage="total"}}'
_FACTOR = "ossature_speech_real_time_factor"
_SPEECH = "speech-to-text|text-to-speech"

NOW = Row(
    "Now",
    (
        number("Open sessions", "Of all kinds.", "sum(ossature_realtime_sessions)", Unit.NUMBER, width=6),
        number(
            "Voice to voice, median",
            "From the end of a user's turn to the first audio of its answer.",
            quantiles(_TOTAL, 0.5)[0].expression,
            Unit.SECONDS,
            steps=worse_above(0.8, 1.5),
            width=6,
        ),
        number(
            "Voice to voice, p95",
            "One answer in twenty takes longer.",
            quantiles(_TOTAL, 0.95)[0].expression,
            Unit.SECONDS,
            steps=worse_above(1.5, 2.5),
            width=6,
        ),
        number(
            "Late frames",
            "Frames of audio that were done more than 40 ms after the gateway had read them, each second.",
            rates("ossature_realtime_late_frames_total").expression,
            Unit.EVENTS_PER_S,
            steps=worse_above(0.1, 1),
            width=6,
        ),
    ),
)

CONVERSATION = Row(
    "Conversations",
    (
        Panel("Open sessions", "By kind.", (Query("sum by (kind) (ossature_realtime_sessions)", "{{kind}}"),), Unit.NUMBER),
        Panel(
            "What happened",
            "Turns, interruptions, turns without words, and answers begun in a pause that were kept or dropped.",
            (rates("ossature_realtime_events_total", "event"),),
            Unit.EVENTS_PER_S,
        ),
        Panel(
            "Length of sessions",
            "Counted at their end. Many short ones: clients that lose their connection and come again.",
            quantiles("ossature_realtime_session_duration_seconds", 0.5, 0.95),
            Unit.SECONDS,
        ),
    ),
)

LATENCY = Row(
    "From the end of a turn to the first audio",
    (
        Panel(
            "Stages, median",
            "Each from the end of the one before: words known, first token, first clause, first audio; `total` is all.",
            quantiles(_LATENCY, 0.5, by=("stage",)),
            Unit.SECONDS,
            width=12,
        ),
        Panel("Stages, p95", "The same for the slow ones.", quantiles(_LATENCY, 0.95, by=("stage",)), Unit.SECONDS, width=12),
        Panel(
            "First token on the realtime edge, p95",
            "The model's part, by model.",
            quantiles('ossature_time_to_first_token_seconds{edge="realtime"}', 0.95, by=("model",)),
            Unit.SECONDS,
        ),
        Panel(
            "Late frames by node",
            "A gateway with too much to do; the remedy is more gateways.",
            (rates("ossature_realtime_late_frames_total", "instance"),),
            Unit.EVENTS_PER_S,
            steps=worse_above(0.1, 1),
        ),
        Panel(
            "Interrupted answers",
            "As a share of turns: answers that talk past their listener, or echo that is taken for speech.",
            (
                Query(
                    'sum(rate(ossature_realtime_events_total{event="interruption"}[$__rate_interval])) '
                    '/ sum(rate(ossature_realtime_events_total{event="turn"}[$__rate_interval]))',
                    "interrupted",
                ),
            ),
            Unit.SHARE,
        ),
    ),
)

SPEECH = Row(
    "Recognizer and synthesizer",
    (
        Panel(
            "Work for a second of audio, p90",
            "Above 1 recognition falls behind whoever speaks, and a listener hears gaps.",
            quantiles(_FACTOR, 0.9, by=("work",)),
            Unit.NUMBER,
            steps=worse_above(0.5, 1),
        ),
        Panel(
            "First audio of spoken answers, p95",
            "HTTP requests: from arrival; in chats from the first words of the answer.",
            quantiles("ossature_speech_first_audio_seconds", 0.95, by=("surface",)),
            Unit.SECONDS,
        ),
        Panel(
            "Audio over HTTP",
            "Seconds of audio each second: as many as spoke or listened at the same time.",
            (rates("ossature_speech_audio_seconds_total", "surface", "direction"),),
            Unit.NUMBER,
        ),
        Panel(
            "Speech requests",
            "Over HTTP and gRPC, by service and outcome.",
            (rates(f'ossature_requests_total{{model=~"{_SPEECH}"}}', "model", "code"),),
            Unit.REQUESTS_PER_S,
            width=12,
            stacked=True,
        ),
        Panel(
            "Utterances",
            "Recognized and spoken, each second, conversations among them.",
            (rates(f"{_FACTOR}_count", "work"),),
            Unit.EVENTS_PER_S,
            width=12,
        ),
    ),
)

BOARD = Board(
    "ossature-realtime",
    "Ossature: realtime voice",
    "How conversations feel, where their time goes, and whether recognizer and synthesizer keep up.",
    (NOW, CONVERSATION, LATENCY, SPEECH),
    (),
)

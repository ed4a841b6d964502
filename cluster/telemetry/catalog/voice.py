"""Realtime sessions, speech recognition and synthesis."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import SESSION_BUCKETS, VOICE_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

REALTIME_SESSIONS = Metric(
    "ossature_realtime_sessions",
    Kind.GAUGE,
    Source.GATEWAY,
    "Realtime sessions that are open, the sum of the node's gateways.",
    labels=("kind",),
    combine="livesum",
    example="sum(ossature_realtime_sessions)",
)
REALTIME_SESSION_DURATION = Metric(
    "ossature_realtime_session_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "How long realtime sessions lived, counted at their end.",
    labels=("kind",),
    unit="seconds",
    buckets=SESSION_BUCKETS,
    example="histogram_quantile(0.5, sum by (le) (rate(ossature_realtime_session_duration_seconds_bucket[1h])))",
)
REALTIME_EVENTS = Metric(
    "ossature_realtime_events_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "What happened in realtime sessions: turns of users that ended by silence, answers that were interrupted by speech, turns in "
    "which no words were recognized, and answers begun in the silence before a turn's end that were kept or dropped.",
    labels=("event",),
    example="sum by (event) (rate(ossature_realtime_events_total[5m]))",
)
REALTIME_LATENCY = Metric(
    "ossature_realtime_latency_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From the end of a user's turn, as the turn detector tells it, to the first audio of its answer (`total`), and its parts, each "
    "from the end of the one before: the words known, the first token, the first clause, the first audio.",
    labels=("stage",),
    unit="seconds",
    buckets=VOICE_BUCKETS,
    example='histogram_quantile(0.5, sum by (le) (rate(ossature_realtime_latency_seconds_bucket{stage="total"}[5m])))',
)
REALTIME_LATE_FRAMES = Metric(
    "ossature_realtime_late_frames_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Frames of users' audio that were done with more than 40 ms after the gateway had read them: a gateway with too much to do.",
    example="rate(ossature_realtime_late_frames_total[5m])",
)
SPEECH_REAL_TIME_FACTOR = Metric(
    "ossature_speech_real_time_factor",
    Kind.HISTOGRAM,
    Source.SPEECH,
    "Seconds of work for each second of audio, of each utterance that was recognized or spoken. Above 1, recognition falls behind "
    "whoever speaks, and a listener hears gaps.",
    labels=("work",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0),
    example="histogram_quantile(0.9, sum by (le, work) (rate(ossature_speech_real_time_factor_bucket[5m])))",
)
SPEECH_AUDIO = Metric(
    "ossature_speech_audio_seconds_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Seconds of audio in HTTP requests: `received` is what was recognized, `sent` what was spoken. Realtime sessions are not in "
    "it. The requests themselves are in `ossature_requests_total`, under the models `speech-to-text` and `text-to-speech`.",
    labels=("surface", "direction"),
    unit="seconds",
    example="sum by (surface, direction) (rate(ossature_speech_audio_seconds_total[5m]))",
)
SPEECH_FIRST_AUDIO = Metric(
    "ossature_speech_first_audio_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "From a request's arrival to the first audio that was made for it; in chats from the first words of the answer.",
    labels=("surface",),
    unit="seconds",
    buckets=VOICE_BUCKETS,
    example="histogram_quantile(0.95, sum by (le, surface) (rate(ossature_speech_first_audio_seconds_bucket[5m])))",
)

ALL: tuple[Metric, ...] = (
    REALTIME_SESSIONS,
    REALTIME_SESSION_DURATION,
    REALTIME_EVENTS,
    REALTIME_LATENCY,
    REALTIME_LATE_FRAMES,
    SPEECH_REAL_TIME_FACTOR,
    SPEECH_AUDIO,
    SPEECH_FIRST_AUDIO,
)

"""Alerts on what a listener hears."""

from __future__ import annotations

from deploy.monitoring.rules.definition import Alert, Severity

_TOTAL = 'ossature_realtime_latency_seconds_bucket{stage="total"}'

ALERTS: tuple[Alert, ...] = (
    Alert(
        "OssatureVoiceFramesLate",
        "sum by (namespace, instance) (rate(ossature_realtime_late_frames_total[5m])) > 1",
        "5m",
        Severity.WARNING,
        "The gateways of {{ $labels.instance }} are late with users' audio.",
        '{{ $value | printf "%.1f" }} frames a second were done more than 40 ms after they were read: too many sessions '
        "for the processor time there. Add gateways.",
        "ossature-realtime",
    ),
    Alert(
        "OssatureVoiceAnswersSlow",
        f"histogram_quantile(0.9, sum by (namespace, le) (rate({_TOTAL}[10m]))) > 2.5",
        "10m",
        Severity.WARNING,
        "Spoken answers begin late.",
        "A tenth of them more than {{ $value | humanizeDuration }} after the turn's end. The dashboard says at which stage.",
        "ossature-realtime",
    ),
    Alert(
        "OssatureSpeechBehind",
        "histogram_quantile(0.9, sum by (namespace, work, le) (rate(ossature_speech_real_time_factor_bucket[10m]))) > 1",
        "10m",
        Severity.WARNING,
        "Speech {{ $labels.work }} does not keep up with its audio.",
        'A tenth of utterances take {{ $value | printf "%.2f" }} s for each second of audio and more: add speech replicas.',
        "ossature-realtime",
    ),
)

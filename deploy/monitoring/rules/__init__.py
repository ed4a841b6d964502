"""Recording rules and alerts, a file for each subject."""

from __future__ import annotations

from deploy.monitoring.rules import availability, jobs, latency, recording, storage, voice
from deploy.monitoring.rules.definition import Alert, Group, Recording, Values


def recording_groups(values: Values) -> tuple[Group, ...]:
    return recording.groups(values.objective)


def alert_groups(values: Values) -> tuple[Group, ...]:
    return (
        Group("ossature-availability", availability.ALERTS),
        Group("ossature-latency", latency.alerts(values.objective)),
        Group("ossature-storage", storage.ALERTS),
        Group("ossature-voice", voice.ALERTS),
        Group("ossature-jobs", jobs.ALERTS),
    )


def alerts(values: Values | None = None) -> tuple[Alert, ...]:
    """All alerts, with the values of ``deploy/prometheus`` where none are given."""
    return tuple(rule for group in alert_groups(values or Values()) for rule in group.rules if isinstance(rule, Alert))


def recordings(values: Values | None = None) -> tuple[Recording, ...]:
    """All recording rules, likewise."""
    return tuple(rule for group in recording_groups(values or Values()) for rule in group.rules if isinstance(rule, Recording))

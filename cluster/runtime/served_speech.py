"""The speech replica inside Ray Serve: logs and a start around :class:`SpeechReplica`."""

from __future__ import annotations

import logging

from ray import serve

from cluster import heap
from cluster.config.settings.speech import SpeechSettings
from cluster.config.settings.telemetry import LoggingSettings
from cluster.speech.deployment import SpeechReplica
from cluster.telemetry import logs
from cluster.telemetry.speech_replica_metrics import SpeechReplicaMetrics

logger = logging.getLogger(__name__)


class ServedSpeech(SpeechReplica):
    """One replica of the ``speech`` deployment."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, settings: SpeechSettings, logging_settings: LoggingSettings
    ) -> None:
        logs.configure(logging_settings, "speech", replica=serve.get_replica_context().replica_id.unique_id)
        super().__init__(settings, observer=SpeechReplicaMetrics())
        await self.start()
        heap.settle()
        logger.info("recognizer %s and synthesizer %s are ready", settings.recognizer, settings.synthesizer)

    async def __del__(self) -> None:
        await self.stop()

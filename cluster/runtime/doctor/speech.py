"""Does speech work here? The synthesizer is started as a replica would start it; a large recognizer is only looked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.config.settings.speech import SpeechSettings
from cluster.runtime.doctor.finding import Finding, Reporter
from cluster.speech.errors import SpeechUnavailable

_PACKAGES = {"pocketsphinx": "pocketsphinx", "whisper": "transformers", "vllm": "vllm"}
_INSTALL = "Install Debian's libflite1, or espeak-ng; `make voices` does the first."

Voices = Callable[[SpeechSettings], Awaitable[Sequence[str]]]


class Speech(Reporter):
    name: ClassVar[str] = "speech"

    def __init__(
        self,
        config: ClusterConfig,
        voices: Voices | None = None,
        installed: Callable[[str], bool] = lambda package: find_spec(package) is not None,
    ) -> None:
        self._settings = config.speech
        self._voices = voices or voices_here
        self._installed = installed

    async def findings(self) -> Sequence[Finding]:
        if not self._settings.enabled:
            return [self.ok("speech", "switched off")]
        return [await self._synthesizer(), self._recognizer()]

    async def _synthesizer(self) -> Finding:
        if self._settings.num_gpus > 0 or self._settings.synthesizer_device != "cpu":
            return self.unknown("voices", "the synthesizer runs on a GPU; it is not started for a look")
        try:
            voices = await self._voices(self._settings)
        except SpeechUnavailable as error:
            return self.warning("voices", f"none: answers are in writing ({error.message})", _INSTALL)
        if self._settings.default_voice not in voices:
            return self.warning(
                "voices",
                f"{', '.join(voices)}; the default voice {self._settings.default_voice!r} is none of them",
                "Set speech.default_voice to one of them.",
            )
        return self.ok("voices", ", ".join(voices))

    def _recognizer(self) -> Finding:
        package = _PACKAGES[self._settings.recognizer]
        if self._installed(package):
            return self.ok("recognizer", f"{self._settings.recognizer} is installed")
        return self.problem("recognizer", f"{self._settings.recognizer} needs the package {package}", f"Install {package}.")


async def voices_here(settings: SpeechSettings) -> list[str]:
    """Ids of the voices. Raises :class:`SpeechUnavailable`."""
    from cluster.speech.stack import started_synthesizer, synthesizers

    synthesizer = await started_synthesizer(synthesizers(settings))
    try:
        return [voice.id for voice in synthesizer.voices]
    finally:
        await synthesizer.stop()

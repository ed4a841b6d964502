"""One utterance with the recognizer: what it is given, in order, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from cluster.realtime.driver.generating import Report
from cluster.realtime.session.actions import StartRecognition
from cluster.realtime.session.inputs import RecognitionFinished, RecognitionSettled
from cluster.speech.contract import Recognizer, Transcript

_SETTLE = object()
_FINISH = object()


class Utterance:
    """Orders wait in a queue, so that a session never waits for its recognizer. Their audio is bounded by the session's buffer."""

    def __init__(self, recognizer: Recognizer, action: StartRecognition, timeout_s: float, report: Report) -> None:
        self._recognizer = recognizer
        self._action = action
        self._timeout_s = timeout_s
        self._report = report
        self._orders: asyncio.Queue[object] = asyncio.Queue()

    def feed(self, pcm: bytes) -> None:
        self._orders.put_nowait(pcm)

    def settle(self) -> None:
        self._orders.put_nowait(_SETTLE)

    def finish(self) -> None:
        self._orders.put_nowait(_FINISH)

    async def run(self) -> None:
        """Until it is finished or cancelled.

        Raises :class:`~cluster.errors.OssatureError`, and ``TimeoutError`` when a transcript takes too long.
        """
        recognition_id = self._action.recognition_id
        recognition = self._recognizer.open(language=self._action.language, prompt=self._action.prompt)
        try:
            while True:
                order = await self._orders.get()
                if isinstance(order, bytes):
                    await recognition.feed(order)
                elif order is _SETTLE:
                    if self._orders.empty():  # otherwise speech has gone on, and nobody waits for it
                        transcript = await self._within(recognition.settle())
                        self._report(RecognitionSettled(recognition_id, transcript))
                else:
                    transcript = await self._within(recognition.finish())
                    self._report(RecognitionFinished(recognition_id, transcript))
                    return
        finally:
            await recognition.close()

    async def _within(self, work: Awaitable[Transcript]) -> Transcript:
        async with asyncio.timeout(self._timeout_s):
            return await work

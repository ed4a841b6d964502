"""How many recordings are worked on at a time: their audio lies in this process, and decoding them keeps its processor busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.speech import SpeechSettings
from cluster.errors import Overloaded

_RETRY_AFTER_S = 5.0


class Recordings:
    """Places for recordings, of one gateway. Belongs to one event loop."""

    def __init__(self, settings: SpeechSettings) -> None:
        self._wait_s = settings.worker_wait_s
        self._of_organization = ConcurrencyLimit(settings.max_recordings_per_organization)
        self._places = asyncio.Semaphore(settings.max_recordings)

    @asynccontextmanager
    async def place(self, org_id: str) -> AsyncIterator[None]:
        """To be taken before a recording is read.

        Raises:
            RateLimited: the organization has as many as it may have.
            Overloaded: no place came free in time.
        """
        with self._of_organization.acquire(org_id):
            try:
                async with asyncio.timeout(self._wait_s):
                    await self._places.acquire()
            except TimeoutError:
                raise Overloaded(
                    "This gateway has as many recordings to recognize as it may have. Please retry later.",
                    retry_after_s=_RETRY_AFTER_S,
                ) from None
            try:
                yield
            finally:
                self._places.release()

"""What a kind of job does."""

from __future__ import annotations

from typing import Any, Protocol

from cluster.jobs.context import JobContext


class JobHandler(Protocol):
    """Runs jobs of one kind; one object for all of them, several at a time.

    A run may end at any line, with its process; the next one begins at the first line again. Whatever takes effect therefore
    happens in :meth:`JobContext.step` or :meth:`JobContext.transaction`.
    """

    @property
    def kind(self) -> str:
        """In metrics and lists: ``[a-z][a-z0-9_.]*``."""
        ...

    async def run(self, context: JobContext) -> dict[str, Any]:
        """The result, which JSON can say.

        Raises :class:`~cluster.jobs.errors.JobFailed` to fail the job; lets :class:`~cluster.jobs.errors.JobStopped` and
        ``asyncio.CancelledError`` pass, after having ended what it had started. After any other exception it is run again, as often
        as ``jobs.max_attempts`` allows.
        """
        ...

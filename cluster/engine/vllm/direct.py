"""A shorter way for the chunks of a stream: out in the very turn in which the engine's output comes.

vLLM's output handler puts each output into a collector, which wakes the task of its stream, which passes it on through every
generator between vLLM and the channel. For one token in the middle of an answer that costs more than writing its chunk. Here the
collector's ``put`` writes the chunk itself and hands it to the :class:`~cluster.engine.contract.PayloadSink`, but only while the
stream's task waits with nothing in its hands, so that nothing is overtaken. A reader that does not keep up (its sink is not ready)
sends its stream the long way, where vLLM merges outputs and the task waits for the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vllm.outputs import RequestOutput

from cluster.engine.contract import PayloadSink

Write = Callable[[Any], list[bytes]]


class DirectWrites:
    """The short way of one stream. Closed until :meth:`open`, and whenever its task has an output in its hands."""

    __slots__ = ("__weakref__", "_collector", "_count", "_enqueue", "_sink", "_waiting", "_write")

    def __init__(self, sink: PayloadSink, count: Callable[[int], None]) -> None:
        """``count`` is told how many tokens each output has that takes this way."""
        self._sink = sink
        self._count = count
        self._write: Write | None = None
        self._waiting = False
        self._collector: Any = None
        self._enqueue: Callable[[Any], None] = _nowhere

    def attach(self, collector: Any) -> None:
        """Stand before ``collector`` (vLLM's ``RequestOutputCollector``), which its producer knows already."""
        self._collector, self._enqueue = collector, collector.put
        collector.put = self._put

    def open(self, write: Write) -> None:
        """The stream's task waits for its next output: ``write`` makes chunks of whatever comes until :meth:`close`."""
        self._write = write
        self._waiting = True

    def close(self) -> None:
        """The stream's task has an output in its hands."""
        self._waiting = False

    def _put(self, output: Any) -> None:
        collector = self._collector
        if not (self._waiting and collector.output is None and self._sink.ready and _in_the_middle(output)):
            if isinstance(output, Exception) or output.finished:
                del collector.put  # nothing comes after this; collector and stream are not kept alive by each other
            self._enqueue(output)
            return
        assert self._write is not None, "opened before it waits"
        try:
            if chunks := self._write(output):
                self._sink.put(chunks)
        except Exception as error:  # noqa: BLE001  # the handler of all streams goes on; the task of this one raises it
            self._enqueue(error)
            return
        for sequence in output.outputs:
            self._count(len(sequence.token_ids))


def _in_the_middle(output: Any) -> bool:
    """Whether an output ends nothing and has nothing but tokens to tell."""
    return (
        type(output) is RequestOutput and not output.finished and all(sequence.finish_reason is None for sequence in output.outputs)
    )


def _nowhere(output: Any) -> None:
    raise AssertionError("attached before anything is put")

"""One request on its way through a replica: from what came over the channel or the handle to the last frame sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from cluster.engine.contract import EngineRequest, Frame, PayloadSink
from cluster.relay.channel.outbox import Outbox
from cluster.relay.channel.replica_end import ReplicaChannel

Generate = Callable[[EngineRequest, PayloadSink], AsyncGenerator[Frame, None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """``request`` is answered into ``outbox``; a body of ``body_bytes`` > 0 is not in it but to be fetched."""

    channel: ReplicaChannel
    outbox: Outbox
    request: EngineRequest
    body_bytes: int

    async def run(self, generate: Generate) -> None:
        """Send all that ``generate`` yields, or why it ended early. Raises what it raises. Cancelling aborts the request."""
        request, outbox = self.request, self.outbox
        if self.body_bytes:
            self.channel.fetch(outbox.stream)
            request = msgspec.structs.replace(request, body=await outbox.body())
        try:
            async with aclosing(generate(request, outbox)) as frames:
                async for frame in frames:
                    await outbox.send(frame)
                    if frame.last:
                        return
            outbox.lose("the engine ended the stream without a last frame")
        except Exception as error:
            outbox.lose(f"the engine replica failed ({type(error).__name__})")
            raise

    def close(self) -> None:
        """Nothing more is sent; if there was no last frame, the gateway is told that there will be none."""
        self.outbox.lose("the replica gave the request up")
        self.channel.close(self.outbox)

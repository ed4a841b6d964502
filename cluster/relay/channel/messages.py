"""What the two ends of a channel say to each other: MessagePack arrays whose first element is the kind.

| Message     | From    | When                                                                                           |
|-------------|---------|------------------------------------------------------------------------------------------------|
| `Challenge` | gateway | a connection was made                                                                          |
| `Hello`     | replica | answers it, with a proof and a challenge of its own                                            |
| `Welcome`   | gateway | the proof holds; with the gateway's own                                                        |
| `Refused`   | gateway | the proof holds, but the replica means another life of this gateway                            |
| `Calls`     | replica | once: requests may be sent over this channel                                                   |
| `Call`      | gateway | a request                                                                                      |
| `Taken`     | replica | it has begun to answer a `Call`                                                                |
| `Declined`  | replica | it has no room for a `Call`, or takes no more                                                  |
| `Step`      | replica | once an event-loop turn with output: what is new for all streams of that gateway               |
| `Fetch`     | replica | a request's body was too large for the call                                                    |
| `Body`      | gateway | a piece of it                                                                                  |
| `Credit`    | gateway | the client has read: that many more bytes may come                                             |
| `Cancel`    | gateway | nobody wants the stream any more                                                               |
| `Follow`    | gateway | once, where gateways are told of prefix caches, and again when something of that is missing    |
| `Resident`  | replica | what has changed in its prefix cache, from time to time                                        |
| `Load`      | replica | what it has to do has changed, at most every `routing.load_period_s`                           |
| `Ping`      | both    | nothing else was said for a while                                                              |

A connection begins with `Challenge`, `Hello`, `Welcome`; whatever else comes before that ends it.
"""

from __future__ import annotations

import msgspec

from cluster.engine.contract import EngineRequest, Frame
from cluster.routing.pending import LoadReport
from cluster.routing.residency.report import Report, Subscribe
from cluster.routing.ticket import ArrivedTicket

#: Part of every proof: ends that speak different versions do not get past the handshake.
PROTOCOL_VERSION = 4


class GatewayAddress(msgspec.Struct, frozen=True, array_like=True):
    """Where a gateway listens, and which of its lives is meant: a random value, made when its process starts to listen."""

    host: str
    port: int
    life: bytes


class Open(msgspec.Struct, frozen=True, array_like=True):
    """The argument of the handle call: answer ``request`` on ``stream`` of ``gateway``.

    A body of ``body_bytes`` > 0 is left out of ``request`` and fetched over the channel. ``window_bytes`` of payload may be sent
    before the first ``Credit``.
    """

    gateway: GatewayAddress
    stream: int
    window_bytes: int
    request: EngineRequest
    body_bytes: int = 0


class Accepted(msgspec.Struct, frozen=True, array_like=True):
    """The one item that the handle call yields: this life of a replica answers, and its channel is up."""

    replica_id: str
    replica_life: bytes


class Delta(msgspec.Struct, array_like=True):
    """What is new for one stream. ``end``: the last frame without its payloads, or, as text, why there will be none."""

    stream: int
    payloads: list[bytes]
    end: Frame | str | None = None


class Challenge(msgspec.Struct, tag=0, array_like=True):
    nonce: bytes


class Hello(msgspec.Struct, tag=1, array_like=True):
    gateway_life: bytes
    replica_id: str
    replica_life: bytes
    nonce: bytes
    proof: bytes


class Welcome(msgspec.Struct, tag=2, array_like=True):
    proof: bytes


class Refused(msgspec.Struct, tag=3, array_like=True):
    reason: str


class Step(msgspec.Struct, tag=4, array_like=True):
    deltas: list[Delta]


class Fetch(msgspec.Struct, tag=5, array_like=True):
    stream: int


class Body(msgspec.Struct, tag=6, array_like=True):
    stream: int
    data: bytes
    last: bool


class Credit(msgspec.Struct, tag=7, array_like=True):
    stream: int
    size_bytes: int


class Cancel(msgspec.Struct, tag=8, array_like=True):
    stream: int


class Ping(msgspec.Struct, tag=9, array_like=True):
    pass


class Follow(msgspec.Struct, tag=10, array_like=True):
    """The gateway wants to be told of the replica's prefix cache, from this state on."""

    at: Subscribe


class Resident(msgspec.Struct, tag=11, array_like=True):
    """Something new of the replica's prefix cache."""

    report: Report


class Load(msgspec.Struct, tag=12, array_like=True):
    """How much the replica has to do, and which prompts it was given since it told last."""

    report: LoadReport


class Calls(msgspec.Struct, tag=13, array_like=True):
    """The replica takes requests over this channel, too."""


class Call(msgspec.Struct, tag=14, array_like=True):
    """Answer ``request`` on ``stream``: an `Open` without the way there. ``ticket``: what the router has for the replica."""

    stream: int
    window_bytes: int
    request: EngineRequest
    ticket: ArrivedTicket
    body_bytes: int = 0


class Taken(msgspec.Struct, tag=15, array_like=True):
    """The request is among the replica's ``ongoing`` ones."""

    stream: int
    ongoing: int


class Declined(msgspec.Struct, tag=16, array_like=True):
    """The request was not begun, with ``ongoing`` others there; another replica may answer it."""

    stream: int
    ongoing: int


FromReplica = Hello | Step | Fetch | Resident | Load | Ping | Calls | Taken | Declined
FromGateway = Challenge | Welcome | Refused | Body | Credit | Cancel | Follow | Ping | Call
Message = FromReplica | FromGateway

"""What it costs that replicas tell gateways of their load over channels: microseconds of processor time for each message.

    python -m bench.load_reports [--rounds 5]

Both ends of a channel in one process, real sockets between them, the policy that clusters run at the end. ``send``: a replica's
part, to the socket. ``rest``: reading, decoding, believing, and the turns of the event loop for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time

from cluster.relay.channel.gateway_end import ChannelServer
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.load_pump import LoadPump
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.loads import ReplicaLoads
from cluster.relay.observer import SilentChannelObserver
from cluster.routing.fleet import Fleet
from cluster.routing.pending import LoadReport
from cluster.routing.policies.by_name import AFFINITY, PolicyOptions, policy_by_name
from cluster.routing.policy import ReplicaReport

MESSAGES = 2000
AT_A_TIME = 10
MARKS = (0, 10, 30)
"""Of requests that went on or ended; of a turn of a conversation; of a new prompt of 6,000 tokens."""

KEY = ChannelKey.of(b"the secret of the benchmark alone")
MAX_MESSAGE_BYTES = 1 << 20
PEER_TIMEOUT_S = 20.0


class Router:
    """What a request router does with a report."""

    def __init__(self) -> None:
        self._policy = policy_by_name(AFFINITY, PolicyOptions(seed=1))
        self._fleet = Fleet(30.0)
        self._fleet.update(["replica"], 0.0)
        self.told = 0

    def replica_told(self, replica_id: str, report: LoadReport) -> None:
        self.told += 1
        self._fleet.reported(replica_id, report.ongoing, 1.0)
        self._policy.reported(replica_id, ReplicaReport(report.pending_tokens, report.given_tokens, report.marks), 1.0)


class Source:
    """A replica that is given a request before each message."""

    def __init__(self, marks: int) -> None:
        self._marks = [tuple([os.urandom(16) for _ in range(marks)]) for _ in range(MESSAGES)]
        self.number = 0

    def news(self, now_s: float) -> LoadReport:
        self.number += 1
        return LoadReport(self.number, 20, 5000.0, 100 * self.number, self._marks[self.number - 1])


async def measure(marks: int) -> tuple[float, float]:
    """``send`` and ``rest`` of one round."""
    router, loads, source = Router(), ReplicaLoads(), Source(marks)
    loads.listen(router)
    server = ChannelServer(KEY, MAX_MESSAGE_BYTES, PEER_TIMEOUT_S, SilentChannelObserver(), loads=loads)
    await server.start("127.0.0.1")
    dialer = Dialer("replica", KEY, MAX_MESSAGE_BYTES, PEER_TIMEOUT_S)
    await dialer.channel(server.address)
    pump = LoadPump(source, dialer, 1.0)
    sending_s = 0.0
    began_s = time.process_time()
    while source.number < MESSAGES:
        for _ in range(AT_A_TIME):
            started_s = time.process_time()
            pump.tell()
            sending_s += time.process_time() - started_s
            await asyncio.sleep(0)
        while router.told < source.number:  # noqa: ASYNC110 - each turn is part of what is measured
            await asyncio.sleep(0)
    all_s = time.process_time() - began_s
    await dialer.close()
    await server.close()
    return sending_s / MESSAGES * 1e6, (all_s - sending_s) / MESSAGES * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'marks':>6}{'send':>8}{'rest':>8} µs")
    for marks in MARKS:
        rounds = [asyncio.run(measure(marks)) for _ in range(arguments.rounds)]
        send, rest = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{marks:>6}{send:>8.1f}{rest:>8.1f}")


if __name__ == "__main__":
    main()

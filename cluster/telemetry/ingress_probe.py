"""Whether clients can get in at a node, seen from the node's exporter: HAProxy's own health answer, asked at each scrape.

HAProxy stands before everything that counts requests. When it is dead no metric of a gateway says so: fewer requests come, at most.
"""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from prometheus_client import Metric
from prometheus_client.registry import Collector

from cluster.telemetry import catalog

_log = logging.getLogger(__name__)

PATH = "/-/healthz"
TIMEOUT_S = 2.0


class IngressProbe(Collector):
    """``address``: of the node's HTTP edge, as ``http://host:port``."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None, "an address has a host"
        self._host, self._port = parts.hostname, parts.port
        self._was_up: bool | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked before a collection."""
        return ()

    def collect(self) -> Iterator[Metric]:
        definition = catalog.nodes.INGRESS_UP
        family = Metric(definition.name, definition.meaning, str(definition.kind))
        family.add_sample(definition.name, {}, 1.0 if self.up() else 0.0)
        yield family

    def up(self) -> bool:
        """Whether it answers, within two seconds, that at least one gateway stands behind it."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", PATH)
            status = connection.getresponse().status
            up, found = status == http.client.OK, f"answers {status}"
        except (OSError, http.client.HTTPException) as error:
            up, found = False, f"does not answer ({type(error).__name__}: {error})"
        finally:
            connection.close()
        if up != self._was_up and not (self._was_up is None and not up):
            # Not before it was up for the first time: it starts later than the exporter, and not on every node.
            _log.log(logging.INFO if up else logging.ERROR, "the ingress of this node %s", found)
            self._was_up = up
        return up

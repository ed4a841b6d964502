"""Whether clients can get in at a node, as its exporter tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster.telemetry import ingress_probe
from cluster.telemetry.ingress_probe import IngressProbe


class Ingress(ThreadingHTTPServer):
    """Answers ``status`` to what HAProxy answers itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.hangs = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Ingress

    def do_GET(self) -> None:
        if self.server.hangs.is_set():
            threading.Event().wait(1.0)
        self.send_response(self.server.status if self.path == "/-/healthz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not of interest."""


@pytest.fixture
def ingress() -> Iterator[Ingress]:
    server = Ingress()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def told(probe: IngressProbe) -> float:
    (family,) = probe.collect()
    (sample,) = family.samples
    assert sample.name == "ossature_ingress_up"
    return sample.value


def test_it_is_up_when_haproxy_has_a_gateway(ingress: Ingress) -> None:
    probe = IngressProbe(ingress.address)
    assert told(probe) == 1
    ingress.status = 503
    assert told(probe) == 0


def test_it_is_down_when_nothing_listens(ingress: Ingress) -> None:
    probe = IngressProbe(ingress.address)
    ingress.shutdown()
    ingress.server_close()
    assert told(probe) == 0


def test_it_is_down_when_it_hangs(ingress: Ingress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress_probe, "TIMEOUT_S", 0.2)
    ingress.hangs.set()
    assert told(IngressProbe(ingress.address)) == 0


def test_the_log_tells_of_each_change_once(ingress: Ingress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    probe = IngressProbe(ingress.address)
    ingress.status = 503
    told(probe)
    assert not caplog.records, "it was not up yet"
    for status in (200, 200, 503, 503, 200):
        ingress.status = status
        told(probe)
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO"]

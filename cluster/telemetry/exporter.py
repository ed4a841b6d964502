"""The metrics endpoint of a node: ``/metrics`` for all of its processes, ``/healthz``.

Runs in threads of its own, in whatever process holds it; as a process: ``python -m cluster.telemetry.exporter --dir D --port P``.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import signal
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import gzip_accepted

from cluster.telemetry.aggregate import NodeCollector
from cluster.telemetry.exposition import encode
from cluster.telemetry.ingress_probe import IngressProbe

_log = logging.getLogger(__name__)

_CLIENT_TIMEOUT_S = 10.0


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, directory: Path, host: str, port: int, ingress: str | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.directory = directory
        self.registry = CollectorRegistry()
        self.registry.register(NodeCollector(directory))
        if ingress is not None:
            self.registry.register(IngressProbe(ingress))
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that hung up is no failure of ours; anything else is a defect."""
        expected = isinstance(sys.exception(), ConnectionError | TimeoutError)
        _log.log(logging.DEBUG if expected else logging.ERROR, "scrape by %s failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "ossature-exporter"
    sys_version = ""
    timeout = _CLIENT_TIMEOUT_S

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            self._health()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"see /metrics and /healthz\n")

    def _metrics(self) -> None:
        try:
            body, content_type = encode(self.server.registry, self.headers.get("Accept", ""))
        except (OSError, ValueError):  # the folder is gone, the disk fails, the archive is damaged
            _log.exception("the node's metrics can't be read")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", b"the metrics can't be read\n")
            return
        headers = {}
        if gzip_accepted(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        self._answer(HTTPStatus.OK, content_type, body, headers)

    def _health(self) -> None:
        """Whether the next scrape would find its folder."""
        if self.server.directory.is_dir():
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n")
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", b"the metrics folder is missing\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is not news."""
        _log.debug(format, *args)


class NodeExporter:
    """Serves the metrics that the processes of this node write to ``directory``. ``port`` 0 lets the system choose one.

    ``ingress``: where the node's HTTP edge is to answer, as ``http://host:port``; ``None`` asks it for nothing.
    """

    def __init__(self, directory: Path, host: str = "127.0.0.1", port: int = 9464, ingress: str | None = None) -> None:
        self._directory = directory
        self._host = host
        self._port = port
        self._ingress = ingress
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port, once started."""
        if self._server is None:
            raise RuntimeError("the exporter is not running")
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen and serve. Returns at once. Raises ``OSError`` when the address is taken."""
        if self._server is not None:
            raise RuntimeError("the exporter is running already")
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = _Server(self._directory, self._host, self._port, self._ingress)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics-exporter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port. Idempotent. A scrape that is being answered is not waited for."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m cluster.telemetry.exporter", description=main.__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder that the node's processes write to")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9464, help="TCP port")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    exporter = NodeExporter(arguments.dir, arguments.host, arguments.port)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    exporter.start()
    _log.info("metrics on http://%s:%d/metrics", arguments.host, exporter.port)
    ended.wait()
    exporter.stop()


if __name__ == "__main__":
    main()

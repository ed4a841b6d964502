"""A small cluster for the command line to talk to: a real HTTP server with the admin and chat API, and faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API_KEY = "sk-api"
ADMIN_KEY = "sk-admin"
PAGE = 2


@dataclass
class FakeCluster:
    """``fault``: ``500``, ``503``, ``html`` or ``not-a-list`` for every answer; ``break-off``, ``error-event``, ``bad-event`` or
    ``hang`` in the middle of a stream."""

    url: str = ""
    fault: str = ""
    pieces: list[dict[str, Any]] = field(default_factory=lambda: [{"reasoning": "hm"}, {"content": "Hello"}, {"content": " there"}])
    models: list[str] = field(default_factory=lambda: ["first", "second"])
    organizations: list[dict[str, Any]] = field(default_factory=list)
    projects: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def chat_bodies(self) -> list[dict[str, Any]]:
        return [body for method, path, body in self.requests if path == "/v1/chat/completions"]


@contextmanager
def fake_cluster() -> Iterator[FakeCluster]:
    cluster = FakeCluster()

    class Handler(_Handler):
        state = cluster

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield cluster
    finally:
        cluster.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Refused(Exception):
    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class _Handler(BaseHTTPRequestHandler):
    state: FakeCluster
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read what the command prints."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        split = urlsplit(self.path)
        parts = [unquote(part) for part in split.path.strip("/").split("/")]
        self.state.requests.append((method, split.path, body))
        try:
            self._fail_on_demand()
            self._authorize(admin=parts[0] == "admin")
            if split.path == "/v1/chat/completions":
                self._chat()
            else:
                self._json(200, self._route(method, parts, body, parse_qs(split.query)))
        except _Refused as refused:
            error = {"message": refused.message, "type": "invalid_request_error", "param": None, "code": refused.code}
            self._json(refused.status, {"error": error})

    def _fail_on_demand(self) -> None:
        if self.state.fault == "500":
            raise _Refused(500, "internal error")
        if self.state.fault == "503":
            raise _Refused(503, "no replica is ready", "overloaded")

    def _authorize(self, *, admin: bool) -> None:
        if self.headers.get("authorization") != f"Bearer {ADMIN_KEY if admin else API_KEY}":
            raise _Refused(401, "Incorrect API key provided", "invalid_api_key")

    def _route(self, method: str, parts: list[str], body: Any, query: dict[str, list[str]]) -> Any:
        state = self.state
        match method, parts:
            case "GET", ["v1", "models"]:
                return {
                    "object": "list",
                    "data": [{"id": each, "owned_by": "ossature", "created": 1767225600} for each in state.models],
                }
            case "POST", ["admin", "v1", "organizations"]:
                return self._add(state.organizations, "org", {"name": body["name"]})
            case "GET", ["admin", "v1", "organizations"]:
                return self._page(state.organizations, query)
            case "GET", ["admin", "v1", "organizations", org_id]:
                return self._find(state.organizations, org_id)
            case "POST", ["admin", "v1", "organizations", org_id, "projects"]:
                return self._add(state.projects, "proj", {"name": body["name"], "organization_id": org_id})
            case "GET", ["admin", "v1", "organizations", org_id, "projects"]:
                return self._page([each for each in state.projects if each["organization_id"] == org_id], query)
            case "POST", ["admin", "v1", "organizations", org_id, "keys"]:
                wanted = {"name": body["name"], "project_id": body.get("project_id", "proj_default")}
                key = self._add(
                    state.keys, "key", {**wanted, "organization_id": org_id, "revoked_at": None, "redacted_value": "sk-…abcd"}
                )
                return {**key, "key": f"sk-{key['id']}"}
            case "GET", ["admin", "v1", "organizations", org_id, "keys"]:
                return self._page([each for each in state.keys if each["organization_id"] == org_id], query)
            case "POST", ["admin", "v1", "keys"]:
                made = {"name": body["name"], "project_id": None, "organization_id": None, "revoked_at": None}
                key = self._add(state.keys, "key", {**made, "redacted_value": "sk-…wxyz"})
                return {**key, "key": f"sk-admin-{key['id']}"}
            case "GET", ["admin", "v1", "keys"]:
                return self._page([each for each in state.keys if each["organization_id"] is None], query)
            case "DELETE", ["admin", "v1", "keys", key_id]:
                key = self._find(state.keys, key_id)
                key["revoked_at"] = 1767225601
                return key
        raise _Refused(404, f"there is no {method} {'/'.join(parts)}")

    def _add(self, objects: list[dict[str, Any]], kind: str, values: dict[str, Any]) -> dict[str, Any]:
        added = {"id": f"{kind}_{len(objects) + 1}", "created_at": 1767225600, **values}
        objects.append(added)
        return added

    def _find(self, objects: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
        for each in objects:
            if each["id"] == wanted:
                return each
        raise _Refused(404, f"no object {wanted!r}", "not_found")

    def _page(self, objects: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        if self.state.fault == "not-a-list":
            return {"object": "list"}
        ids = [each["id"] for each in objects]
        start = ids.index(query["after"][0]) + 1 if "after" in query else 0
        page = objects[start : start + PAGE]
        last_id = page[-1]["id"] if page else None
        return {"object": "list", "data": page, "has_more": start + PAGE < len(objects), "last_id": last_id}

    def _json(self, status: int, body: Any) -> None:
        content = b"<html>hello</html>" if self.state.fault == "html" else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", "req_1")
        if status == 503:
            self.send_header("retry-after", "3")
        self.end_headers()
        self.wfile.write(content)

    def _chat(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        fault = self.state.fault
        for piece in self.state.pieces:
            self._event({"choices": [{"index": 0, "delta": piece, "finish_reason": None}]})
        if fault == "break-off":
            self._chunk(b"data: {")
            self.connection.close()
            return
        if fault == "hang":
            self._wait_for_hang_up()
            return
        if fault == "bad-event":
            self._chunk(b"data: [1, 2\n\n")
        if fault == "error-event":
            self._event({"error": {"message": "the engine died", "code": "engine_failed"}})
        if fault != "no-end":
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            usage = {"prompt_tokens": 2048, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1024}}
            self._event({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _wait_for_hang_up(self) -> None:
        self.connection.settimeout(0.02)
        while not self.state.closing.is_set():
            try:
                gone = self.connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                gone = True
            if gone:
                self.state.hung_up.set()
                return

    def _event(self, data: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

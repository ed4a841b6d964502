"""HTTP client of the command line. Every failure becomes a :class:`CommandError` with an exit code and a next step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from cluster.cli.output import CommandError, ExitCode, printable
from cluster.cli.target import Target

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
STREAM_READ_TIMEOUT_S = 600.0
PAGE_SIZE = 100
_CHECK = "See `ossature status`; start the cluster with `ossature serve`."

_EXIT_CODES = {401: ExitCode.REFUSED, 403: ExitCode.REFUSED, 404: ExitCode.NOT_FOUND, 422: ExitCode.USAGE, 400: ExitCode.USAGE}


class ClusterClient:
    """Speaks to one cluster with one of its keys. Use as a context manager."""

    def __init__(self, target: Target, *, admin: bool) -> None:
        """``admin`` picks the key. Raises :class:`CommandError` when the target has none."""
        key = target.admin_key if admin else target.api_key
        if key is None:
            kind, variable = ("admin", "OSSATURE_ADMIN_KEY") if admin else ("API", "OSSATURE_API_KEY")
            raise CommandError(f"no {kind} key for {target.base_url}", next_step=f"Set {variable}.", exit_code=ExitCode.REFUSED)
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise CommandError("the key holds characters that no key has", exit_code=ExitCode.USAGE)
        self._target = target
        self._admin = admin
        try:
            self._http = httpx.Client(
                base_url=target.base_url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                # A proxy for the internet must not see requests to this machine.
                trust_env=not is_loopback(target.base_url),
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise CommandError(f"{target.base_url!r} can't be used as an address: {error}", exit_code=ExitCode.USAGE) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._call("GET", path, query=query)

    def post(self, path: str, body: dict[str, Any], *, timeout_s: float | None = None) -> dict[str, Any]:
        """``timeout_s``: to wait for an answer that takes long; unset: ``READ_TIMEOUT_S``."""
        return self._call("POST", path, body=body, timeout_s=timeout_s)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path)

    def list(self, path: str, **filters: str) -> list[dict[str, Any]]:
        """All objects of a list, over all its pages (``has_more`` and ``last_id``, when the server pages)."""
        items: list[dict[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = self.get(path, **filters, **query)
            data = page.get("data")
            if not isinstance(data, list):
                raise self._not_a_cluster("it answered with no list")
            items += data
            last = page.get("last_id") or (data[-1].get("id") if data else None)
            if not page.get("has_more") or not last or query.get("after") == last:
                return items
            query = {"limit": str(PAGE_SIZE), "after": last}

    @contextmanager
    def stream(self, path: str, body: dict[str, Any]) -> Iterator[httpx.Response]:
        """An answer that is read while it arrives. Leaving the block early hangs up, which ends the generation."""
        timeout = httpx.Timeout(STREAM_READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        with self._translated(), self._http.stream("POST", path, json=body, timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise self.refused(response)
            yield response

    @contextmanager
    def download(self, path: str, **query: str) -> Iterator[httpx.Response]:
        """A body that is read while it arrives."""
        timeout = httpx.Timeout(STREAM_READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        with self._translated(), self._http.stream("GET", path, params=query or None, timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise self.refused(response)
            yield response

    def upload(self, path: str, content: Iterator[bytes], size_bytes: int, content_type: str) -> dict[str, Any]:
        """Send a body of this size while it is read."""
        headers = {"content-type": content_type, "content-length": str(size_bytes)}
        timeout = httpx.Timeout(STREAM_READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        with self._translated():
            response = self._http.post(path, content=content, headers=headers, timeout=timeout)
        return self._object(response)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        timeout = httpx.Timeout(timeout_s or READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        with self._translated():
            response = self._http.request(method, path, params=query or None, json=body, timeout=timeout)
        return self._object(response)

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            raise self.refused(response)
        try:
            answer = response.json()
        except ValueError:
            raise self._not_a_cluster("its answer is no JSON") from None
        if not isinstance(answer, dict):
            raise self._not_a_cluster("its answer is no object")
        return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        where = _where(self._target)
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self._target) from error
        except httpx.TimeoutException as error:
            raise CommandError(f"{where} did not answer in time", next_step=_CHECK, exit_code=ExitCode.UNREACHABLE) from error
        except httpx.TransportError as error:
            raise CommandError(f"the connection to {where} broke off: {error}", next_step=_CHECK) from error

    def refused(self, response: httpx.Response) -> CommandError:
        """What to say of an answer that is no success."""
        status = response.status_code
        reported, code = _error_of(response)
        message = f"{reported or response.reason_phrase or 'the request failed'} (HTTP {status}{f', {code}' if code else ''})"
        request_id = response.headers.get("x-request-id")
        next_step = None
        if status in (401, 403):
            kind, variable = ("admin", "OSSATURE_ADMIN_KEY") if self._admin else ("API", "OSSATURE_API_KEY")
            next_step = (
                f"The {kind} key comes from {variable} or from {self._target.found_in}; is it of this cluster, and not revoked?"
            )
        elif status in (429, 503):
            wait = response.headers.get("retry-after")
            next_step = f"Try again in {printable(wait)} s." if wait else "Try again later."
        elif status >= 500 and request_id:
            next_step = f"The cluster's log has more about request {printable(request_id)}."
        exit_code = _EXIT_CODES.get(status, ExitCode.FAILED)
        return CommandError(message, next_step=next_step, exit_code=exit_code, status=status)

    def _not_a_cluster(self, reason: str) -> CommandError:
        return CommandError(f"{self._target.base_url} does not seem to be a cluster: {reason}", exit_code=ExitCode.FAILED)


def unreachable(target: Target) -> CommandError:
    return CommandError(f"no cluster answers at {_where(target)}", next_step=_CHECK, exit_code=ExitCode.UNREACHABLE)


def _where(target: Target) -> str:
    return f"{target.base_url} (from {target.found_in})"


def error_text(body: object) -> tuple[str | None, str | None]:
    """Message and code of an OpenAI-shaped error body; ``(None, None)`` when it is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None, None
    message, code = error.get("message"), error.get("code")
    return (printable(message) if isinstance(message, str) else None, printable(code) if isinstance(code, str) else None)


def _error_of(response: httpx.Response) -> tuple[str | None, str | None]:
    try:
        return error_text(json.loads(response.content))
    except ValueError:
        return None, None


def is_loopback(base_url: str) -> bool:
    """Whether it is an address of this machine."""
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")

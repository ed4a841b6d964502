"""Images from the web, within limits of address, time and size. No proxy, no cookie, no credential goes with a request."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from cluster.config.settings.images import ImageSettings
from cluster.images.addresses import networks
from cluster.images.guarded_network import GuardedNetwork, Resolve, resolve
from cluster.images.refused import ImageRefused

MAX_URL_CHARS: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS: Final = [
    ("User-Agent", "ossature"),
    ("Accept", "image/jpeg, image/png, image/webp, image/gif;q=0.5"),
    ("Accept-Encoding", "identity"),
]


class _Transient(Exception):
    """Trying again may help."""

    def __init__(self, refused: ImageRefused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


class ImageFetcher:
    """Fetches images; :meth:`close` in the end. ``resolver`` and ``tls``: the system's, other than in tests."""

    def __init__(
        self,
        settings: ImageSettings,
        resolver: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=settings.max_concurrent_fetches,
            keepalive_expiry=5.0,
            network_backend=GuardedNetwork(networks(settings.allowed_networks), resolver),
        )
        self._places = asyncio.Semaphore(settings.max_concurrent_fetches)

    async def close(self) -> None:
        await self._pool.aclose()

    async def fetch(self, url: str) -> bytes:
        """The body behind a URL, after redirects. Raises :class:`ImageRefused`."""
        _checked(url, self._settings)
        async with self._places:
            for attempt in range(self._settings.fetch_attempts):
                try:
                    async with asyncio.timeout(self._settings.fetch_timeout_s):
                        return await self._follow(url)
                except TimeoutError:
                    failure = _inaccessible(f"it did not arrive within {self._settings.fetch_timeout_s:g} seconds.")
                except _Transient as error:
                    failure = error.refused
                if attempt + 1 < self._settings.fetch_attempts:
                    await asyncio.sleep(min(0.2 * 2**attempt, 2.0))
        raise failure

    async def _follow(self, url: str) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            parts = _checked(url, self._settings)
            found = await self._get(url, parts)
            if isinstance(found, bytes):
                return found
            if parts.scheme == "https" and urlsplit(found).scheme != "https":
                raise _inaccessible("it redirects from https to something else.")
            url = found
        raise _inaccessible(f"it redirects more than {self._settings.max_redirects} times.")

    async def _get(self, url: str, parts: SplitResult) -> bytes | str:
        """The body, or where it has moved to."""
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        wait_s = self._settings.fetch_timeout_s
        # Put together by hand, as httpcore would read the URL in its own way: what was checked is what is asked for.
        where = httpcore.URL(scheme=parts.scheme.encode(), host=host.encode("idna"), port=port, target=target.encode("ascii"))
        shown = f"[{host}]" if ":" in host else host
        headers = [("Host", shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"), *_HEADERS]
        timeouts = {"connect": wait_s, "read": wait_s, "write": wait_s, "pool": wait_s}
        try:
            async with self._pool.stream("GET", where, headers=headers, extensions={"timeout": timeouts}) as response:
                answered = {name.lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status in _REDIRECTS and b"location" in answered:
                    return urljoin(url, answered[b"location"])
                if response.status != 200:
                    refused = _inaccessible(f"the server answers with {response.status}.")
                    raise _Transient(refused) if response.status in _TRANSIENT else refused
                if answered.get(b"content-encoding", "identity").lower() != "identity":
                    raise _inaccessible("the server sends it compressed.")
                return await self._body(response, answered.get(b"content-length", ""))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError):
            raise _Transient(_inaccessible("its server can't be reached, or breaks the connection off.")) from None

    async def _body(self, response: httpcore.Response, announced: str) -> bytes:
        limit = self._settings.max_image_bytes
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise too_large(limit)
        pieces: list[bytes] = []
        size = 0
        async for piece in response.aiter_stream():
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        return b"".join(pieces)


def too_large(limit_bytes: int) -> ImageRefused:
    return ImageRefused("image_too_large", f"the image is larger than {limit_bytes} bytes.")


def _checked(url: str, settings: ImageSettings) -> SplitResult:
    """Raises :class:`ImageRefused` for what is no plain URL of the web."""
    if len(url) > MAX_URL_CHARS:
        raise _bad(f"the URL is longer than {MAX_URL_CHARS} characters.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _bad("the URL has characters that no URL has; they are to be percent-encoded.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
        if host:
            host.encode("idna")
    except (ValueError, UnicodeError):
        raise _bad("it is no URL.") from None
    if parts.scheme not in _PORTS:
        raise _bad("it must be a data URL, or begin with https:// or http://.")
    if not host or "@" in parts.netloc:
        raise _bad("the URL must name a host, and no user.")
    if port not in (None, *_PORTS.values()) and not settings.any_port:
        raise ImageRefused("forbidden_url", "images are fetched from the ports 80 and 443 alone.")
    return parts


def _bad(reason: str) -> ImageRefused:
    return ImageRefused("invalid_image_url", reason)


def _inaccessible(reason: str) -> ImageRefused:
    return ImageRefused("inaccessible_url", f"the image can't be had: {reason}")

"""Typed requests of the text surfaces. One validator for every edge, so that they cannot drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cluster.completions.capture import Asked
from cluster.config.settings.prompt_cache import Retention
from cluster.engine.contract import Operation
from cluster.images.place import ImagePlace


class GenerationRequest(Protocol):
    """What the inside needs to know of a chat or text completion request, whatever its shape."""

    @property
    def operation(self) -> Operation: ...

    @property
    def model(self) -> str: ...

    @property
    def stream(self) -> bool: ...

    @property
    def include_usage(self) -> bool:
        """Whether a streaming client asked for the usage chunk."""
        ...

    @property
    def prompt_cache_key(self) -> str | None: ...

    @property
    def prompt_cache_retention(self) -> Retention | None: ...

    @property
    def client_cache_salt(self) -> str | None:
        """A client's own salt: may only subdivide its organization's cache, never reaches the engine."""
        ...

    @property
    def to_store(self) -> Asked | None:
        """What is to be kept of the request, with its answer; ``None``: nothing."""
        ...

    @property
    def images(self) -> Sequence[ImagePlace]:
        """Where the images of the messages are, in the order in which :meth:`engine_body` has them."""
        ...

    def canonical_prompt(self) -> bytes:
        """The prompt in the order in which the template renders it: tools, response schema, then messages."""
        ...

    def engine_body(self) -> bytes:
        """The request as JSON for the engine: without fields that only the gateway acts on, and without any salt."""
        ...

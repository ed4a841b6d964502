"""What a valid request of either kind comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cluster.completions.capture import Asked
from cluster.config.settings.prompt_cache import Retention
from cluster.images.place import ImagePlace
from cluster.inference.requests import fields


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """The part of :class:`~cluster.inference.requests.GenerationRequest` that chat and text completions share.

    Both byte forms are made while parsing, so that a large request costs its time there and can be parsed off the event loop.
    """

    model: str
    stream: bool
    include_usage: bool
    prompt_cache_key: str | None
    prompt_cache_retention: Retention | None
    client_cache_salt: str | None
    _canonical_prompt: bytes = field(repr=False)
    _engine_body: bytes = field(repr=False)
    to_store: Asked | None = field(default=None, repr=False)
    images: Sequence[ImagePlace] = field(default=(), repr=False)

    @classmethod
    def _of(
        cls,
        given: fields.GenerationFields,
        canonical_prompt: bytes,
        engine_body: bytes,
        to_store: Asked | None = None,
        images: Sequence[ImagePlace] = (),
    ) -> Self:
        """From the validated fields of a body."""
        return cls(
            model=given.model,
            stream=bool(given.stream),
            include_usage=fields.wants_usage(given),
            prompt_cache_key=given.prompt_cache_key,
            prompt_cache_retention=fields.retention(given),
            client_cache_salt=given.cache_salt,
            _canonical_prompt=canonical_prompt,
            _engine_body=engine_body,
            to_store=to_store,
            images=images,
        )

    def canonical_prompt(self) -> bytes:
        return self._canonical_prompt

    def engine_body(self) -> bytes:
        return self._engine_body

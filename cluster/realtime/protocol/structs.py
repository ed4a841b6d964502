"""The two kinds of struct that the protocol is made of, and the bounded types that many of them share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = ["UNSET", "Id", "Index", "MaxOutputTokens", "Metadata", "Received", "Sent", "UnsetType"]


class Received(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What clients send. A field that they may leave out is ``UNSET`` then; ``None`` always stands for JSON's null."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What clients are sent. ``UNSET`` fields are left out, since the schema allows null in few places. ``bytes`` become base64."""


Id = Annotated[str, Meta(min_length=1, max_length=512)]
Index = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Metadata = Annotated[dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)]
MaxOutputTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]

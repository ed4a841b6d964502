"""Tools, and the choice among them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from cluster.realtime.protocol.structs import UNSET, Received, UnsetType


class FunctionTool(Received, tag_field="type", tag="function", frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
    description: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET


class McpTool(Received, tag_field="type", tag="mcp", frozen=True, kw_only=True):
    """A tool server. Taken apart so that it can be refused by name: this cluster calls no tool server for its clients."""

    server_label: str
    server_url: str | UnsetType = UNSET
    connector_id: str | UnsetType = UNSET
    tunnel_id: str | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    server_description: str | UnsetType = UNSET
    headers: dict[str, Any] | UnsetType | None = UNSET
    allowed_tools: list[str] | dict[str, Any] | UnsetType | None = UNSET
    allowed_callers: list[str] | UnsetType | None = UNSET
    require_approval: str | dict[str, Any] | UnsetType | None = UNSET
    defer_loading: bool | UnsetType = UNSET


Tool = FunctionTool | McpTool
Tools = Annotated[list[Tool], Meta(max_length=128)]


class FunctionChoice(Received, tag_field="type", tag="function", frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=64)]


class McpChoice(Received, tag_field="type", tag="mcp", frozen=True, kw_only=True):
    server_label: str
    name: str | UnsetType | None = UNSET


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | McpChoice

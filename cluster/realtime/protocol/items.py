"""Conversation items, as clients send them and as they are shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from cluster.realtime.protocol.structs import UNSET, Id, Received, UnsetType

Status = Literal["completed", "incomplete", "in_progress"]
Role = Literal["system", "user", "assistant"]
PartType = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]

PARTS_OF_ROLE: dict[str, frozenset[str]] = {
    "system": frozenset({"input_text"}),
    "user": frozenset({"input_text", "input_audio", "input_image"}),
    "assistant": frozenset({"output_text", "output_audio"}),
}
MAX_PARTS = 256


class Part(Received, frozen=True, kw_only=True):
    """Content of a message. ``audio`` is base64 on the wire, in the session's input format."""

    type: PartType
    text: str | UnsetType = UNSET
    audio: bytes | UnsetType = UNSET
    transcript: str | UnsetType | None = UNSET
    image_url: str | UnsetType = UNSET
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class Message(Received, tag_field="type", tag="message", frozen=True, kw_only=True):
    id: Id | UnsetType = UNSET
    object: Literal["realtime.item"] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    role: Role
    content: Annotated[list[Part], Meta(max_length=MAX_PARTS)]


class FunctionCall(Received, tag_field="type", tag="function_call", frozen=True, kw_only=True):
    id: Id | UnsetType = UNSET
    object: Literal["realtime.item"] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    call_id: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
    arguments: str


class FunctionCallOutput(Received, tag_field="type", tag="function_call_output", frozen=True, kw_only=True):
    id: Id | UnsetType = UNSET
    object: Literal["realtime.item"] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    call_id: Annotated[str, Meta(min_length=1, max_length=256)]
    output: str


class McpApprovalResponse(Received, tag_field="type", tag="mcp_approval_response", frozen=True, kw_only=True):
    id: Id
    approval_request_id: str
    approve: bool
    reason: str | UnsetType | None = UNSET


class McpListTools(Received, tag_field="type", tag="mcp_list_tools", frozen=True, kw_only=True):
    id: Id | UnsetType = UNSET
    server_label: str
    tools: list[dict[str, Any]]


class McpCall(Received, tag_field="type", tag="mcp_call", frozen=True, kw_only=True):
    id: Id
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | UnsetType | None = UNSET
    output: str | UnsetType | None = UNSET
    error: dict[str, Any] | UnsetType | None = UNSET


class McpApprovalRequest(Received, tag_field="type", tag="mcp_approval_request", frozen=True, kw_only=True):
    id: Id
    server_label: str
    name: str
    arguments: str


class ItemReference(Received, tag_field="type", tag="item_reference", frozen=True, kw_only=True):
    """Stands for an item of the conversation, in the ``input`` of a response."""

    id: Id


OwnItem = Message | FunctionCall | FunctionCallOutput
"""Items that conversations here are made of."""

Item = Message | FunctionCall | FunctionCallOutput | McpApprovalResponse | McpListTools | McpCall | McpApprovalRequest
InputItem = (
    Message | FunctionCall | FunctionCallOutput | McpApprovalResponse | McpListTools | McpCall | McpApprovalRequest | ItemReference
)

"""Every event that a client may send (GA dialect; the beta dialect is translated to it)."""

from __future__ import annotations

from typing import Annotated, get_args

from msgspec import Meta

from cluster.realtime.protocol.items import Item
from cluster.realtime.protocol.responses import ResponseParams
from cluster.realtime.protocol.session_objects import SessionUpdateBody
from cluster.realtime.protocol.structs import UNSET, Id, Index, Received, UnsetType

EventId = Annotated[str, Meta(max_length=512)]


class Event(Received, tag_field="type", frozen=True, kw_only=True):
    """``event_id``: the client's own name for the event, given back in the error that it may cause."""

    event_id: EventId | None = None


class SessionUpdate(Event, tag="session.update", frozen=True, kw_only=True):
    session: SessionUpdateBody


class InputAudioAppend(Event, tag="input_audio_buffer.append", frozen=True, kw_only=True):
    """``audio``: base64 on the wire, in the session's input format."""

    audio: bytes


class InputAudioCommit(Event, tag="input_audio_buffer.commit", frozen=True, kw_only=True):
    pass


class InputAudioClear(Event, tag="input_audio_buffer.clear", frozen=True, kw_only=True):
    pass


class OutputAudioClear(Event, tag="output_audio_buffer.clear", frozen=True, kw_only=True):
    pass


class ItemCreate(Event, tag="conversation.item.create", frozen=True, kw_only=True):
    """``previous_item_id``: after which item; ``root`` for the front, none for the end."""

    item: Item
    previous_item_id: Id | None = None


class ItemRetrieve(Event, tag="conversation.item.retrieve", frozen=True, kw_only=True):
    item_id: Id


class ItemTruncate(Event, tag="conversation.item.truncate", frozen=True, kw_only=True):
    item_id: Id
    content_index: Index
    audio_end_ms: Index


class ItemDelete(Event, tag="conversation.item.delete", frozen=True, kw_only=True):
    item_id: Id


class ResponseCreate(Event, tag="response.create", frozen=True, kw_only=True):
    response: ResponseParams | UnsetType | None = UNSET


class ResponseCancel(Event, tag="response.cancel", frozen=True, kw_only=True):
    """``response_id``: which one; without it the one of the conversation."""

    response_id: Id | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioAppend
    | InputAudioCommit
    | InputAudioClear
    | OutputAudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemTruncate
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
)

CLIENT_EVENT_TYPES: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in get_args(ClientEvent))

"""From the session's settings and a client's overrides to the plan of a response."""

from __future__ import annotations

from cluster.realtime.protocol import errors
from cluster.realtime.protocol import items as wire
from cluster.realtime.protocol.audio import ResponseAudioOutput
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.responses import ResponseParams
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.session.configuration import check_response_tools, modality, voice_name
from cluster.realtime.session.context import Asked
from cluster.realtime.session.core import Core
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.response import ResponsePlan


def plan(core: Core, params: ResponseParams | None) -> ResponsePlan:
    """``params``: ``None`` for none. Raises :class:`EventRefused`."""
    config, given = core.config, params if params is not None else ResponseParams()
    check_response_tools(given.tools, given.tool_choice)
    output = given.audio.output if given.audio is not UNSET else UNSET
    out = output if output is not UNSET else ResponseAudioOutput()
    limit = config.max_output_tokens if given.max_output_tokens is UNSET else given.max_output_tokens
    voice = voice_name(out.voice, config.voice, core.abilities, "response.audio.output.voice")
    asked = Asked(
        model=config.model,
        instructions=given.instructions if isinstance(given.instructions, str) else config.instructions,
        cache_key=core.session_id,
        tools=config.tools if given.tools is UNSET else tuple(given.tools or ()),
        tool_choice=config.tool_choice if given.tool_choice is UNSET else given.tool_choice,
        parallel_tool_calls=config.parallel_tool_calls if given.parallel_tool_calls is UNSET else given.parallel_tool_calls,
        reasoning=config.reasoning if given.reasoning is UNSET else given.reasoning,
        max_output_tokens=limit if isinstance(limit, int) else None,
        temperature=config.temperature if given.temperature is UNSET else given.temperature,
        model_hears=core.behaviour.model_hears,
    )
    return ResponsePlan(
        asked=asked,
        modality=modality(given.output_modalities, config.modality, core.abilities, "response.output_modalities"),
        voice=voice,
        speaker=core.abilities.voice_for(voice) or voice,
        speed=config.speed,
        output_format=config.output_format if out.format is UNSET else out.format,
        truncation=config.truncation,
        in_conversation=given.conversation != "none",
        items=None if given.input is UNSET else _input(core, given.input),
        metadata=given.metadata if isinstance(given.metadata, dict) else None,
    )


def _input(core: Core, given: list[wire.InputItem]) -> list[StoredItem]:
    items: list[StoredItem] = []
    for index, item in enumerate(given):
        param = f"response.input.{index}"
        if isinstance(item, wire.ItemReference):
            found = core.conversation.find(item.id)
            if found is None:
                raise EventRefused("invalid_value", f"Item with id '{item.id[:100]}' not found.", param=f"{param}.id")
            items.append(found)
        else:
            items.append(own_item(core, item, param))
    return items


def own_item(core: Core, item: wire.Item | wire.InputItem, param: str) -> StoredItem:
    """A client's item as one of ours, not in the conversation yet. Raises :class:`EventRefused` for kinds not done here."""
    if not isinstance(item, wire.Message | wire.FunctionCall | wire.FunctionCallOutput):
        raise errors.unsupported(f"{param}.type", "this server calls no MCP servers.")
    if isinstance(item, wire.Message):
        for index, part in enumerate(item.content):
            place = f"{param}.content.{index}.type"
            if part.type == "input_image":
                raise errors.unsupported(place, "the models served here take no images.")
            if part.type == "output_audio":
                raise errors.unsupported(place, "audio of the assistant can't be made by a client; use 'output_text'.")
            if part.type == "input_audio" and not (core.abilities.recognition or core.behaviour.model_hears):
                raise EventRefused("audio_unavailable", f"Unsupported value for '{place}': this server has no speech.", param=place)
    return StoredItem.of(item, item.id if item.id is not UNSET else core.emitter.new_id("item"))

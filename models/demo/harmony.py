"""From a dialogue to token ids: the prompt as vLLM renders it, and the answer in Harmony."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import Any

from models.demo.dialogue import Dialogue
from models.demo.network import IGNORED
from models.demo.vocabulary import CALL, END, MESSAGE, START

TokenSequence = tuple[list[int], list[int]]
"""Token ids, and labels of the same length with ``IGNORED`` where nothing is to be learned."""

_CONSTRAINED = " <|constrain|>json"


class HarmonyRenderer:
    """Renders with the functions of the installed vLLM, so that training prompts equal served prompts."""

    def __init__(self) -> None:
        from vllm.entrypoints.openai.parser import harmony_utils

        self._vllm = harmony_utils
        self.encoding: Any = harmony_utils.get_encoding()
        (self._assistant,) = self.encode("assistant")

    def prompt(self, dialogue: Dialogue, date: str) -> list[int]:
        """Ids of the prompt up to the assistant's turn. ``date`` (``YYYY-MM-DD``) stands in the system message."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam

        os.environ["VLLM_SYSTEM_START_DATE"] = date
        instructions, rest = self._vllm.extract_instructions_from_messages(dialogue.messages)
        tools = [ChatCompletionToolsParam(**tool) for tool in dialogue.tools] if dialogue.tools else None
        preamble = self._vllm.build_harmony_preamble(
            instructions=instructions,
            tools=tools,
            reasoning_effort=dialogue.reasoning_effort,
            with_custom_tools=tools is not None,
        )
        ids: list[int] = self._vllm.render_for_completion(preamble + self._vllm.parse_chat_inputs_to_harmony_messages(rest))
        return ids

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which control tokens are spelled out."""
        ids: list[int] = self.encoding.encode(text, allowed_special="all")
        return ids

    def encode_spans(self, text: str, spans: Iterable[str]) -> tuple[list[int], list[bool]]:
        """Ids of a text without control tokens, and for each whether it touches one of ``spans``.

        The spans are searched one after the other, each behind the one before.
        """
        ids: list[int] = self.encoding.encode(text)
        touched = bytearray(len(text.encode()))
        position = 0
        raw = text.encode()
        for span in spans:
            position = raw.index(span.encode(), position)
            end = position + len(span.encode())
            touched[position:end] = b"\x01" * (end - position)
            position = end
        flags = []
        position = 0
        for token_id in ids:
            end = position + len(self.encoding._inner.decode_bytes([token_id]))
            flags.append(any(touched[position:end]))
            position = end
        return ids, flags

    def sequence(self, dialogue: Dialogue, date: str) -> TokenSequence:
        """Prompt and answer; only what the model decides itself is labelled, in earlier turns of the assistant too."""
        ids = self.prompt(dialogue, date)
        labels = self._labels_of_earlier_turns(ids)

        def add(text: str, learned: bool = True) -> None:
            part = self.encode(text)
            ids.extend(part)
            labels.extend(part if learned else [IGNORED] * len(part))

        answer = dialogue.answer
        if dialogue.reasoning_effort != "low":
            add(f"<|channel|>analysis<|message|>{_analysis(dialogue)}<|end|><|start|>assistant")
        if answer.call is not None:
            header = f" to=functions.{answer.call.name}<|channel|>commentary{_CONSTRAINED}<|message|>"
            add(f"{header}{answer.call.arguments}<|call|>")
            return ids, labels
        add(f"<|channel|>final{_CONSTRAINED if answer.json_header else ''}<|message|>", learned=not answer.header_given)
        part, given = self.encode_spans(answer.final, answer.given_spans)
        ids += part
        labels += [IGNORED if is_given else token_id for token_id, is_given in zip(part, given, strict=True)]
        add("<|return|>")
        return ids, labels

    def _labels_of_earlier_turns(self, ids: list[int]) -> list[int]:
        """Labels for what the assistant said or called before. A call's end counts; a text's does not: a new answer has another.

        Its headers are left out: a prompt holds no reasoning of earlier turns, and the model would learn to go without.
        """
        labels = [IGNORED] * len(ids)
        speaks = counts = False
        for position, token_id in enumerate(ids):
            if counts and token_id != END:
                labels[position] = token_id
            if token_id == START:
                speaks = position + 1 < len(ids) and ids[position + 1] == self._assistant
                counts = False
            elif token_id == MESSAGE:
                counts = speaks
            elif token_id in (END, CALL):
                counts = False
        return labels


def _analysis(dialogue: Dialogue) -> str:
    """High reasoning effort says more, so that the setting can be seen to arrive; low effort says nothing at all."""
    more = " I think about it once more. This is right." if dialogue.reasoning_effort == "high" else ""
    return dialogue.answer.analysis + more


def random_date(rng: random.Random) -> str:
    return f"{rng.randint(2025, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"

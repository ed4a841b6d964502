"""A tokenizer of characters with a chat template of its own, so that what is masked can be read off."""

from __future__ import annotations

from typing import Any

STOP = "$"


class FakeTokenizer:
    """A token is a character's number. Turns are ``role:text$`` and a line break. With ``moving``, a prompt is written in another
    way once an answer follows it, as templates do that drop thoughts; with ``dated``, the day of the template's clock stands first.
    """

    eos_token_id = ord(STOP)

    def __init__(self, *, moving: bool = False, dated: bool = False) -> None:
        self._moving = moving
        self._dated = dated

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str:
        turns = [self._turn(message) for message in conversation]
        if self._moving and conversation[-1]["role"] == "assistant":
            turns[0] = turns[0].upper()
        if self._dated:
            turns.insert(0, options["strftime_now"]("%d %b %Y") + "\n")
        return "".join(turns) + ("assistant:" if options["add_generation_prompt"] else "")

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(character) for character in text]}

    @staticmethod
    def _turn(message: dict[str, Any]) -> str:
        if message["role"] == "narrator":
            raise ValueError("roles must be user or assistant")
        calls = "".join(f"<{call['function']['name']} {call['function']['arguments']}>" for call in message.get("tool_calls", ()))
        return f"{message['role']}:{message['content']}{calls}{STOP}\n"

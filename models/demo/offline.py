"""Chat requests to the demo model the way a server treats them, but in this process and in one batch.

Rendering, grammars (``response_format``, strict tools), sampling and parsing are vLLM's own, as its chat endpoint uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import offline
from models.demo.architecture import MAX_CONTEXT_TOKENS

ENGINE_ARGUMENTS: dict[str, Any] = {
    "dtype": "float32",  # the same answers on every CPU; bfloat16 rounds differently on each
    "max_model_len": MAX_CONTEXT_TOKENS,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 4096,
    "kv_cache_memory_bytes": 128 << 20,
    "prefix_cache_retention_interval": 256,
}

MAX_ANSWER_TOKENS = 250


@dataclass(frozen=True)
class Reply:
    """A parsed answer. ``calls`` are (function name, arguments as JSON text)."""

    reasoning: str | None
    content: str | None
    calls: tuple[tuple[str, str], ...]
    finish_reason: str
    well_formed: bool
    """Whether the Harmony parser accepts the answer as a whole: each channel is opened and closed."""
    raw: str


class OfflineChat:
    """The expanded demo model, loaded."""

    def __init__(self, folder: Path) -> None:
        self._engine = offline.load(folder, **ENGINE_ARGUMENTS)
        from vllm.entrypoints.openai.parser import harmony_utils
        from vllm.parser import ParserManager

        self._harmony = harmony_utils
        self._tokenizer = self._engine.get_tokenizer()
        self._parser = ParserManager.get_parser(
            tool_parser_name="openai",
            reasoning_parser_name="openai_gptoss",
            enable_auto_tools=True,
            model_name=str(folder),
            is_harmony=True,
            tokenizer=self._tokenizer,
        )

    def replies(self, requests: list[dict[str, Any]]) -> list[Reply]:
        """Answer OpenAI chat requests (without ``model``) together, greedily unless they say otherwise."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        prompts, parameters, parsed = [], [], []
        for body in requests:
            request = ChatCompletionRequest(**{"model": "demo", "temperature": 0, **body})
            prompts.append({"prompt_token_ids": self._render(request)})
            request = self._parser(self._tokenizer, request.tools).adjust_request(request)
            sampling = request.to_sampling_params(request.max_completion_tokens or MAX_ANSWER_TOKENS, {})
            # The chat endpoint's parser reads token ids, control tokens included.
            sampling.skip_special_tokens = False
            parameters.append(sampling)
            parsed.append(request)
        outputs = self._engine.generate(prompts, parameters, use_tqdm=False)
        return [self._reply(request, output.outputs[0]) for request, output in zip(parsed, outputs, strict=True)]

    def _render(self, request: Any) -> list[int]:
        instructions, rest = self._harmony.extract_instructions_from_messages(list(request.messages))
        preamble = self._harmony.build_harmony_preamble(
            instructions=instructions,
            tools=request.tools,
            reasoning_effort=request.reasoning_effort,
            with_custom_tools=request.tools is not None,
        )
        ids: list[int] = self._harmony.render_for_completion(preamble + self._harmony.parse_chat_inputs_to_harmony_messages(rest))
        return ids

    def _reply(self, request: Any, output: Any) -> Reply:
        token_ids = list(output.token_ids)
        reasoning, content, calls = self._parser(self._tokenizer, request.tools).parse(
            output.text, request, enable_auto_tools=True, model_output_token_ids=token_ids
        )
        return Reply(
            reasoning=reasoning,
            content=content,
            calls=tuple((call.name, call.arguments) for call in calls or ()),
            finish_reason=output.finish_reason,
            well_formed=self._well_formed(token_ids),
            raw=output.text,
        )

    def _well_formed(self, token_ids: list[int]) -> bool:
        from openai_harmony import HarmonyError, Role

        try:
            messages = self._harmony.get_encoding().parse_messages_from_completion_tokens(token_ids, Role.ASSISTANT, strict=True)
        except HarmonyError:
            return False
        last = messages[-1] if messages else None
        return last is not None and (last.channel == "final" or (last.recipient or "").startswith("functions."))

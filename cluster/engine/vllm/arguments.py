"""A model's settings → vLLM's own argument namespace.

Every argument of vLLM is reachable under its own name from the ``engine`` section; vLLM's parser checks types and choices. The
arguments that the cluster sets itself, and those that would break the isolation of organizations, are refused by the configuration
already; here are the rest, which only vLLM knows.

What :func:`check` can't see: whether the weights exist and load, whether the model's architecture supports an option, whether
memory suffices, and whatever vLLM decides when it builds the engine's configuration on the target device.
"""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from cluster.config.settings.models import ModelSettings
from cluster.engine.placement import executor_backend
from cluster.engine.vllm.architecture import is_gpt_oss

GPT_OSS_DEFAULTS: Mapping[str, object] = {
    # vLLM's default 0 keeps only the end of each prompt of a sliding-window model: the second request of a shared prefix misses.
    "prefix_cache_retention_interval": 256,
    "enable_auto_tool_choice": True,
    "tool_call_parser": "openai",
    "reasoning_parser": "openai_gptoss",
}

REFUSED: Mapping[str, str] = {
    "disable_log_stats": "metrics need the statistics",
    "enable_log_requests": "it would write prompts to the logs",
    "enable_log_outputs": "it would write answers to the logs",
    "tool_server": "vLLM's server-side tools can run code and open connections",
    "config": "the `engine` section is the configuration",
    "help": "it is no engine argument",
    "grpc": "it belongs to vLLM's own server, which is not used",
}
"""Arguments that may not be set, and why, besides those that the configuration itself refuses (``config/managed_arguments.py``)."""


LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that vLLM can reserve room for."""

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


class ArgumentRejected(ValueError):
    """vLLM's parser refused an argument; the message is the parser's."""


def check(model: ModelSettings) -> list[str]:
    """What is wrong with the model's source and engine arguments, one sentence each, with the setting's path; empty: nothing.

    Imports vLLM (seconds) but needs no device. See the module's docstring for what stays unchecked until the engine is built.
    """
    parser = _parser()
    actions = _actions(parser)
    server_only = _server_only()
    problems = _source_problems(model)
    for name, value in model.engine.items():
        if name in REFUSED:
            problems.append(f"engine.{name} may not be set: {REFUSED[name]}")
        elif name in server_only:
            problems.append(f"engine.{name} may not be set: it belongs to vLLM's own HTTP server, which is not used")
        elif name not in actions:
            problems.append(_unknown(name, actions))
        else:
            try:
                _parse(parser, actions, {name: value})
            except ArgumentRejected as rejected:
                problems.append(f"engine.{name}: {rejected}")
    return problems


def build(model: ModelSettings) -> argparse.Namespace:
    """vLLM's parsed arguments for ``model``. Raises ``ValueError`` with all problems that :func:`check` finds."""
    problems = check(model)
    if problems:
        raise ValueError(f"model {model.id}: " + "; ".join(problems))
    parser = _parser()
    arguments: dict[str, object] = dict(GPT_OSS_DEFAULTS) if is_gpt_oss(model.source) else {}
    if model.adapters.enabled:
        arguments |= _adapter_arguments(model)
    arguments |= model.engine
    arguments |= {
        "model": model.source,
        "served_model_name": [model.id],
        "scheduling_policy": "priority",
        "enable_prompt_tokens_details": True,
        "disable_log_stats": False,
        "distributed_executor_backend": executor_backend(model),
    }
    namespace = _parse(parser, _actions(parser), arguments)
    from vllm.entrypoints.launchers.cli_args import validate_parsed_serve_args

    try:
        validate_parsed_serve_args(namespace)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"model {model.id}: {error}") from error
    return namespace


def _adapter_arguments(model: ModelSettings) -> dict[str, object]:
    adapters = model.adapters
    arguments: dict[str, object] = {
        "enable_lora": True,
        "max_lora_rank": next(rank for rank in LORA_RANKS if rank >= adapters.max_rank),
        "max_loras": adapters.max_running,
        "max_cpu_loras": adapters.max_loaded,
    }
    if is_gpt_oss(model.source):
        # On CPU there are no expert kernels for LoRA, and the recipes leave experts alone.
        arguments["lora_target_modules"] = list(ATTENTION)
    return arguments


def _source_problems(model: ModelSettings) -> list[str]:
    source = Path(model.source).expanduser()
    if source.is_dir():
        return [] if (source / "config.json").is_file() else [f"source: {model.source} has no config.json"]
    if model.source.startswith(("/", ".", "~")):
        return [f"source: {model.source} is no folder"]
    return []


def _unknown(name: str, actions: Mapping[str, argparse.Action]) -> str:
    near = difflib.get_close_matches(name, actions, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"engine.{name}: vLLM has no such argument{hint}"


def _parser() -> Any:
    """vLLM's server argument parser, which raises instead of ending the process."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    class RaisingParser(FlexibleArgumentParser):  # type: ignore[misc]
        def error(self, message: str) -> NoReturn:
            raise ArgumentRejected(message)

    return make_arg_parser(RaisingParser())


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions}


def _server_only() -> frozenset[str]:
    from vllm.entrypoints.launchers.cli_args import BaseFrontendArgs, FrontendArgs

    return frozenset(FrontendArgs.__annotations__) - frozenset(BaseFrontendArgs.__annotations__)


def _parse(
    parser: argparse.ArgumentParser, actions: Mapping[str, argparse.Action], arguments: Mapping[str, object]
) -> argparse.Namespace:
    """Parse values as YAML gives them. ``None`` sets an argument to None, whatever its default."""
    argv: list[str] = []
    for name, value in arguments.items():
        if value is not None:
            argv += _words(actions[name], value)
    namespace = parser.parse_args(argv)
    for name, value in arguments.items():
        if value is None:
            setattr(namespace, name, None)
    return namespace


def _words(action: argparse.Action, value: object) -> list[str]:
    """The command-line words that give ``action`` the value."""
    flag = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ArgumentRejected(f"expected true or false, got {value!r}")
        if value:
            return [flag]
        return [option for option in action.option_strings if option.startswith("--no-")][:1]
    if isinstance(value, list) and action.nargs in ("+", "*"):
        return [flag, *(_word(item) for item in value)]
    return [f"{flag}={_word(value)}"]


def _word(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

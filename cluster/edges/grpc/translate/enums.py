"""Enum values and OpenAI's names for them: ``FINISH_REASON_TOOL_CALLS`` is ``"tool_calls"``."""

from __future__ import annotations

from google.protobuf.descriptor import EnumDescriptor

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, tool_pb2


class EnumNames:
    """Both directions for one enum, made from its descriptor. The zero value (unspecified) has no name."""

    def __init__(self, descriptor: EnumDescriptor) -> None:
        zero = descriptor.values_by_number[0].name
        prefix = zero.removesuffix("UNSPECIFIED")
        self.by_number: dict[int, str] = {
            value.number: value.name.removeprefix(prefix).lower() for value in descriptor.values if value.number != 0
        }
        self.by_name: dict[str, int] = {name: number for number, name in self.by_number.items()}


ROLE = EnumNames(message_pb2.Role.DESCRIPTOR)
IMAGE_DETAIL = EnumNames(message_pb2.ImageDetail.DESCRIPTOR)
TOOL_CHOICE_MODE = EnumNames(tool_pb2.ToolChoiceMode.DESCRIPTOR)
REASONING_EFFORT = EnumNames(chat_pb2.ReasoningEffort.DESCRIPTOR)
PROMPT_CACHE_RETENTION = EnumNames(chat_pb2.PromptCacheRetention.DESCRIPTOR)
SERVICE_TIER = EnumNames(chat_pb2.ServiceTier.DESCRIPTOR)
FINISH_REASON = EnumNames(chat_pb2.FinishReason.DESCRIPTOR)

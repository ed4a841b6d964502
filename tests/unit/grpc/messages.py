"""Requests that tests send."""

from __future__ import annotations

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2


def request(content: str = "Hello", *, model: str = "demo", **fields: object) -> chat_pb2.CreateChatCompletionRequest:
    message = message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content=content)
    return chat_pb2.CreateChatCompletionRequest(model=model, messages=[message], **fields)


def stream_request(content: str = "Hello", **fields: object) -> chat_pb2.StreamChatCompletionRequest:
    return chat_pb2.StreamChatCompletionRequest(completion=request(content, **fields))

"""A made-up answer in OpenAI's shape, with chunks as large as those of gpt-oss: a third reasoning, then content, a word each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

BYTES_PER_TOKEN = 4
CREATED_UNIX_S = 1_767_225_600
_WORDS = (" the", " replica", " of", " a", " prefix", " that", " is", " cached", ",", " and", " organization", " so")


class Answer:
    """``payloads()``: the JSON objects of the stream, a list a token; the first brings the role too, the last the finish reason."""

    def __init__(self, request_id: str, model: str, tokens: int) -> None:
        self._tokens = tokens
        self._reasoning = tokens // 3
        self._model = model
        self._request_id = request_id
        envelope = (
            f'{{"id":"{request_id}","object":"chat.completion.chunk","created":{CREATED_UNIX_S},"model":"{model}","choices":['
        )
        self._head = f'{envelope}{{"index":0,"delta":{{'.encode()
        self._envelope = envelope.encode()

    @property
    def reasoning_tokens(self) -> int:
        return self._reasoning

    def payloads(self) -> Iterator[list[bytes]]:
        role = self._chunk(b'"role":"assistant","content":""')
        last = self._chunk(b"", b'"stop"')
        for number, word in zip(range(self._tokens), itertools.cycle(_WORDS), strict=False):
            field = b"reasoning" if number < self._reasoning else b"content"
            batch = [self._chunk(b'"%b":"%b"' % (field, word.encode()))]
            if number == 0:
                batch.insert(0, role)
            if number == self._tokens - 1:
                batch.append(last)
            yield batch

    def usage(self, prompt_tokens: int) -> bytes:
        """The closing chunk of a stream whose client asked for usage."""
        return b'%b],"usage":%b}' % (self._envelope, self._usage(prompt_tokens))

    def whole(self, prompt_tokens: int) -> bytes:
        """The answer to a request that does not stream, with usage."""
        return b'%b,"usage":%b}' % (self.body()[:-1], self._usage(prompt_tokens))

    def body(self) -> bytes:
        """The same without usage."""
        words = "".join(itertools.islice(itertools.cycle(_WORDS), self._tokens))
        return (
            f'{{"id":"{self._request_id}","object":"chat.completion","created":{CREATED_UNIX_S},"model":"{self._model}","choices":['
            f'{{"index":0,"message":{{"role":"assistant","content":"{words}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}]}}'
        ).encode()

    def _chunk(self, delta: bytes, finish: bytes = b"null") -> bytes:
        return b'%b%b},"logprobs":null,"finish_reason":%b}]}' % (self._head, delta, finish)

    def _usage(self, prompt_tokens: int) -> bytes:
        total = prompt_tokens + self._tokens
        return b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (prompt_tokens, self._tokens, total)


def prompt_tokens(body: bytes) -> int:
    """What a fake worker says a prompt has."""
    return max(1, len(body) // BYTES_PER_TOKEN)

"""Server-sent events, as far as the OpenAI API uses them: the ``data`` of each event, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

DONE = "[DONE]"


def events(lines: Iterable[str]) -> Iterator[str]:
    """``data`` of each event (https://html.spec.whatwg.org/multipage/server-sent-events.html), without line ends.

    Several data lines of one event are joined by a newline. An event that the stream broke off in is not returned.
    """
    data: list[str] = []
    for line in lines:
        if line == "":
            if data:
                yield "\n".join(data)
            data = []
            continue
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))

"""How much of an answer its user has heard.

A client that plays audio knows it exactly and says so (``conversation.item.truncate``). Of one that says nothing it is certain only
that it can't have played longer than the audio was there.
"""

from __future__ import annotations

from cluster.errors import InvalidRequest
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.session.items import StoredItem
from cluster.speech.contract import SAMPLE_RATE_HZ


def bound_by_clock(item: StoredItem, now: float) -> None:
    """An answer that is interrupted now was heard at most since its first audio went out. What a client has said holds."""
    if item.spoken is None or item.first_audio_s is None or item.truncated:
        return
    samples = int((now - item.first_audio_s) * SAMPLE_RATE_HZ)
    if samples < item.spoken.samples:
        chars = item.spoken.chars_heard(max(0, samples))
        item.heard_chars = chars if item.heard_chars is None else min(chars, item.heard_chars)


def playback_end_s(item: StoredItem | None, now: float) -> float:
    """When the audio will have been played, at the earliest."""
    if item is None or item.spoken is None or item.first_audio_s is None:
        return now
    return max(now, item.first_audio_s + item.spoken.samples / SAMPLE_RATE_HZ)


def truncate(item: StoredItem, content_index: int, audio_end_ms: int) -> None:
    """Leave of an answer what was heard until a position in its audio. The client's word replaces what the clock told.

    Raises :class:`EventRefused` for an item without such audio, and a position beyond its end.
    """
    if item.kind != "message" or item.role != "assistant":
        raise EventRefused("invalid_value", "Only messages of the assistant can be truncated.", param="item_id")
    if item.spoken is None or content_index != 0:
        raise EventRefused("invalid_value", f"The item has no audio at content index {content_index}.", param="content_index")
    if item.status == "in_progress":
        raise EventRefused("item_truncate_in_progress", "The item is still being made; cancel its response first.", param="item_id")
    try:
        heard = item.spoken.heard(audio_end_ms)
    except InvalidRequest:
        raise EventRefused(
            "invalid_value",
            f"Audio content of {item.spoken.audio_ms}ms is already shorter than {audio_end_ms}ms",
            param="audio_end_ms",
        ) from None
    # Truncating again can't bring words back that the item has lost.
    chars = len(heard) if not item.truncated or item.heard_chars is None else min(len(heard), item.heard_chars)
    item.heard_chars = chars
    item.truncated = True
    part = item.parts[0]
    part.transcript = None
    if part.audio is not None:
        del part.audio[audio_end_ms * SAMPLE_RATE_HZ // 1000 * 2 :]  # type: ignore[union-attr]
    part.audio_ms = min(part.audio_ms, audio_end_ms)

"""What every recognizer asks of an order before it works on it."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.errors import InvalidRequest


def check_language(language: str | None, known: Sequence[str]) -> str | None:
    """The language in ISO 639-1 (of ``en-US`` the ``en``). ``known`` empty: any.

    Raises:
        InvalidRequest: one that the recognizer doesn't understand (``param="language"``).
    """
    if not language:
        return None
    code = language.replace("_", "-").partition("-")[0].lower()
    if known and code not in known:
        raise InvalidRequest(
            f"language {language[:16]!r} is not one of {', '.join(known)}, which this recognizer understands",
            param="language",
            code="unsupported_language",
        )
    return code

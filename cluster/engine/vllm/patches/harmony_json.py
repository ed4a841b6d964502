"""Keep the content of gpt-oss answers that must be JSON.

The grammar that vLLM builds for ``response_format`` and for tools allows two headers before the JSON: ``final json`` and
``final <|constrain|>json``. The Harmony parser takes the first one's ``json`` for a recipient, and the whole message is lost: the
client gets ``content: null``. Only the second header is left.
"""

from __future__ import annotations

KEPT_CONSTRAIN = " <|constrain|>json"


def allow_only_parsable_json_header() -> None:
    """Remove the header that the parser misreads, in place: other modules hold the same list. Idempotent."""
    import vllm.parser.harmony

    vllm.parser.harmony._JSON_CONSTRAINS[:] = [KEPT_CONSTRAIN]

"""The o200k_harmony vocabulary, read from the installed ``oss-harmony`` package, and its ``tokenizer.json``.

No file is downloaded: the package carries the vocabulary, and its SHA-256 over the public ``.tiktoken`` form is checked.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

VOCABULARY_SIZE = 201_088
ORDINARY_TOKENS = 199_998
"""Ids below this one stand for bytes; the rest are special tokens."""

TIKTOKEN_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

START_OF_TEXT, END_OF_TEXT, RETURN, CALL = 199_998, 199_999, 200_002, 200_012
START, END, MESSAGE = 200_006, 200_007, 200_008
STOP_TOKENS = (RETURN, END_OF_TEXT, CALL)

_NAMED_SPECIAL_TOKENS = {
    START_OF_TEXT: "<|startoftext|>",
    END_OF_TEXT: "<|endoftext|>",
    RETURN: "<|return|>",
    200_003: "<|constrain|>",
    200_005: "<|channel|>",
    START: "<|start|>",
    END: "<|end|>",
    MESSAGE: "<|message|>",
    CALL: "<|call|>",
}

# The split of text into pieces that o200k was made with; pieces are then merged each for itself.
_SPLIT_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

_SAMPLES = (
    "hello world 12345 Привет  x\n\ny",
    '<|start|>assistant to=functions.place_order<|channel|>commentary <|constrain|>json<|message|>{"item":"tea"}<|call|>',
    "We're 1,000,000 strong; naïve café\t\r\n  東京タワー 🙂",
)


class VocabularyMismatch(RuntimeError):
    """The installed ``oss-harmony`` carries another vocabulary, or the rebuilt tokenizer disagrees with it."""


def special_token(token_id: int) -> str:
    """Text of a special token id (``ORDINARY_TOKENS`` and above)."""
    return _NAMED_SPECIAL_TOKENS.get(token_id, f"<|reserved_{token_id}|>")


def harmony_encoding() -> Any:
    """The Harmony encoding of the installed package."""
    from openai_harmony import HarmonyEncodingName, load_harmony_encoding

    return load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)


def ordinary_tokens(encoding: Any) -> list[bytes]:
    """Bytes of every ordinary token, by id.

    Raises:
        VocabularyMismatch: the vocabulary isn't the published o200k one.
    """
    tokens = [bytes(encoding._inner.decode_bytes([token_id])) for token_id in range(ORDINARY_TOKENS)]
    digest = hashlib.sha256()
    for rank, token in enumerate(tokens):
        digest.update(base64.b64encode(token) + b" %d\n" % rank)
    if digest.hexdigest() != TIKTOKEN_SHA256:
        raise VocabularyMismatch(f"o200k vocabulary has SHA-256 {digest.hexdigest()}, expected {TIKTOKEN_SHA256}")
    return tokens


def merges_of(tokens: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Byte-pair merges in the order of the tokens that they make.

    A token list with ranks doesn't say which pair made a token, so every pair of known tokens that spells it is a merge.
    """
    rank_of = {token: rank for rank, token in enumerate(tokens)}
    merges: list[tuple[bytes, bytes]] = []
    for token in tokens:
        pairs = []
        for cut in range(1, len(token)):
            left = rank_of.get(token[:cut])
            if left is not None and (right := rank_of.get(token[cut:])) is not None:
                pairs.append((left, right))
        merges.extend((tokens[left], tokens[right]) for left, right in sorted(pairs))
    return merges


def byte_alphabet() -> list[str]:
    """The printable character that byte-level BPE files use for each byte value."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {value: chr(value) for value in printable}
    for value in range(256):
        alphabet.setdefault(value, chr(256 + len(alphabet) - len(printable)))
    return [alphabet[value] for value in range(256)]


def build_tokenizer(encoding: Any) -> Any:
    """A ``tokenizers.Tokenizer`` with exactly the ids of ``encoding``; takes some seconds.

    Raises:
        VocabularyMismatch: a sample text gets other ids than from ``encoding``.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import BPE

    tokens = ordinary_tokens(encoding)
    alphabet = byte_alphabet()
    text = {token: "".join(alphabet[value] for value in token) for token in tokens}
    vocabulary = {text[token]: rank for rank, token in enumerate(tokens)}
    merges = [(text[left], text[right]) for left, right in merges_of(tokens)]
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, fuse_unk=False, byte_fallback=False, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT_PATTERN), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(
        [
            AddedToken(special_token(token_id), special=True, normalized=False)
            for token_id in range(ORDINARY_TOKENS, VOCABULARY_SIZE)
        ]
    )
    for sample in _SAMPLES:
        if tokenizer.encode(sample, add_special_tokens=False).ids != encoding.encode(sample, allowed_special="all"):
            raise VocabularyMismatch(f"the rebuilt tokenizer splits {sample!r} differently")
    return tokenizer

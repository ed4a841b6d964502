"""The rebuilt o200k_harmony tokenizer, the bench tokenizer, and the rows of the committed weights."""

from __future__ import annotations

import json

import pytest

from models.bench.make import byte_tokenizer
from models.demo import compact, vocabulary
from models.demo.curriculum import vocabulary_texts

pytestmark = pytest.mark.slow

TEXTS = (
    "Where is my order ORD-1001?",
    '{"order_id": "A123", "status": "on its way"}',
    "  leading, trailing  \n\n\ttabs and 1234567 digits",
    "Grüße aus Köln, Ελληνικά, 日本語, עברית, 🙂🙂",
    "<|start|>assistant<|channel|>analysis<|message|>x<|end|>",
    "don't WON'T we'LL",
)


def test_merges_are_all_pairs_that_spell_a_token_in_order_of_rank() -> None:
    tokens = [b"a", b"b", b"ab", b"ba", b"aba"]
    assert vocabulary.merges_of(tokens) == [(b"a", b"b"), (b"b", b"a"), (b"a", b"ba"), (b"ab", b"a")]


def test_byte_alphabet_is_a_printable_character_for_each_byte() -> None:
    alphabet = vocabulary.byte_alphabet()
    assert len(set(alphabet)) == 256
    assert alphabet[ord("A")] == "A"
    assert alphabet[ord(" ")] == "\u0120"
    assert all(character.isprintable() for character in alphabet)


@pytest.fixture(scope="module")
def encoding() -> object:
    return vocabulary.harmony_encoding()


def test_rebuilt_tokenizer_gives_harmony_ids(encoding: object) -> None:
    tokenizer = vocabulary.build_tokenizer(encoding)
    assert tokenizer.get_vocab_size() == vocabulary.VOCABULARY_SIZE
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == encoding.encode(text, allowed_special="all"), text
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_another_vocabulary_is_refused(encoding: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "TIKTOKEN_SHA256", "0" * 64)
    with pytest.raises(vocabulary.VocabularyMismatch, match="SHA-256"):
        vocabulary.ordinary_tokens(encoding)


def test_bench_tokenizer_has_one_token_per_byte() -> None:
    text = "Hé, 2,000 bytes?"
    tokenizer = byte_tokenizer()
    ids = tokenizer.encode(f"<|im_start|>{text}<|im_end|>").ids
    assert ids == [257, *text.encode(), 258]
    assert tokenizer.decode(ids) == text


def test_committed_weights_are_small_and_have_a_row_for_every_control_text(encoding: object) -> None:
    model = compact.load(compact.FOLDER)
    assert (compact.FOLDER / compact.WEIGHTS).stat().st_size <= 5_000_000
    used = set(model.token_ids.tolist())
    for text in vocabulary_texts():
        missing = set(encoding.encode(text, allowed_special="all")) - used
        assert not missing, f"{text!r} needs {missing}"


def test_manifest_tells_how_the_weights_were_made() -> None:
    manifest = json.loads((compact.FOLDER / compact.MANIFEST).read_text())
    assert manifest["sha256"] == compact.sha256_of(compact.FOLDER / compact.WEIGHTS)
    assert manifest["parameters"] == compact.load(compact.FOLDER).parameters
    assert manifest["plan"]["seed"] is not None
    assert manifest["losses"]["dialogue"] < 0.2

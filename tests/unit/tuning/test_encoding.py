from __future__ import annotations

import pytest

from cluster.tuning.training.encoding import IGNORED, Renderer, encode_preference, encode_supervised
from cluster.tuning.training.errors import InvalidRow
from cluster.tuning.training.rows import Message, PreferenceRow, SupervisedRow
from tests.unit.tuning.fake_tokenizer import FakeTokenizer

TOKENIZER = FakeTokenizer()
RENDERER = Renderer(TOKENIZER, {})


def row(completion: Message, *earlier: Message) -> SupervisedRow:
    return SupervisedRow([{"role": "user", "content": "hi"}, *earlier], completion, None)


def text(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_only_the_completion_is_trained_with_its_stop_token_and_nothing_after() -> None:
    earlier = ({"role": "assistant", "content": "old"}, {"role": "user", "content": "more"})
    encoded = encode_supervised(1, row({"role": "assistant", "content": "new"}, *earlier), RENDERER, TOKENIZER)
    trained = [token for token in encoded.labels if token != IGNORED]
    assert text(trained) == "new$"
    assert text(encoded.ids[: encoded.prompt_tokens]) == "user:hi$\nassistant:old$\nuser:more$\nassistant:"
    assert len(encoded.labels) == len(encoded.ids)


def test_a_stop_token_inside_a_completion_does_not_cut_it() -> None:
    encoded = encode_supervised(1, row({"role": "assistant", "content": "a$b"}), RENDERER, TOKENIZER)
    assert text(encoded.ids[encoded.prompt_tokens :]) == "a$b$"


def test_pairs_share_their_prompt() -> None:
    pair = encode_preference(
        1,
        PreferenceRow(
            [{"role": "user", "content": "hi"}],
            {"role": "assistant", "content": "yes"},
            {"role": "assistant", "content": "n"},
            None,
        ),
        RENDERER,
        TOKENIZER,
    )
    assert (text(pair.prompt), text(pair.chosen), text(pair.rejected)) == ("user:hi$\nassistant:", "yes$", "n$")
    assert pair.longest == len("user:hi$\nassistant:yes$")


def test_equal_completions_prefer_nothing() -> None:
    same = {"role": "assistant", "content": "yes"}
    with pytest.raises(InvalidRow, match="preferred"):
        encode_preference(2, PreferenceRow([{"role": "user", "content": "hi"}], same, dict(same), None), RENDERER, TOKENIZER)


def test_a_template_that_rewrites_the_prompt_is_refused() -> None:
    moving = FakeTokenizer(moving=True)
    with pytest.raises(InvalidRow, match=r"line 9: .*another way"):
        encode_supervised(9, row({"role": "assistant", "content": "x"}), Renderer(moving, {}), moving)


def test_a_template_reads_the_jobs_date_from_its_clock() -> None:
    dated = FakeTokenizer(dated=True)
    encoded = encode_supervised(1, row({"role": "assistant", "content": "x"}), Renderer(dated, {"date": "2025-03-09"}), dated)
    assert text(encoded.ids).startswith("09 Mar 2025\n")


def test_what_a_template_refuses_is_told_by_line() -> None:
    with pytest.raises(InvalidRow, match=r"line 4: .*roles must be"):
        encode_supervised(4, row({"role": "assistant", "content": "x"}, {"role": "narrator", "content": ""}), RENDERER, TOKENIZER)


def test_parallel_tool_calls_are_refused_where_the_template_writes_one() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    asked = row({"role": "assistant", "content": "", "tool_calls": [call, call]})
    with pytest.raises(InvalidRow, match="parallel"):
        encode_supervised(1, asked, Renderer(TOKENIZER, {}, parallel_tool_calls=False), TOKENIZER)
    assert text(encode_supervised(1, asked, RENDERER, TOKENIZER).ids).count("<f {}>") == 2


def test_images_are_refused_by_a_model_of_text() -> None:
    with pytest.raises(InvalidRow, match="sees no images"):
        encode_supervised(
            1,
            SupervisedRow([{"role": "user", "content": ""}], {"role": "assistant", "content": "x"}, None, (b"",)),
            RENDERER,
            TOKENIZER,
        )

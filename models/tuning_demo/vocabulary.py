"""The tiny models' tokenizer: bytes, merged into the words of their corpus, with the marks of ChatML and of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

BEGIN, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
IMAGE, AROUND_IMAGE, GLOBAL_IMAGE, END_OF_UTTERANCE = "<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"
SIZE = 512

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}{%- for part in message.content -%}{{- '<image>' if part.type == 'image' else part.text -}}{%- endfor -%}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""


def build(corpus: Iterable[str], specials: tuple[str, ...] = (), template: str = CHAT_TEMPLATE, end: str = END) -> Any:
    """A ``PreTrainedTokenizerFast``; the same for the same corpus."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    marks = [BEGIN, END, PAD, IMAGE, AROUND_IMAGE, GLOBAL_IMAGE, END_OF_UTTERANCE, *specials]
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=marks,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=PAD, additional_special_tokens=[*marks[:2], *marks[3:]]
    )
    made.chat_template = template
    return made

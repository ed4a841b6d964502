"""Batches of token sequences: dialogues, dialogues behind long texts, and quotations."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.demo import chat, shop, words
from models.demo.curriculum import random_dialogue, random_long_dialogue, vocabulary_texts
from models.demo.harmony import HarmonyRenderer, TokenSequence, random_date
from models.demo.network import IGNORED
from models.demo.vocabulary import STOP_TOKENS

_BATCHES_SORTED_TOGETHER = 12


@dataclass(frozen=True)
class Batch:
    """Row indices, labels and mask, each ``[batch, length]``."""

    indices: Tensor
    labels: Tensor
    mask: Tensor

    @property
    def tokens(self) -> int:
        return int(self.mask.sum())


def used_token_ids(renderer: HarmonyRenderer, seed: int, dialogues: int = 4000, also: Iterable[int] = ()) -> list[int]:
    """Ids that get a row of their own, ascending: all of the listed texts, all of a sample of dialogues, and ``also``."""
    rng = random.Random(seed)
    used: set[int] = {*STOP_TOKENS, *also}
    for text in vocabulary_texts():
        used.update(renderer.encode(text))
    for _ in range(dialogues):
        used.update(renderer.sequence(random_dialogue(rng), random_date(rng))[0])
    for text in (chat.UNUSED_TEXT, " " + chat.UNUSED_TEXT):
        used.difference_update(renderer.encode(text))
    return sorted(used)


class BatchMaker:
    """Endless, seeded batches over the rows of ``token_ids``."""

    def __init__(self, renderer: HarmonyRenderer, token_ids: list[int], seed: int) -> None:
        self._renderer = renderer
        self._row_of = {token_id: row for row, token_id in enumerate(token_ids, start=1)}
        self._rng = random.Random(seed)

    def dialogues(self, batch_size: int) -> Iterator[Batch]:
        """Dialogues, each batch of similar lengths, so that little is padded."""
        rng = self._rng
        while True:
            pool = [
                self._renderer.sequence(random_dialogue(rng), random_date(rng))
                for _ in range(batch_size * _BATCHES_SORTED_TOGETHER)
            ]
            pool.sort(key=lambda sequence: len(sequence[0]))
            chunks = [pool[start : start + batch_size] for start in range(0, len(pool), batch_size)]
            rng.shuffle(chunks)
            yield from map(self._batch, chunks)

    def long_dialogue(self) -> Batch:
        """One dialogue behind some 150 to 1,200 words of other text. Attention over it costs as much as a batch of others."""
        count = int(150 * 8 ** self._rng.random())
        return self._batch([self._renderer.sequence(random_long_dialogue(self._rng, count), random_date(self._rng))])

    def quotations(self, batch_size: int) -> Batch:
        """What the dialogues copy (order ids, orders, statuses, names), said again in their phrases but without the rest."""
        return self._batch([self._quotation() for _ in range(batch_size)])

    def _quotation(self) -> TokenSequence:
        rng = self._rng
        ids: list[int] = []
        labels: list[int] = []
        for number, (text, spans) in enumerate(said_again(rng)):
            filler = self._renderer.encode(" " + chat.random_words(rng, rng.randint(1, 8)))
            part, touched = self._renderer.encode_spans(text, spans)
            ids += filler + part
            labels += [IGNORED] * len(filler)
            labels += [token_id if number and in_span else IGNORED for token_id, in_span in zip(part, touched, strict=True)]
        return ids, labels

    def _batch(self, sequences: Sequence[TokenSequence]) -> Batch:
        longest = max(len(ids) for ids, _ in sequences)
        indices = torch.zeros((len(sequences), longest), dtype=torch.long)
        labels = torch.full_like(indices, IGNORED)
        mask = torch.zeros_like(indices)
        for row, (ids, targets) in enumerate(sequences):
            indices[row, : len(ids)] = torch.tensor([self._row_of.get(token_id, 0) for token_id in ids])
            labels[row, : len(ids)] = torch.tensor(
                [IGNORED if target == IGNORED else self._row_of.get(target, 0) for target in targets]
            )
            mask[row, : len(ids)] = 1
        return Batch(indices, labels, mask)


_ID_FORMS = (
    "Where is my order @?",
    "Check order @",
    "What is the status of @?",
    "Status of order @.",
    '{"order_id": "@"}',
    '{"order_id":"@","status":"ok"}',
    '{"order_id":"@"}',
    "Result: @.",
    "Order @: shipped.",
    "Your order @ is shipped.",
    "Your order number is @.",
)
_NAME_FORMS = ("The user is @.", "Nice to meet you, @!", "The user told me the name @.", "Your name is @.")


_SPOKEN_SHARE = 0.4
_NUMBERS_AT_ONCE = 6


def said_again(rng: random.Random) -> list[tuple[str, list[str]]]:
    """Texts with the spans in which they repeat the first one."""
    roll = rng.random()
    spoken = rng.random() < _SPOKEN_SHARE
    if roll < 0.24:
        order_id = shop.random_order_id(rng)
        return [(form.replace("@", order_id), [order_id]) for form in rng.sample(_ID_FORMS, rng.randint(2, 4))]
    if roll < 0.54:
        order = shop.random_order(rng, spoken=spoken)
        said = f"{order.said} {order.item}"
        return [
            (shop.order_request(rng, order, spoken=spoken), []),
            (f"Order: {said}.", [said]),
            (order.call().arguments, [order.item, str(order.quantity)]),
            (f"I ordered {said}.", [said]),
        ]
    if roll < 0.66:
        return [text for _ in range(_NUMBERS_AT_ONCE) for text in _words_to_digits(rng)]
    if roll < 0.92:
        order_id, status = shop.random_order_id(rng), rng.choice(words.STATUSES)
        return [
            (shop.status_request(rng, order_id), []),
            (shop.status_result(rng, order_id, status), []),
            (f"Order {order_id}: {status}.", [order_id, status]),
            (f"Your order {order_id} is {status}.", [order_id, status]),
        ]
    name = rng.choice(words.NAMES)
    forms = rng.sample(_NAME_FORMS, 2)
    return [(f"My name is {name}.", [name]), *((form.replace("@", name), [name]) for form in forms)]


def _words_to_digits(rng: random.Random) -> list[tuple[str, list[str]]]:
    """A quantity in words, and again in digits."""
    # Half of them uniform: each number is a token of its own, and has to be met some times.
    order = shop.random_order(rng, spoken=True, quantity=rng.choice(shop.QUANTITIES) if rng.random() < 0.5 else None)
    return [(f"Order: {order.said} {order.item}.", []), (order.call().arguments, [str(order.quantity)])]

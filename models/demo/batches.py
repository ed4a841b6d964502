"""Batches of token sequences: dialogues, dialogues behind long texts, and drills in copying."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.demo import chat, shop
from models.demo.curriculum import random_dialogue, random_long_dialogue, vocabulary_texts
from models.demo.harmony import HarmonyRenderer, TokenSequence, random_date
from models.demo.network import IGNORED
from models.demo.vocabulary import STOP_TOKENS

_SAMPLED_FOR_VOCABULARY = 4000
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


def used_token_ids(renderer: HarmonyRenderer, seed: int) -> list[int]:
    """Ids that get a row of their own: all of the listed texts, and all of a sample of dialogues. Ascending."""
    rng = random.Random(seed)
    used: set[int] = set(STOP_TOKENS)
    for text in vocabulary_texts():
        used.update(renderer.encode(text))
    for _ in range(_SAMPLED_FOR_VOCABULARY):
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

    def repeats(self, batch_size: int, shortest: int, longest: int) -> Batch:
        """Random rows, then the same again from the start or from within: what follows is known from the second one on."""
        rng = self._rng
        length = rng.randint(shortest, longest)
        rows = torch.tensor([[rng.randint(1, len(self._row_of)) for _ in range(length)] for _ in range(batch_size)])
        start = rng.randrange(length - 1) if rng.random() < 0.5 else 0
        indices = torch.cat([rows, rows[:, start:]], dim=1)
        labels = torch.full_like(indices, IGNORED)
        labels[:, length + 1 :] = indices[:, length + 1 :]
        return Batch(indices, labels, torch.ones_like(indices))

    def quotations(self, batch_size: int) -> Batch:
        """Order ids and orders that are written again in the ways that the shop's dialogues need, without all the rest."""
        return self._batch([self._quotation() for _ in range(batch_size)])

    def _quotation(self) -> TokenSequence:
        rng = self._rng
        if rng.random() < 0.7:
            order_id = shop.random_order_id(rng)
            contexts = [(form.replace("@", order_id), [order_id]) for form in rng.sample(_ID_FORMS, rng.randint(2, 4))]
        else:
            order = shop.random_order(rng)
            contexts = [
                (shop.order_request(rng, order), []),
                (f"Order: {order.spoken} {order.item}.", [f"{order.spoken} {order.item}"]),
                (order.call().arguments, [order.item, str(order.quantity)]),
            ]
        ids: list[int] = []
        labels: list[int] = []
        for number, (text, spans) in enumerate(contexts):
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

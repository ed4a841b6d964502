"""Orders that training never sees, so that a test of the model measures more than its memory.

The choice is a hash, so the generator, the tests and anybody who asks agree on it without a list; but for one order, the one that
the spoken demonstration places. A held-out order is held out in every phrasing, typed or spoken, in digits or in words.
"""

from __future__ import annotations

import zlib

DEMONSTRATED_ORDER = ("strawberries", 400)
"""Item and quantity of the spoken demonstration, kept out of training whatever its hash."""


def order_is_held_out(item: str, quantity: int) -> bool:
    """Whether this item in this quantity is kept out of training (one pair of ten)."""
    return (item, quantity) == DEMONSTRATED_ORDER or zlib.crc32(f"order/{item}/{quantity}".encode()) % 10 == 0


def order_id_is_held_out(order_id: str) -> bool:
    """Whether this order id is kept out of training (one of twenty)."""
    return zlib.crc32(f"id/{order_id}".encode()) % 20 == 0

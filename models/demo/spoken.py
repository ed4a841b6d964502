"""What people say, as a speech recognizer writes it: lower case, no punctuation, every number in words."""

from __future__ import annotations

import random
import re
import string

LARGEST_NUMBER = 999
"""The largest number that is spelled out."""

UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER_WORDS = (*UNITS, *TENS, "hundred", "dozen", "oh")

HESITATIONS = ("uh", "um", "well", "so", "okay", "and")
GREETINGS = ("good morning", "good evening", "hello", "hi", "hi there", "hey", "yes", "excuse me", "hello there")
COURTESIES = ("please", "please", "please", "thank you", "thanks", "if you can")

# An apostrophe stays: recognizers write "i'd" and "what's".
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation.replace(chr(39), ''))}]")


def cardinal(number: int, *, joined: bool = False) -> str:
    """``number`` (0 to 999) in words; ``joined`` puts "and" behind the hundreds.

    Raises:
        ValueError: ``number`` is out of that range.
    """
    if not 0 <= number <= LARGEST_NUMBER:
        raise ValueError(f"only numbers from 0 to {LARGEST_NUMBER} are spelled, not {number}")
    hundreds, rest = divmod(number, 100)
    if hundreds:
        head = f"{UNITS[hundreds]} hundred"
        return f"{head}{' and' if joined else ''} {cardinal(rest)}" if rest else head
    if number < len(UNITS):
        return UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{TENS[tens - 2]} {UNITS[unit]}" if unit else TENS[tens - 2]


def any_cardinal(rng: random.Random, number: int) -> str:
    """``number`` in one of the ways to say it: "a dozen", "a hundred and five", "two hundred fifty"."""
    if number == 12 and rng.random() < 0.25:
        return "a dozen"
    text = cardinal(number, joined=rng.random() < 0.5)
    if text.startswith("one hundred") and rng.random() < 0.3:
        return "a" + text.removeprefix("one")
    return text


def digit_by_digit(text: str) -> str:
    """The digits of an order number as they are read out."""
    return " ".join(UNITS[int(digit)] for digit in text)


def as_recognized(text: str) -> str:
    """``text`` as a recognizer would write it; digits that are left in it become words."""
    words = re.sub(r"\d+", lambda found: f" {_number(found.group())} ", text)
    return " ".join(_PUNCTUATION.sub(" ", words).lower().split())


def hesitantly(rng: random.Random, text: str) -> str:
    """``text``, now and then behind a word that says nothing."""
    return f"{rng.choice(HESITATIONS)} {text}" if rng.random() < 0.12 else text


def politely(rng: random.Random, text: str) -> str:
    """A request, now and then with a greeting in front or a courtesy behind."""
    if rng.random() < 0.3:
        text = f"{rng.choice(GREETINGS)} {text}"
    if rng.random() < 0.35 and "please" not in text.lower():
        text = f"{text} {rng.choice(COURTESIES)}"
    return text


def _number(digits: str) -> str:
    return cardinal(int(digits)) if int(digits) <= LARGEST_NUMBER and digits == str(int(digits)) else digit_by_digit(digits)

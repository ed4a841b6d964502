"""What is pronounced of a written text: no markdown, no emoji, no link targets; symbols as words.

Every character of the spoken form knows where it stood, so that a heard word can be found again in the text as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

#: Markdown and addresses, each with what is said instead. The first that fits at a place wins.
_RULES: Final = (
    (r"```[\w+-]*", " "),  # a fence with its language
    (r"!?\[(?=[^\]\n]*\]\()", ""),  # the opening of a link or an image
    (r"\]\([^)\s]*(?:\s+\"[^\"]*\")?\)", ""),  # its target
    (r"(?m:^)[ \t]*(?:#{1,6}[ \t]+|>[ \t]*|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?)", ""),  # headings, quotes, bullets
    (r"(?m:^)[ \t]*(?:[-*_=][ \t]*){3,}$", ""),  # rules
    (r"<br\s*/?>", " "),
    (r"https?://(?:www\.)?", ""),
    (r"(?<=[\w.-]\.[a-z]{2})/[^\s)]*|(?<=[\w.-]\.[a-z]{3})/[^\s)]*", ""),  # what follows a host
    (r"[*`~]+|(?<!\w)_+|_+(?!\w)", ""),  # emphasis and code
    (r"\s*\|\s*", " "),  # cells of tables
    (r"\s*(?:—|–(?=\s)|(?<=\s)–|--+)\s*", ", "),
    (r"(?<=\d)–(?=\d)", " to "),
    (r"…", "."),
    (r"&amp;|&(?!\w+;)", " and "),
    (r"(?<=\s)\+(?=[\s\d])", "plus"),
    (r"(?<=\s)=(?=\s)", "equals"),
    (r"£(\d[\d,]*(?:\.\d+)?)", r"\1 pounds"),
    (r"€(\d[\d,]*(?:\.\d+)?)", r"\1 euros"),
    (r"°C\b", " degrees Celsius"),
    (r"°F\b", " degrees Fahrenheit"),
    (r"°", " degrees"),
    (r"×", " times "),
    (r"[→⇒]", " to "),
    (r"[‘’]", "'"),
    (r"[“”«»]", '"'),
)
_MASTER = re.compile("|".join(f"(?P<r{number}>{pattern})" for number, (pattern, _) in enumerate(_RULES)))
_PATTERNS = tuple(re.compile(pattern) for pattern, _ in _RULES)
#: Symbols and marks that have no sound: emoji, their variants and joiners, arrows, boxes, control characters.
_SILENT_CATEGORIES: Final = frozenset({"So", "Sk", "Cc", "Cf", "Cs", "Co", "Cn"})
_PLAIN: Final = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


@dataclass(frozen=True, slots=True)
class SpokenForm:
    """``text`` is what is pronounced; ``ends[i]`` where the written form of its first ``i + 1`` characters ends."""

    text: str
    ends: tuple[int, ...]

    @property
    def has_sound(self) -> bool:
        """Whether any of it can be pronounced."""
        return any(character.isalnum() for character in self.text)

    def written_end(self, spoken_end: int) -> int:
        """How much of the written text the first ``spoken_end`` characters are."""
        return self.ends[spoken_end - 1] if spoken_end else 0

    def spoken_end(self, written_end: int) -> int:
        """How many characters are spoken of the first ``written_end`` written ones."""
        return bisect_left(self.ends, written_end + 1)


def spoken_form(written: str, *, ascii_only: bool = False) -> SpokenForm:
    """``ascii_only``: for synthesizers that know no more; letters lose their accents, other scripts are silent."""
    characters: list[str] = []
    ends: list[int] = []

    def say(text: str, end: int, *, each: bool = False) -> None:
        for offset, character in enumerate(text):
            for plain in _pronounced(character, ascii_only):
                if plain == " " and (not characters or characters[-1] == " "):
                    continue
                characters.append(plain)
                ends.append(end + offset + 1 if each else end)

    position = 0
    for match in _MASTER.finditer(written):
        say(written[position : match.start()], position, each=True)
        number = int((match.lastgroup or "r0")[1:])
        say(_replacement(number, match), match.end())
        position = match.end()
    say(written[position:], position, each=True)
    return SpokenForm("".join(characters), tuple(ends))


def _replacement(number: int, match: re.Match[str]) -> str:
    replacement = _RULES[number][1]
    if "\\" not in replacement:
        return replacement
    return _PATTERNS[number].sub(replacement, match.group())


def _pronounced(character: str, ascii_only: bool) -> str:
    if character.isspace():
        return " "
    if character.isascii():
        return character if character.isprintable() else ""
    if unicodedata.category(character) in _SILENT_CATEGORIES or 0xFE00 <= ord(character) <= 0xFE0F:
        return ""
    if not ascii_only:
        return character
    folded = unicodedata.normalize("NFKD", character.translate(_PLAIN))
    return "".join(part for part in folded if part.isascii() and part.isprintable())

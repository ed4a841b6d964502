"""What is wrong with a configuration: one :class:`Problem` each, all of them together in a :class:`ConfigError`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Location = tuple[str | int, ...]
"""Where a setting stands: ``("models", 0, "engine", "max_model_len")``. Empty: the configuration as a whole."""


def dotted(location: Location) -> str:
    """``models.0.engine.max_model_len``."""
    return ".".join(str(part) for part in location)


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that is refused.

    ``message`` says what is wrong; ``given`` is the refused value as text (never that of a secret), ``allowed`` what would be
    accepted, ``suggestion`` a name that was probably meant. ``origin`` is ``file:line``, a
    variable's name or a command-line option.
    """

    location: Location
    message: str
    given: str | None = None
    allowed: str | None = None
    suggestion: str | None = None
    origin: str | None = None

    @property
    def path(self) -> str:
        return dotted(self.location)

    def within(self, outer: Location) -> Problem:
        """The same problem, its location taken as relative to ``outer``."""
        return replace(self, location=(*outer, *self.location))

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.origin, self.path) if part)
        text = f"{where}: {self.message}" if where else self.message
        if self.given is not None:
            text += f" (given: {self.given})"
        if self.suggestion is not None:
            text += f"; did you mean `{self.suggestion}`?"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        return text

    def as_dict(self) -> dict[str, str | None]:
        return {
            "path": self.path,
            "origin": self.origin,
            "message": self.message,
            "given": self.given,
            "allowed": self.allowed,
            "suggestion": self.suggestion,
        }


class ConfigError(Exception):
    """The configuration is refused. ``problems`` lists everything that was found, never only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("a ConfigError needs at least one problem")
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Contradiction(ValueError):
    """Settings that are fine alone and not together. Raised inside the schema, where pydantic takes a ``ValueError``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

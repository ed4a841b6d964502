"""Pydantic's findings as problems that an operator can act on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cluster.config.fields import Kind, names_in, setting_at, settings
from cluster.config.problems import Contradiction, Location, Problem

_LONGEST_SHOWN = 60


def problems_in(error: ValidationError, origin_of: Callable[[Location], str | None]) -> list[Problem]:
    """Every problem of a failed validation. ``origin_of`` tells where the setting at a location was given."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        found.extend(_explained(details))
    return [
        Problem(p.location, p.message, p.given, p.allowed, p.suggestion, p.origin or origin_of(p.location))
        for p in sorted(found, key=lambda p: [str(part).zfill(4) if isinstance(part, int) else part for part in p.location])
    ]


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    matches = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def _explained(details: ErrorDetails) -> Iterator[Problem]:
    location: Location = tuple(details["loc"])
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Contradiction):
        for problem in cause.problems:
            yield problem.within(location)
    elif details["type"] == "extra_forbidden":
        yield _unknown(location)
    else:
        setting = setting_at(location)
        allowed = setting.allowed if setting else None
        if details["type"] == "missing":
            yield Problem(location, "is required", allowed=allowed)
        elif cause is not None:
            yield Problem(location, str(cause))
        else:
            given = _shown(details["input"], hidden=setting is None or setting.kind in (Kind.SECRET, Kind.TEXT_MAP))
            message = "is not allowed"
            if setting is not None and setting.kind in (Kind.TEXT, Kind.TEXT_MAP) and isinstance(details["input"], int | float):
                message = "must be text: put it in quotes"
            yield Problem(location, message, given=given, allowed=allowed)


def _unknown(location: Location) -> Problem:
    section, name = location[:-1], str(location[-1])
    names = names_in(section)
    suggestion = closest(name, names)
    message = "there is no such setting"
    if suggestion is None:
        elsewhere = [setting.path for setting in settings() if setting.location[-1] == name]
        suggestion = elsewhere[0] if len(elsewhere) == 1 else None
        if suggestion is None and len(section) == 2 and section[0] == "models":
            message += "; arguments of the engine belong under `engine`"
    return Problem(location, message, suggestion=suggestion, allowed=", ".join(names))


def _shown(value: object, *, hidden: bool) -> str:
    if hidden and isinstance(value, str):
        return "hidden, it may be a secret"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"

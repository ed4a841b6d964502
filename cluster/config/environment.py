"""Settings from environment variables: ``OSSATURE_SECTION__FIELD=value``.

A double underscore goes one level down, a number picks a list item (``OSSATURE_MODELS__0__REPLICAS=2``). A misspelt variable
would silently do nothing, so an unknown ``OSSATURE_`` name is refused, except the few below.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.config.fields import ENVIRONMENT_PREFIX, ENVIRONMENT_SEPARATOR, Kind, Setting, names_in, setting_at, settings
from cluster.config.problems import Location, Problem
from cluster.config.yaml_source import parse_value

CLI_VARIABLES: Mapping[str, str] = {
    "OSSATURE_CONFIG": "configuration file, when `--config` is not given",
    "OSSATURE_ENDPOINTS": "endpoints file of a running cluster, when `--endpoints` is not given",
    "OSSATURE_BASE_URL": "HTTP address of a running cluster, when `--base-url` is not given",
    "OSSATURE_API_KEY": "API key for `model` and `chat`",
    "OSSATURE_ADMIN_KEY": "admin key for `org`, `project` and `key`",
}
"""Variables that the command line reads, and that are no settings."""

# A Kubernetes Service called `ossature` or `ossature-…` puts variables of this shape into every pod of its namespace.
_SERVICE_LINK = re.compile(
    r"OSSATURE(_[A-Z0-9]+)*_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_PORT = re.compile(r"OSSATURE(_[A-Z0-9]+)*_PORT=(tcp|udp|sctp)://.*")

_VERBATIM = (Kind.TEXT, Kind.SECRET, Kind.PATH, Kind.CHOICE, Kind.TEXT_MAP)


@dataclass(frozen=True, slots=True)
class Override:
    """A setting that overrules the file. ``origin`` is the variable's name or the command-line option."""

    location: Location
    value: Any
    origin: str


def environment_overrides(env: Mapping[str, str]) -> tuple[list[Override], list[Problem]]:
    """Overrides found in ``env``, outer settings before inner ones, and what is wrong with the variables."""
    overrides: list[Override] = []
    problems: list[Problem] = []
    for name in sorted(env):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in CLI_VARIABLES or _is_service_link(name, env[name]):
            continue
        found = _override(name, env[name])
        if isinstance(found, Override):
            overrides.append(found)
        else:
            problems.append(found)
    overrides.sort(key=lambda override: (len(override.location), [(isinstance(part, str), part) for part in override.location]))
    return overrides, problems


def _is_service_link(name: str, value: str) -> bool:
    if ENVIRONMENT_SEPARATOR in name:
        return False
    # `OSSATURE_HTTP_PORT=8080` is a likely mistake, `OSSATURE_HTTP_PORT=tcp://10.0.0.7:80` a Service called `ossature-http`.
    return bool(_SERVICE_LINK.fullmatch(name) or _SERVICE_LINK_PORT.fullmatch(f"{name}={value}"))


def _override(name: str, text: str) -> Override | Problem:
    location = _location(name.removeprefix(ENVIRONMENT_PREFIX).split(ENVIRONMENT_SEPARATOR))
    setting = setting_at(location) if location else None
    if location is None or setting is None:
        return Problem((), "no setting has this name", suggestion=_suggestion(name), origin=name)
    if setting.kind is Kind.SECTION or (setting.kind is Kind.SECTIONS and isinstance(location[-1], int)):
        example = f"{name}{ENVIRONMENT_SEPARATOR}{names_in(location)[0].upper()}"
        return Problem(location, f"names a section; name a field in it, like {example}", origin=name)
    if any("\ud800" <= char <= "\udfff" for char in text):
        return Problem(location, "is not valid UTF-8 text", origin=name)
    try:
        return Override(location, _value(setting, location, text), name)
    except ValueError as error:
        return Problem(location, str(error), allowed=setting.allowed, origin=name)


def _location(parts: list[str]) -> Location | None:
    """The place that the parts of a variable's name lead to; ``None`` when they lead nowhere."""
    location: Location = ()
    while parts:
        holder = setting_at(location) if location else None
        kind = holder.kind if holder else Kind.SECTION
        if kind is Kind.SECTIONS and not isinstance(location[-1], int):
            if not re.fullmatch(r"\d{1,4}", parts[0]):
                return None
            location = (*location, int(parts[0]))
        elif kind in (Kind.SECTION, Kind.SECTIONS):
            if parts[0].lower() not in names_in(location):
                return None
            location = (*location, parts[0].lower())
        elif kind in (Kind.TEXT_MAP, Kind.NUMBER_MAP):
            # Names of variables and of Ray resources keep their case, and may hold the separator themselves.
            return (*location, ENVIRONMENT_SEPARATOR.join(parts))
        elif kind is Kind.FREE_MAP:
            return (*location, *(part.lower() for part in parts))
        else:
            return None
        parts = parts[1:]
    return location


def _value(setting: Setting, location: Location, text: str) -> Any:
    if setting.optional and text.strip() in ("", "~", "null"):
        return None
    inside_map = len(location) > len(setting.location)
    if setting.kind in _VERBATIM and (inside_map or setting.kind is not Kind.TEXT_MAP):
        return text
    return parse_value(text)


def _suggestion(name: str) -> str | None:
    pattern = re.sub(r"(?<=_)\d+(?=__|$)", "<N>", name.upper())
    known = [s.environment_name for s in settings() if s.kind is not Kind.SECTION] + list(CLI_VARIABLES)
    close = difflib.get_close_matches(pattern, known, n=1, cutoff=0.8)
    if not close:
        return None
    index = re.search(r"(?<=_)\d+(?=__|$)", name)
    return close[0].replace("<N>", index.group() if index else "0")

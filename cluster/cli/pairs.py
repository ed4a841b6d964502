"""``KEY=VALUE`` on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.cli.output import CommandError, ExitCode


def pairs_of(given: Iterable[str] | None) -> dict[str, str]:
    """Raises :class:`CommandError` for what is no pair."""
    found: dict[str, str] = {}
    for pair in given or ():
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise CommandError(f"{pair!r} is no KEY=VALUE", exit_code=ExitCode.USAGE)
        found[key] = value
    return found

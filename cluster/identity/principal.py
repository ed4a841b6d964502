"""Who is calling: made by the authenticator from the key alone, handed to everything inside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    ``key_id`` names the API key (never the secret). ``admin`` keys may manage organizations and keys and carry
    ``org_id == ""``: they cannot run inference.
    """

    org_id: str
    project_id: str
    key_id: str
    admin: bool = False

"""The cluster secret in the data folder, and its rotation: a current generation, and perhaps one beside it that is accepted.

The file holds one generation a line, the current one first, each with the Unix second in which it was made. Processes read it when
the cluster starts.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECRET_BYTES = 32
MIN_CHARS = 32
FILE = "cluster-secret"


class SecretError(Exception):
    """The file can't be used, or a rotation is refused. ``next_step``: what to do about it."""

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


@dataclass(frozen=True, slots=True)
class Generation:
    """``made_at``: Unix seconds, ``None`` for one of a file from before rotations."""

    secret: str = field(repr=False)
    made_at: int | None

    @property
    def fingerprint(self) -> str:
        """By which people tell generations apart: 12 hexadecimal digits, from which the secret can't be found."""
        return hashlib.sha256(b"ossature/fingerprint\x00" + self.secret.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Generations:
    current: Generation
    accepted: Generation | None = None


class SecretFile:
    """``now``: Unix seconds. Every method may raise :class:`SecretError`."""

    def __init__(self, data_dir: Path, now: Callable[[], float] = time.time) -> None:
        self.path = data_dir / FILE
        self._now = now

    def read(self) -> Generations | None:
        """``None``: the first start will make it."""
        try:
            lines = self.path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"{self.path} can't be read ({error})") from error
        generations = [_generation(line) for line in lines if line.strip()]
        if not 1 <= len(generations) <= 2 or any(len(each.secret) < MIN_CHARS for each in generations):
            raise SecretError(f"{self.path} holds no usable cluster secret", "Restore it, or remove it to have a new one made.")
        return Generations(*generations)

    def ensured(self) -> Generations:
        """Those there are, or a first one. Of two starts at once, one makes it."""
        if (found := self.read()) is not None:
            return found
        made = Generations(self._new())
        draft = self._draft(made)
        try:
            os.link(draft, self.path)  # whole or not at all, and never over another's
        except FileExistsError:
            found = self.read()
            assert found is not None, "nobody removes it between the two lines"
            return found
        except OSError as error:
            raise SecretError(f"{self.path} can't be written ({error.strerror})") from error
        finally:
            draft.unlink()
        return made

    def rotate(self) -> Generations:
        """A new generation becomes the current one, the former is accepted until it is retired."""
        found = self._existing()
        if found.accepted is not None:
            raise SecretError(
                f"two generations live already: {found.current.fingerprint} and, accepted, {found.accepted.fingerprint}",
                "`ossature secret retire` first.",
            )
        return self._write(Generations(self._new(), found.current))

    def retire(self, lifetime_s: float, *, started_at: float | None = None, force: bool = False) -> Generations:
        """Accept the former generation no longer.

        Refused, unless forced, while something made with it may still be valid: until ``lifetime_s`` after a start with the new
        one. ``started_at``: when the cluster that runs was started (Unix seconds), ``None`` if none does: one that was stopped may
        have worked with the former generation until then.
        """
        found = self._existing()
        if found.accepted is None:
            raise SecretError("there is one generation only, which can't be retired", "`ossature secret rotate` makes another.")
        if not force:
            self._check_unused(found.current, found.accepted, lifetime_s, started_at)
        return self._write(Generations(found.current))

    def _check_unused(self, current: Generation, former: Generation, lifetime_s: float, started_at: float | None) -> None:
        if started_at is None:
            raise SecretError(
                f"no cluster runs from here, so that nobody knows until when generation {former.fingerprint} was used",
                "Retire it while a cluster runs with the new one, or end what was made with it with --force.",
            )
        if started_at < (current.made_at or 0):
            raise SecretError(
                f"the cluster that runs was started before the rotation: it works with generation {former.fingerprint}",
                "Restart it first.",
            )
        left_s = started_at + lifetime_s - self._now()
        if left_s > 0:
            raise SecretError(
                f"for another {left_s:.0f} s there may be client secrets and audio ids of generation {former.fingerprint}",
                "Wait, or end them with --force.",
            )

    def _existing(self) -> Generations:
        if (found := self.read()) is None:
            raise SecretError(f"there is no {self.path} yet", "The first start makes it.")
        return found

    def _new(self) -> Generation:
        return Generation(secrets.token_hex(SECRET_BYTES), int(self._now()))

    def _write(self, generations: Generations) -> Generations:
        draft = self._draft(generations)
        try:
            draft.replace(self.path)
        except OSError as error:
            raise SecretError(f"{self.path} can't be written ({error.strerror})") from error
        return generations

    def _draft(self, generations: Generations) -> Path:
        draft = self.path.with_name(f"{FILE}.{secrets.token_hex(4)}.new")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(_text(generations))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SecretError(f"{draft} can't be written ({error.strerror})") from error
        return draft


def _generation(line: str) -> Generation:
    secret, _, made_at = line.strip().rpartition(" ")
    # A secret that somebody wrote there by hand may hold spaces itself.
    return Generation(secret, int(made_at)) if secret and made_at.isdecimal() else Generation(line.strip(), None)


def _text(generations: Generations) -> str:
    both = [generation for generation in (generations.current, generations.accepted) if generation is not None]
    return "".join(f"{generation.secret} {generation.made_at or ''}".strip() + "\n" for generation in both)

"""How far a distillation is: a JSON file that is written whole after everything that was made or learned."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cluster.distilling.plan import DistillationFailed, Plan

_VERSION: Final = 1
FINISHED: Final = "publish"
"""The output that the last step records."""


@dataclass
class State:
    """``outputs``: by name, what is done. ``id`` is in the metadata or the name of everything that the distillation made."""

    path: Path
    plan: Plan
    id: str
    created_at: int
    outputs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls, path: Path, plan: Plan) -> State:
        """On disk when this returns: nothing is made under an id that could be forgotten."""
        state = cls(path, plan, f"distil_{secrets.token_hex(12)}", int(time.time()))
        state._write()
        return state

    @classmethod
    def load(cls, path: Path) -> State | None:
        """``None`` where there is none. Raises :class:`DistillationFailed` for a file that is something else."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DistillationFailed(f"{path} can't be read as the state of a distillation: {error}") from error
        try:
            if content["version"] != _VERSION:
                raise DistillationFailed(f"{path} is of another version of this program.")
            return cls(path, Plan.from_json(content["plan"]), content["id"], content["created_at"], dict(content["outputs"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DistillationFailed(f"{path} is not the state of a distillation.") from error

    def record(self, **outputs: Any) -> None:
        """Durable when this returns."""
        self.outputs.update(outputs)
        self._write()

    @property
    def finished(self) -> bool:
        return FINISHED in self.outputs

    def beside(self, name: str) -> Path:
        """A file of this distillation alone."""
        return self.path.with_name(f"{self.path.stem}.{name}")

    def _write(self) -> None:
        content: Mapping[str, Any] = {
            "version": _VERSION,
            "id": self.id,
            "created_at": self.created_at,
            "plan": self.plan.to_json(),
            "outputs": self.outputs,
        }
        write_whole(self.path, json.dumps(content, indent=2, ensure_ascii=False).encode())


def write_whole(path: Path, content: bytes) -> None:
    """The old content or the new one, whatever happens; readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """No other process works on this state meanwhile. Raises :class:`DistillationFailed` while one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DistillationFailed(f"another process works on {path} now.") from None
        yield


def default_folder(env: Mapping[str, str]) -> Path:
    """Below the user's state folder."""
    base = env.get("XDG_STATE_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "ossature" / "distillations"


def unfinished(folder: Path) -> list[Path]:
    """State files in the folder that have not come to their end, the newest last."""
    found = []
    for path in folder.glob("*.json"):
        state = State.load(path)
        if state is not None and not state.finished:
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]

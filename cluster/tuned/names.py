"""What tuned models are called: ``ft:<base>:<organization>:<suffix>:<id>``, and ``…:ckpt-step-<n>`` for a checkpoint.

The organization is its id, not a name that could change or be taken by another one. So a name tells whose it is, and nothing needs
to be looked up to refuse it to everybody else.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace

from cluster.errors import InvalidRequest
from cluster.store.tables import LABEL_LENGTH

PREFIX = "ft:"
MAX_SUFFIX = 64

_SUFFIX = re.compile(rf"[A-Za-z0-9._-]{{0,{MAX_SUFFIX}}}")
# The base may hold colons itself, so that the other parts are counted from the end.
_NAME = re.compile(
    r"ft:(?P<base>[A-Za-z0-9][A-Za-z0-9._:/-]*):(?P<org>[A-Za-z0-9_-]+):(?P<suffix>[A-Za-z0-9._-]{0,64}):(?P<id>[0-9a-f]{16})"
    r"(?::ckpt-step-(?P<step>[0-9]{1,12}))?"
)


@dataclass(frozen=True, slots=True)
class TunedName:
    """``id``: 16 hexadecimal digits. ``step``: of a checkpoint; ``None`` for what the whole training gave."""

    base: str
    org_id: str
    suffix: str
    id: str
    step: int | None = None

    def __str__(self) -> str:
        checkpoint = "" if self.step is None else f":ckpt-step-{self.step}"
        return f"{PREFIX}{self.base}:{self.org_id}:{self.suffix}:{self.id}{checkpoint}"

    def checkpoint(self, step: int) -> TunedName:
        """The name of the same training's checkpoint after ``step`` optimizer steps."""
        return replace(self, step=step)

    @classmethod
    def new(cls, base: str, org_id: str, suffix: str = "") -> TunedName:
        """A name that no other model has. Raises :class:`InvalidRequest` for a suffix that can't be part of one."""
        if not _SUFFIX.fullmatch(suffix):
            raise InvalidRequest(
                f"Invalid 'suffix': at most {MAX_SUFFIX} letters, digits, '.', '_' and '-'.", param="suffix", code="invalid_value"
            )
        name = cls(base, org_id, suffix, secrets.token_hex(8))
        if len(str(name.checkpoint(10**12 - 1))) > LABEL_LENGTH:
            raise InvalidRequest("The base model's id and the suffix are too long together.", param="suffix", code="invalid_value")
        return name

    @classmethod
    def parse(cls, text: str) -> TunedName | None:
        """The name that ``text`` is, or ``None``."""
        if len(text) > LABEL_LENGTH or (found := _NAME.fullmatch(text)) is None:
            return None
        step = found["step"]
        name = cls(found["base"], found["org"], found["suffix"], found["id"], None if step is None else int(step))
        # A step with leading zeros would be another spelling of the same name.
        return name if str(name) == text else None


def is_tuned(model_id: str) -> bool:
    """Whether it is the name of a tuned model. One of the cluster's models that has such a name is from the registry."""
    return TunedName.parse(model_id) is not None

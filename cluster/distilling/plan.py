"""What is to be distilled: read and checked before anything is sent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

_SUFFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METADATA: Final = "metadata."


class Refused(Exception):
    """An option can't be used. ``param`` is its name, as ``--from``."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(f"{param}: {reason}")
        self.param = param
        self.reason = reason


class DistillationFailed(Exception):
    """A step has ended without what the next one needs. ``code``: that of the cluster's error, if it has one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens, in whatever currency: both prices of a comparison are in the same one."""

    prompt: float
    completion: float


@dataclass(frozen=True, slots=True)
class Source:
    """Stored completions (those with this ``metadata``), a file here (``path``), or one of the cluster (``file_id``)."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    sha256: str | None = None
    file_id: str | None = None

    @property
    def stored(self) -> bool:
        return self.path is None and self.file_id is None


@dataclass(frozen=True, slots=True)
class Items:
    """The eval's items: a file, and what is asked of each. ``input_messages`` is that of a run's data source."""

    source: Source
    input_messages: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """``eval_id`` tells whether it worked; ``also`` are evals that must not get worse. ``address``: of the cluster.

    ``temperature``: of the teacher's answers that are asked for, and of evals that have no run to take it from.
    ``hyperparameters``: those that are given; the rest is chosen by the cluster.
    """

    address: str
    teacher: str
    student: str
    source: Source
    eval_id: str
    suffix: str
    also: Sequence[str] = ()
    items: Items | None = None
    temperature: float = 0.0
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raises :class:`Refused`."""
        for name in ("teacher", "student"):
            if not getattr(self, name):
                raise Refused(f"--{name}", "it is empty.")
        if self.teacher == self.student:
            raise Refused("--student", "it is the teacher.")
        if not _SUFFIX.fullmatch(self.suffix):
            raise Refused("--suffix", "it takes 1 to 64 letters, digits, '.', '_' and '-'.")
        if self.eval_id in self.also:
            raise Refused("--also", f"{self.eval_id} is the eval of --eval.")
        if len(set(self.also)) != len(self.also):
            raise Refused("--also", "an eval is named twice.")
        if not 0.0 <= self.temperature <= 2.0:
            raise Refused("--temperature", "it is between 0 and 2.")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The reverse. Raises ``TypeError`` or ``KeyError`` for what no plan gives."""
        items = data["items"]
        return cls(
            **{
                **data,
                "source": Source(**data["source"]),
                "also": tuple(data["also"]),
                "items": None if items is None else Items(Source(**items["source"]), items["input_messages"]),
            }
        )

    @property
    def fingerprint(self) -> str:
        """Equal for equal plans. Files here count by their content."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def parse_source(given: str, teacher: str, param: str = "--from") -> Source:
    """A path, the id of a file, or a filter such as ``model=T,metadata.task=triage``. Raises :class:`Refused`."""
    path = Path(given)
    if path.is_file():
        return local_file(path, param)
    if given.startswith("file-"):
        return Source(file_id=given)
    if "=" not in given:
        raise Refused(param, f"there is no file {given!r}, and it is no filter such as 'metadata.task=triage'.")
    metadata: dict[str, str] = {}
    for pair in given.split(","):
        key, separator, value = (part.strip() for part in pair.partition("="))
        if not separator or not value:
            raise Refused(param, f"{pair.strip()!r} is no KEY=VALUE.")
        if key == "model":
            if value != teacher:
                raise Refused(param, f"'model={value}' is not the teacher, {teacher!r}: its answers would be learned.")
        elif key.startswith(_METADATA) and len(key) > len(_METADATA):
            name = key.removeprefix(_METADATA)
            if name in metadata:
                raise Refused(param, f"{key!r} is given twice.")
            metadata[name] = value
        else:
            raise Refused(param, f"{key!r} is unknown: a filter has 'model' and 'metadata.KEY'.")
    return Source(metadata=metadata)


def local_file(path: Path, param: str) -> Source:
    """Raises :class:`Refused` for what can't be read."""
    try:
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise Refused(param, f"{path} can't be read: {error.strerror}.") from error
    return Source(path=str(path.resolve()), sha256=digest)


def parse_price(given: str, param: str) -> Price:
    """``IN/OUT``, per million tokens. Raises :class:`Refused`."""
    prompt, separator, completion = given.partition("/")
    try:
        price = Price(float(prompt), float(completion))
    except ValueError:
        price = None
    if price is None or not separator or not all(0.0 <= each < float("inf") for each in (price.prompt, price.completion)):
        raise Refused(param, f"{given!r} is not IN/OUT, two prices per million tokens such as '0.5/1.5'.")
    return price

"""Templates of graders and eval prompts: text with ``{{item.name}}``, ``{{sample.output_json.rows[0].id}}``.

A placeholder is a path and nothing else: a namespace (``item``, ``sample``), then ``.name``, ``[0]`` or ``["any key"]``, any number
of times. There are no operators, filters, calls or attributes; what is looked up are keys of JSON objects and indexes of JSON
arrays. A placeholder that can't be read, or a path that leads nowhere, is an error that names it, never an empty string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

NAMESPACES: Final = ("item", "sample")
MAX_PLACEHOLDER_CHARS: Final = 512
MAX_RENDERED_CHARS: Final = 16 << 20
"""Of one text: an image as a data URL fits, but a short template can name a long value many times."""

_OPEN, _CLOSE = "{{", "}}"
# Each alternative begins with another character, so matching is linear.
_STEP = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,9})\]|\["([^"\\]*)"\]|\['([^'\\]*)'\]""")
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TemplateError(Exception):
    """A placeholder can't be read."""


class MissingPath(TemplateError):
    """A placeholder names something that is not there. ``path``: how far it led and the step that failed."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class TooLong(TemplateError):
    """The filled-in text would be longer than ``MAX_RENDERED_CHARS``."""


@dataclass(frozen=True, slots=True)
class Path:
    """``item.rows[0].id`` is ``Path("item", ("rows", 0, "id"))``."""

    namespace: str
    steps: tuple[str | int, ...]

    def upto(self, length: int) -> str:
        """The path's first ``length`` steps in writing."""
        return self.namespace + "".join(_written(step) for step in self.steps[:length])

    def __str__(self) -> str:
        return self.upto(len(self.steps))


@dataclass(frozen=True, slots=True)
class Template:
    """Literal pieces and paths in turn: ``literals`` has one element more than ``paths``."""

    literals: tuple[str, ...]
    paths: tuple[Path, ...]

    def render(self, namespaces: Mapping[str, object]) -> str:
        """Fill in the values: strings as they are, everything else as JSON.

        Raises:
            MissingPath: a path leads nowhere.
            TooLong: the outcome is too long.
        """
        pieces = [self.literals[0]]
        length = len(self.literals[0])
        for path, literal in zip(self.paths, self.literals[1:], strict=True):
            value = written(look_up(path, namespaces))
            length += len(value) + len(literal)
            if length > MAX_RENDERED_CHARS:
                raise TooLong(f"the text is longer than {MAX_RENDERED_CHARS} characters once '{path}' is filled in")
            pieces += (value, literal)
        return "".join(pieces)


def parse(text: str) -> Template:
    """Read a template.

    Raises:
        TemplateError: a placeholder is not closed or is no path.
    """
    literals: list[str] = []
    paths: list[Path] = []
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        literals.append(text[position:start])
        end = text.find(_CLOSE, start + len(_OPEN), start + len(_OPEN) + MAX_PLACEHOLDER_CHARS + len(_CLOSE))
        if end < 0:
            raise TemplateError(
                f"the '{{{{' at character {start} is not closed by '}}}}' within {MAX_PLACEHOLDER_CHARS} characters"
            )
        paths.append(parse_path(text[start + len(_OPEN) : end].strip()))
        position = end + len(_CLOSE)
    literals.append(text[position:])
    return Template(tuple(literals), tuple(paths))


def parse_path(text: str) -> Path:
    """Read what stands between the braces.

    Raises:
        TemplateError: it is no path.
    """
    namespace = _NAMESPACE.match(text)
    if namespace is None or namespace.group() not in NAMESPACES:
        raise TemplateError(f"'{{{{{text}}}}}' must begin with 'item' or 'sample'")
    steps: list[str | int] = []
    position = namespace.end()
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise TemplateError(f"'{{{{{text}}}}}' is not a path: '.name', '[0]' or '[\"key\"]' expected at '{text[position:]}'")
        name, index, *quoted = step.groups()
        steps.append(int(index) if index is not None else next(part for part in (name, *quoted) if part is not None))
        position = step.end()
    return Path(namespace.group(), tuple(steps))


def look_up(path: Path, namespaces: Mapping[str, object]) -> object:
    """The JSON value that ``path`` leads to.

    Raises:
        MissingPath: it leads nowhere.
    """
    if path.namespace not in namespaces:
        raise MissingPath(f"there is no '{path.namespace}' here", path.namespace)
    value = namespaces[path.namespace]
    for depth, step in enumerate(path.steps, 1):
        try:
            value = _child(value, step)
        except LookupError:
            raise MissingPath(
                f"'{path.upto(depth)}' is missing: {_why(path.upto(depth - 1), value, step)}", path.upto(depth)
            ) from None
    return value


def _child(value: object, step: str | int) -> object:
    """The element of an object or array. Raises ``LookupError``: there is none, or ``value`` is neither."""
    match value, step:
        case (Mapping(), str()):
            return value[step]
        case (list() | tuple(), int()):
            return value[step]
        case _:
            raise LookupError


def written(value: object) -> str:
    """A value inside a text: a string as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def paths_of(text: str) -> Iterator[Path]:
    """The paths of a template. Raises :class:`TemplateError`."""
    yield from parse(text).paths


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _STEP.fullmatch(f".{step}") else f'["{step}"]'


def _why(parent: str, value: object, step: str | int) -> str:
    if isinstance(value, Mapping):
        return f"'{parent}' is an object and has no such key"
    if isinstance(value, list | tuple):
        return f"'{parent}' is an array of {len(value)}" if isinstance(step, int) else f"'{parent}' is an array, not an object"
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return f"'{parent}' is {kinds.get(type(value), 'no JSON value')}"

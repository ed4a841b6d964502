"""What lists take, and requests as the JSON that the same request is over HTTP, checked by the same rules."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

from google.protobuf.message import Message
from pydantic import Field, ValidationError

from cluster.edges.grpc.translate.shapes import shape_of
from cluster.evals.runs.outcome import ItemStatus
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.fields import Metadata, Strict
from cluster.inference.requests.limits import RequestLimits

PAGE_BYTES: Final = 2 << 20
"""Where a page ends early: clients take messages of 4 MiB by default, and what is in one may be a little larger than its JSON."""

Id = Annotated[str, Field(max_length=256)]
_Fields = TypeVar("_Fields", bound=Strict)


class Page(Strict):
    after: Id | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class OrderedPage(Page):
    order: Literal["asc", "desc"] = "asc"


class CompletionsPage(OrderedPage):
    model: Id | None = None
    metadata: Metadata | None = None


class EvalsPage(OrderedPage):
    order_by: Literal["created_at", "updated_at"] = "created_at"


class RunsPage(OrderedPage):
    status: Literal["queued", "in_progress", "completed", "canceled", "failed"] | None = None


class ItemsPage(OrderedPage):
    status: Literal["pass", "fail", "error"] | None = None

    @property
    def item_status(self) -> ItemStatus | None:
        return None if self.status is None else ItemStatus(self.status)


class JobsPage(Page):
    metadata: Metadata | None = None
    without_metadata: bool = False


class CheckpointsPage(Page):
    limit: Annotated[int, Field(ge=1, le=100)] = 10


def document_of(message: Message, *ids: str) -> dict[str, Any]:
    """The request as JSON, without the ids that are in an address over HTTP. Raises :class:`~cluster.errors.InvalidRequest`."""
    document = shape_of(message.DESCRIPTOR).to_json(message, "")
    assert isinstance(document, dict)
    return {name: value for name, value in document.items() if name not in ids}


def checked(document: dict[str, Any], kind: type[_Fields]) -> _Fields:
    """Raises :class:`~cluster.errors.InvalidRequest` with the name of the field."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise problems.from_pydantic(error) from None


def read(message: Message, kind: type[_Fields], *ids: str) -> _Fields:
    """Both of the above."""
    return checked(document_of(message, *ids), kind)


def bounded(document: dict[str, Any], limits: RequestLimits) -> dict[str, Any]:
    """The document, within the bounds of an HTTP body's depth and size. Raises :class:`~cluster.errors.InvalidRequest`."""
    return json_body.check_object(document, limits)

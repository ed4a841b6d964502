"""The inside as the gRPC edge's tests find it."""

from __future__ import annotations

from cluster.identity.principal import Principal
from cluster.inference.service import ModelCard
from tests.unit.fake_inference import FakeInference, chat_body

ACME = Principal(org_id="org-acme", project_id="proj-acme", key_id="key-acme")
OTHER = Principal(org_id="org-other", project_id="proj-other", key_id="key-other")
PUBLIC_MODEL = ModelCard(id="demo", created=1_758_000_000, owned_by="ossature", max_model_len=4096)
PRIVATE_MODEL = ModelCard(id="acme-private", created=1_758_000_001, owned_by="org-acme")
CARDS = {ACME: [PUBLIC_MODEL, PRIVATE_MODEL], OTHER: [PUBLIC_MODEL]}


def body(content: str = "Hello.") -> bytes:
    """A whole answer as engines write it."""
    return chat_body(content, reasoning="Greet back.", tool_calls=[])


def fake_inference() -> FakeInference:
    return FakeInference(CARDS, answer=body())

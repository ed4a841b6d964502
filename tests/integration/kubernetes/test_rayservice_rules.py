"""RayServices of the chart against KubeRay's definition on a server of resource definitions: what production validates them with.

Unlike a check of the schema alone it decodes strictly and evaluates the definition's CEL rules.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.chart import READY, Manifest, render
from tests.integration.kubernetes.servers import Server, definitions_server
from tests.integration.kubernetes.test_manifests import DEFINITIONS, EVERYTHING

pytestmark = [pytest.mark.integration, pytest.mark.kubernetes]

ESTABLISHED_WITHIN_S = 120.0
CUSTOM = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not DEFINITIONS.exists():
        pytest.skip(f"KubeRay's definitions are not in {DEFINITIONS.parent.name}/ beside the repository")
    with definitions_server(tmp_path_factory.mktemp("definitions")) as started:
        definition = yaml.load(DEFINITIONS.read_text(), Loader=yaml.CSafeLoader)
        started.client.post(CUSTOM, json=definition).raise_for_status()
        _wait_until_established(started, definition["metadata"]["name"])
        yield started


def _wait_until_established(server: Server, name: str) -> None:
    deadline = time.monotonic() + ESTABLISHED_WITHIN_S
    while True:
        status = server.client.get(f"{CUSTOM}/{name}").raise_for_status().json().get("status", {})
        # Null until the server has looked at it first.
        conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
        if conditions.get("Established") == "True" and server.client.get("/apis/ray.io/v1/rayservices").status_code == 200:
            return
        assert time.monotonic() < deadline, f"the definition is not served: {conditions}"
        time.sleep(0.3)


def asked(server: Server, manifest: Manifest) -> httpx.Response:
    """What the server would do with it; nothing is kept."""
    return server.client.post(
        "/apis/ray.io/v1/namespaces/models/rayservices",
        params={"dryRun": "All", "fieldValidation": "Strict"},
        json=manifest | {"metadata": manifest["metadata"] | {"namespace": "models"}},
    )


@pytest.mark.parametrize("values", READY)
def test_rayservices_of_ready_values_are_accepted(server: Server, values: str) -> None:
    answer = asked(server, render(values).one("RayService"))
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("type_", ["NewCluster", "None"])
def test_a_rayservice_with_everything_switched_on_is_accepted(server: Server, type_: str) -> None:
    answer = asked(server, render(rayservice__upgradeStrategy={"type": type_}, **EVERYTHING).one("RayService"))
    assert answer.status_code == 201, answer.text


def unknown_field(service: dict[str, Any]) -> None:
    service["spec"]["rayClusterConfig"]["rayVersionz"] = "2"


def wrong_type(service: dict[str, Any]) -> None:
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["replicas"] = "two"


def no_head(service: dict[str, Any]) -> None:
    del service["spec"]["rayClusterConfig"]["headGroupSpec"]


def stranger_as_manager(service: dict[str, Any]) -> None:
    """A rule in CEL, which the schema alone does not hold."""
    service["spec"]["rayClusterConfig"]["managedBy"] = "somebody.example/else"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (unknown_field, "rayVersionz"),
        (wrong_type, "replicas"),
        (no_head, "headGroupSpec"),
        (stranger_as_manager, "managedBy field value must be"),
    ],
)
def test_what_kuberay_would_refuse_is_refused_with_its_place(
    server: Server, spoil: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    service = copy.deepcopy(render().one("RayService"))
    spoil(service)
    answer = asked(server, service)
    assert answer.status_code in (400, 422), answer.text
    assert complaint in answer.json()["message"]

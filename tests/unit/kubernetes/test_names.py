"""Names and labels: whatever a release or a model is called, Kubernetes takes what is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart import CHART, MODEL, MODES, Manifest, helm, refusal, render

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NAMES = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NUMBERS = ("4", "1e5", "null", "0x10", "true")


def labels(value: Any) -> Iterator[tuple[str, Any]]:
    """Every label, and every label that is selected by."""
    if isinstance(value, list):
        for each in value:
            yield from labels(each)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in {"labels", "matchLabels"} or (name == "selector" and value.get("type") == "ClusterIP"):
                yield from inner.items()
            else:
                yield from labels(inner)


def check(manifests: list[Manifest]) -> None:
    found = [pair for manifest in manifests for pair in labels(manifest)]
    assert len(found) > 50
    for name, value in found:
        assert isinstance(value, str), (name, value)
        assert LABEL.fullmatch(value), (name, value)
    for manifest in manifests:
        name, longest = manifest["metadata"]["name"], 63 if manifest["kind"] in {"Service", "RayService"} else 253
        assert NAMES.fullmatch(name), name
        assert len(name) <= longest, name


@pytest.mark.parametrize("mode", MODES)
def test_models_that_are_called_like_numbers_have_labels_of_text(mode: str) -> None:
    rendered = render(
        mode=mode, models=[MODEL | {"id": name, "replicas": 1} for name in NUMBERS], monitoring__kind="ServiceMonitor"
    )
    check(list(rendered.manifests))
    assert {f"engine-{name}" for name in NUMBERS} <= rendered.pods().keys()


def test_an_external_metric_of_a_model_called_like_a_number_is_selected_by_text() -> None:
    model = {name: value for name, value in MODEL.items() if name != "replicas"} | {"id": "4", "autoscaling": {"max_replicas": 2}}
    rendered = render(mode="standalone", models=[model], autoscaling__enabled=True, standalone__autoscaling__kind="hpa")
    (metric,) = rendered.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["external"]["metric"]["selector"] == {"matchLabels": {"model": "4"}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("release", ["42", "team-recommendations-inference-production-eu-west-1"])
def test_a_release_with_a_long_name_or_a_number(release: str, mode: str) -> None:
    options = ["--namespace", "2024", "--values", str(CHART / "values-8-gpus-gpt-oss-120b.yaml"), "--set", f"mode={mode}"]
    options += ["--set", "monitoring.kind=ServiceMonitor", *(("--set", "fullnameOverride=llm") if release == "42" else ())]
    outcome = helm("template", release, str(CHART), *options)
    assert outcome.returncode == 0, outcome.stderr
    check([each for each in yaml.load_all(outcome.stdout, Loader=yaml.CSafeLoader) if each])


@pytest.mark.parametrize("name", ["My-LLM", "llm_1", "1llm", "llm-"])
def test_a_name_that_a_service_could_not_have_is_refused(name: str) -> None:
    assert "fullnameOverride" in refusal(fullnameOverride=name)


@pytest.mark.parametrize("release", ["42", "my.release"])
def test_a_release_whose_name_a_service_could_not_have_needs_another(release: str) -> None:
    outcome = helm("template", release, str(CHART), "--values", str(CHART / "values-cpu-trial.yaml"))
    assert outcome.returncode != 0
    assert f"fullnameOverride: set it; no Service can be called {release}-ossature" in outcome.stderr


def test_names_of_scaled_objects_are_short_enough_for_keda_and_apart() -> None:
    """It makes labels of them."""
    scaled = {name: value for name, value in MODEL.items() if name != "replicas"} | {"autoscaling": {"max_replicas": 2}}
    models = [scaled | {"id": f"a-model-of-thirty-letters-{number}"} for number in (1, 2)]
    rendered = render(
        mode="standalone", models=models, autoscaling__enabled=True, fullnameOverride="team-recommendations-inference-prod-west"
    )
    found = {each["metadata"]["name"]: each["spec"]["scaleTargetRef"]["name"] for each in rendered.of("ScaledObject")}
    assert len(found) == 2
    assert all(len(f"keda-hpa-{name}") <= 63 and NAMES.fullmatch(name) for name in found)
    assert set(found.values()) <= {each["metadata"]["name"] for each in rendered.of("Deployment")}

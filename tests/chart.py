"""The Helm chart, rendered: what its tests share. Helm is where ``scripts/setup.sh --compat`` puts it, or on the path."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm" / "ossature"
PROGRAMS = ROOT / ".venv-kubernetes" / "bin"
READY = sorted(path.name for path in CHART.glob("values-*.yaml"))
MODES = ("rayservice", "standalone")
RELEASE = "demo"
NAME = f"{RELEASE}-ossature"
Manifest = dict[str, Any]


def program(name: str) -> str:
    """Path of a program; skips the test that asks for one which is not installed."""
    own = PROGRAMS / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: scripts/setup.sh --compat")
    return found


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Rendered:
    """The manifests of one rendering."""

    manifests: tuple[Manifest, ...]

    def of(self, kind: str) -> list[Manifest]:
        return [each for each in self.manifests if each["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        (found,) = [each for each in self.of(kind) if name is None or each["metadata"]["name"] == name]
        return found

    def pods(self) -> dict[str, Manifest]:
        """Template of every kind of pod, by its role; of engines by `engine-` and the model."""
        templates = [each["spec"]["template"] for each in self.of("Deployment")]
        for service in self.of("RayService"):
            cluster = service["spec"]["rayClusterConfig"]
            groups = [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])]
            templates += [group["template"] for group in groups]
        named = {}
        for template in templates:
            labels = template["metadata"]["labels"]
            named["-".join(filter(None, (labels["ossature/role"], labels.get("ossature/model"))))] = template
        return named

    def container(self, pod: str) -> Manifest:
        (container,) = self.pods()[pod]["spec"]["containers"]
        return dict(container)

    def environment(self, pod: str) -> dict[str, Manifest]:
        variables = self.container(pod)["env"]
        assert len({each["name"] for each in variables}) == len(variables), "a variable is given twice"
        return {each["name"]: each for each in variables}

    def config_text(self) -> str:
        return str(self.one("ConfigMap", f"{NAME}-config")["data"]["config.yaml"])

    def serve_config(self) -> Manifest:
        return dict(yaml.safe_load(self.one("RayService")["spec"]["serveConfigV2"]))


def render(values: str | None = None, mode: str = "rayservice", **settings: object) -> Rendered:
    """``settings``: dotted values, with `__` for the dot. Without a ready file: one small model on GPUs and a database."""
    return _render(values, mode, json.dumps(settings, sort_keys=True))


def refusal(values: str | None = None, mode: str = "rayservice", **settings: object) -> str:
    """What Helm says against values that must be refused."""
    outcome = _template(values, mode, settings)
    assert outcome.returncode != 0, "these values were accepted"
    return outcome.stderr


MODEL: Manifest = {
    "id": "acme/Model-1.5",
    "source": "acme/Model-1.5",
    "replicas": 2,
    "placement": {"gpus_per_worker": 1},
    "pods": {"tolerations": [{"key": "gpu", "operator": "Exists"}], "nodeSelector": {"gpu": "h100"}},
}
BASE: Manifest = {"database.urlSecret.name": "database", "models": [MODEL]}


@lru_cache(maxsize=128)
def _render(values: str | None, mode: str, settings: str) -> Rendered:
    outcome = _template(values, mode, json.loads(settings))
    assert outcome.returncode == 0, outcome.stderr
    return Rendered(tuple(each for each in yaml.load_all(outcome.stdout, Loader=yaml.CSafeLoader) if each))


def _template(values: str | None, mode: str, settings: dict[str, object]) -> subprocess.CompletedProcess[str]:
    given = {} if values else dict(BASE)
    given |= {name.replace("__", "."): value for name, value in settings.items()} | {"mode": mode}
    arguments = ["template", RELEASE, str(CHART), "--namespace", "models"]
    arguments += ["--values", str(CHART / values)] if values else []
    for name, value in given.items():
        arguments += ["--set-json", f"{name}={json.dumps(value)}"]
    return helm(*arguments)

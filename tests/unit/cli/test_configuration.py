"""`ossature config`: show, check, schema."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from cluster.config.reference import markdown
from tests.unit.cli.conftest import Run

CONFIGS = Path(__file__).parents[3] / "configs"


def test_show_prints_values_and_sources(run: Run) -> None:
    result = run("config", "show", env={"OSSATURE_HTTP__PORT": "8080"})
    assert yaml.safe_load(result.stdout)["http"]["port"] == 8080
    assert "# environment OSSATURE_HTTP__PORT" in result.stdout


def test_show_prints_json(run: Run) -> None:
    shown = json.loads(run("config", "show", "--config", str(CONFIGS / "bench.yaml"), "--model", "bench-qwen3", "--json").stdout)
    assert [model["id"] for model in shown["config"]["models"]] == ["bench-qwen3"]
    assert shown["sources"]["http.port"] == "default"
    assert shown["sources"]["models.0.engine.dtype"].startswith("file ")


def test_show_hides_secrets(run: Run) -> None:
    assert "hunter2" not in run("config", "show", env={"OSSATURE_SECRET": "hunter2" * 8}).output


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_refused_configuration_ends_with_2_and_lists_everything(run: Run, folder: Path, command: str) -> None:
    (folder / "c.yaml").write_text("http: {prot: 1}\nmodels: []\n")
    result = run("config", command, "-c", "c.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "c.yaml:1: http.prot: there is no such setting; did you mean `port`?" in result.stderr
    assert "models" in result.stderr


def test_check_prints_problems_as_json(run: Run, folder: Path) -> None:
    (folder / "c.yaml").write_text("http: {prot: 1}\nmodels: [{id: m, source: s}]\n")
    result = run("config", "check", "--json", env={"OSSATURE_CONFIG": "c.yaml"})
    assert result.exit_code == 2
    checked = json.loads(result.stdout)
    assert (checked["valid"], checked["engine_arguments_checked"]) == (False, False)
    assert [(each["path"], each["origin"], each["suggestion"]) for each in checked["problems"]] == [
        ("http.prot", "c.yaml:1", "port")
    ]


def test_check_without_the_engine_is_quick_and_says_so(run: Run) -> None:
    result = run("config", "check", "--no-engine")
    assert (result.exit_code, result.stdout) == (0, "The configuration is fine (engine arguments not checked by vLLM).\n")


@pytest.mark.slow
def test_check_asks_vllm_about_engine_arguments(run: Run, folder: Path) -> None:
    (folder / "m").mkdir()
    (folder / "m/config.json").write_text('{"model_type": "gpt_oss"}')
    (folder / "c.yaml").write_text("models: [{id: m, source: m, engine: {max_model_length: 5, dtype: bfloat17, seed: 1}}]\n")
    result = run("config", "check", "-c", "c.yaml", "--json")
    assert result.exit_code == 2
    checked = json.loads(result.stdout)
    assert checked["engine_arguments_checked"] is True
    assert len(checked["problems"]) == 2
    assert "max_model_length" in checked["problems"][0]["message"]
    (folder / "c.yaml").write_text("models: [{id: m, source: m, engine: {max_model_len: 5, seed: 1}}]\n")
    assert json.loads(run("config", "check", "-c", "c.yaml", "--json").stdout)["valid"] is True


def test_schema_prints_the_reference(run: Run) -> None:
    assert run("config", "schema").stdout == markdown()


def test_schema_prints_a_json_schema(run: Run) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(run("config", "schema", "--json-schema").stdout))


def test_an_unreadable_file_is_refused(run: Run) -> None:
    result = run("config", "check", "-c", "none.yaml")
    assert result.exit_code == 2
    assert "can't be read" in result.stderr


def test_ray_environment_prints_lines_for_a_shell(run: Run) -> None:
    arguments = ("config", "ray-environment", "--config", str(CONFIGS / "gpt-oss-120b-2nodes.yaml"))
    lines = run(*arguments).stdout.splitlines()
    assert "export RAY_SERVE_ENABLE_HA_PROXY=1" in lines
    assert not [line for line in lines if "OSX_CLUSTER" in line]
    variables = json.loads(run(*arguments, "--json").stdout)
    assert {f"export {name}={shlex.quote(value)}" for name, value in variables.items()} == set(lines)

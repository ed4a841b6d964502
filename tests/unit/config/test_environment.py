"""Settings from environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cluster.config.environment import CLI_VARIABLES
from cluster.config.fields import Kind, Setting, settings
from cluster.config.loading import ConfigError, load, load_with_sources
from cluster.config.problems import Problem


def problem(env: dict[str, str]) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load(None, env)
    (found,) = caught.value.problems
    return found


def _with_a_default() -> list[Setting]:
    return [s for s in settings() if s.default is not None and s.kind not in (Kind.SECTION, Kind.SECTIONS)]


@pytest.mark.parametrize("setting", _with_a_default(), ids=lambda setting: setting.path)
def test_every_setting_can_be_given_by_its_documented_variable(setting: Setting) -> None:
    variable = setting.environment_name.replace("<N>", "0")
    text = str(setting.default).lower() if setting.kind is Kind.SWITCH else str(setting.default)
    loaded = load_with_sources(None, {variable: text})
    location = tuple(0 if part == "[]" else part for part in setting.location)
    assert str(loaded.source_of(location)) == f"environment {variable}"


def test_list_items_are_addressed_by_number() -> None:
    assert load(None, {"OSSATURE_MODELS__0__REPLICAS": "2"}).models[0].replicas == 2


def test_the_next_number_adds_an_item() -> None:
    config = load(None, {"OSSATURE_MODELS__1__ID": "second", "OSSATURE_MODELS__1__SOURCE": "weights"})
    assert [model.id for model in config.models] == ["gpt-oss-demo", "second"]


def test_a_number_beyond_that_is_refused() -> None:
    found = problem({"OSSATURE_MODELS__2__ID": "third"})
    assert (found.origin, found.message, found.allowed) == ("OSSATURE_MODELS__2__ID", "the list ends before: it has 1", "0 to 1")


def test_engine_arguments_are_typed_as_in_the_file() -> None:
    engine = (
        load(
            None,
            {
                "OSSATURE_MODELS__0__ENGINE__MAX_MODEL_LEN": "4096",
                "OSSATURE_MODELS__0__ENGINE__ENFORCE_EAGER": "false",
                "OSSATURE_MODELS__0__ENGINE__HF_OVERRIDES__NUM_HIDDEN_LAYERS": "2",
            },
        )
        .models[0]
        .engine
    )
    assert engine["max_model_len"] == 4096
    assert engine["enforce_eager"] is False
    assert engine["hf_overrides"] == {"num_hidden_layers": 2}
    assert engine["block_size"] == 32


def test_names_of_variables_and_resources_keep_their_case() -> None:
    model = load(
        None,
        {
            "OSSATURE_MODELS__0__ENVIRONMENT__OMP_NUM_THREADS": "4",
            "OSSATURE_MODELS__0__ENVIRONMENT__A__b": "true",
            "OSSATURE_MODELS__0__PLACEMENT__RESOURCES_PER_WORKER__TPU-v4": "0.5",
        },
    ).models[0]
    assert model.environment["OMP_NUM_THREADS"] == "4"
    assert model.environment["A__b"] == "true"
    assert model.placement.resources_per_worker == {"TPU-v4": 0.5}


def test_a_whole_map_can_be_given() -> None:
    loaded = load_with_sources(None, {"OSSATURE_MODELS__0__ENGINE": "{max_model_len: 99}"})
    assert loaded.config.models[0].engine == {"max_model_len": 99}
    assert str(loaded.source_of(("models", 0, "engine", "max_model_len"))) == "environment OSSATURE_MODELS__0__ENGINE"


def test_an_outer_variable_is_applied_before_an_inner_one() -> None:
    env = {"OSSATURE_MODELS__0__ENGINE__SEED": "7", "OSSATURE_MODELS__0__ENGINE": "{max_model_len: 99}"}
    assert load(None, env).models[0].engine == {"max_model_len": 99, "seed": 7}


@pytest.mark.parametrize("text", ["", "null", "~"])
def test_an_optional_setting_can_be_unset(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("ray: {address: auto}\nmodels: [{id: m, source: s}]\n")
    assert load(path, {"OSSATURE_RAY__ADDRESS": text}).ray.address is None


def test_a_text_is_taken_as_it_stands() -> None:
    secret = "0123456789012345678901234567890123456789"
    config = load(None, {"OSSATURE_SECRET": secret, "OSSATURE_NAME": "123"})
    assert config.secret is not None
    assert config.secret.get_secret_value() == secret
    assert config.name == "123"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("OSSATURE_HTTP_PORT", "OSSATURE_HTTP__PORT"),
        ("OSSATURE_HTTP__PRT", "OSSATURE_HTTP__PORT"),
        ("OSSATURE_MODELS__1__REPLICA", "OSSATURE_MODELS__1__REPLICAS"),
        ("OSSATURE_API_KEYS", "OSSATURE_API_KEY"),
        ("OSSATURE_HTTP__PORT__X", "OSSATURE_HTTP__PORT"),
        ("OSSATURE_MODELS__X__ID", None),
        ("OSSATURE_", None),
    ],
)
def test_a_name_that_is_no_setting_is_refused(name: str, suggestion: str | None) -> None:
    found = problem({name: "1"})
    assert (found.origin, found.message) == (name, "no setting has this name")
    if suggestion is not None:
        assert found.suggestion == suggestion


def test_a_section_takes_no_value_of_its_own() -> None:
    assert "names a section" in problem({"OSSATURE_HTTP": "8080"}).message


def test_a_refused_value_names_its_variable() -> None:
    found = problem({"OSSATURE_HTTP__PORT": "many"})
    assert str(found) == 'OSSATURE_HTTP__PORT: http.port: is not allowed (given: "many"); allowed: whole number, 1 to 65535'


def test_a_value_that_is_no_yaml_is_refused() -> None:
    assert "is not valid YAML" in problem({"OSSATURE_HTTP__PORT": "[1"}).message


@pytest.mark.parametrize("name", sorted(CLI_VARIABLES))
def test_variables_of_the_command_line_are_no_settings(name: str) -> None:
    load(None, {name: "anything"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OSSATURE_SERVICE_HOST", "10.0.0.7"),
        ("OSSATURE_GATEWAY_SERVICE_PORT_HTTP", "80"),
        ("OSSATURE_PORT", "tcp://10.0.0.7:80"),
        ("OSSATURE_HTTP_PORT", "tcp://10.0.0.7:80"),
        ("OSSATURE_PORT_8000_TCP", "tcp://10.0.0.7:8000"),
        ("OSSATURE_PORT_8000_TCP_ADDR", "10.0.0.7"),
    ],
)
def test_variables_that_kubernetes_makes_for_a_service_are_ignored(name: str, value: str) -> None:
    load(None, {name: value})


def test_variables_of_others_are_ignored() -> None:
    load(None, {"PATH": "/bin", "OSSATURES_X": "1", "MY_OSSATURE_HTTP__PORT": "x"})


@hypothesis_settings(deadline=None)
@given(
    name=st.sampled_from([s.environment_name for s in settings()]).map(
        lambda name: name.replace("<N>", "0").replace("<NAME>", "X")
    ),
    text=st.text(max_size=20),
)
def test_whatever_a_variable_holds_it_is_taken_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    path = tmp_path_factory.mktemp("c") / "cluster.yaml"
    path.write_text("models: [{id: m, source: s}]")
    refused = ""
    try:
        load(path, {name: text})
    except ConfigError as error:
        refused = str(error)
    # A contradiction stands at the other of its two settings, and then names this one as the file would.
    assert not refused or name in refused or name.rpartition("__")[2].lower() in refused

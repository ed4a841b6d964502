"""Organizations, projects and keys from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_cluster import ADMIN_KEY, FakeCluster


def test_an_organization_is_created_listed_and_shown(run: Run, cluster: FakeCluster) -> None:
    assert run("org", "create", "acme").exit_code == 0
    assert "org_1" in run("org", "list").stdout
    run("project", "create", "--org", "acme", "web")
    run("key", "create", "--org", "acme", "--name", "laptop")
    shown = run("org", "show", "acme").stdout
    for word in ("org_1", "acme", "proj_1", "web", "key_1", "laptop", "sk-…abcd", "active"):
        assert word in shown
    as_json = json.loads(run("org", "show", "org_1", "--json").stdout)
    assert [as_json["id"], as_json["projects"][0]["id"], as_json["keys"][0]["id"]] == ["org_1", "proj_1", "key_1"]


def test_key_create_prints_the_key_for_scripts(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    created = json.loads(run("key", "create", "--org", "acme", "--json").stdout)
    assert (created["key"], created["id"]) == ("sk-key_1", "key_1")


def test_key_create_prints_nothing_but_the_key_on_standard_output(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    result = run("key", "create", "--org", "acme")
    assert result.stdout == "sk-key_1\n"
    assert "not shown again" in result.stderr


def test_a_key_is_made_in_the_project_that_is_named(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    run("project", "create", "--org", "acme", "web")
    assert json.loads(run("key", "create", "--org", "acme", "--project", "web", "--json").stdout)["project_id"] == "proj_1"
    assert cluster.requests[-1][2] == {"name": "command line", "project_id": "proj_1"}


def test_a_revoked_key_is_shown_as_revoked(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    run("key", "create", "--org", "acme")
    assert run("key", "revoke", "key_1").exit_code == 0
    assert "revoked" in run("key", "list", "--org", "acme").stdout
    assert json.loads(run("key", "list", "--org", "acme", "--json").stdout)["data"][0]["revoked_at"] is not None


def test_admin_keys_are_made_listed_apart_and_revoked(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    run("key", "create", "--org", "acme", "--name", "laptop")
    made = run("key", "create", "--admin", "--name", "second operator")
    assert made.stdout == "sk-admin-key_2\n"
    listed = run("key", "list", "--admin").stdout
    assert "key_2" in listed
    assert "second operator" in listed
    assert "laptop" not in listed
    assert "key_2" not in run("key", "list", "--org", "acme").stdout
    assert run("key", "revoke", "key_2").exit_code == 0
    assert json.loads(run("key", "list", "--admin", "--json").stdout)["data"][0]["revoked_at"] is not None


@pytest.mark.parametrize("verb", ["create", "list"])
@pytest.mark.parametrize("owner", [(), ("--org", "acme", "--admin")])
def test_keys_need_an_organization_or_admin_and_not_both(run: Run, cluster: FakeCluster, verb: str, owner: tuple[str, ...]) -> None:
    result = run("key", verb, *owner)
    assert result.exit_code == 2
    assert "--org ORG or --admin" in result.stderr
    assert cluster.requests == []


def test_an_admin_key_in_a_project_is_a_usage_error(run: Run, cluster: FakeCluster) -> None:
    assert run("key", "create", "--admin", "--project", "web").exit_code == 2
    assert cluster.requests == []


def test_revoking_an_unknown_key_ends_with_not_found(run: Run, cluster: FakeCluster) -> None:
    result = run("key", "revoke", "a/../b")
    assert result.exit_code == 5
    assert cluster.requests[-1][1] == "/admin/v1/keys/a%2F..%2Fb"


def test_lists_are_read_over_all_pages(run: Run, cluster: FakeCluster) -> None:
    for number in range(5):
        run("org", "create", f"o{number}")
    assert len(json.loads(run("org", "list", "--json").stdout)["data"]) == 5


def test_an_id_wins_over_the_name_of_another(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    run("org", "create", "org_1")
    assert json.loads(run("org", "show", "org_1", "--json").stdout)["name"] == "acme"


def test_a_name_that_several_have_asks_for_an_id(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "acme")
    run("org", "create", "acme")
    result = run("key", "create", "--org", "acme")
    assert result.exit_code == 2
    assert "org_1, org_2" in result.stderr


@pytest.mark.parametrize("arguments", [("org", "show", "x"), ("key", "create", "--org", "x"), ("project", "list", "--org", "x")])
def test_an_unknown_organization_ends_with_not_found(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 5
    assert "ossature org list" in result.stderr


@pytest.mark.parametrize("arguments", [("org", "list"), ("project", "list", "--org", "org_1"), ("key", "list", "--org", "org_1")])
def test_an_empty_list_says_what_to_do(run: Run, cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    if arguments[0] != "org":
        run("org", "create", "acme")
    result = run(*arguments)
    assert result.exit_code == 0
    assert "create" in result.stdout
    assert json.loads(run(*arguments, "--json").stdout) == {"object": "list", "data": []}


def test_models_are_listed_with_the_api_key(run: Run, cluster: FakeCluster) -> None:
    assert "second" in run("model", "list").stdout
    assert [each["id"] for each in json.loads(run("model", "list", "--json").stdout)["data"]] == ["first", "second"]


def test_text_from_the_cluster_can_not_steer_the_terminal(run: Run, cluster: FakeCluster) -> None:
    run("org", "create", "evil\x1b[2J\x07name")
    assert "\x1b[2J" not in run("org", "list").stdout
    assert "\x07" not in run("org", "list").stdout


# --- which cluster, which key ---------------------------------------------------------------------------------------------


def test_a_base_url_takes_its_key_from_the_environment_alone(run: Run, cluster: FakeCluster) -> None:
    refused = run("org", "list", "--base-url", cluster.url)
    assert refused.exit_code == 4
    assert "OSSATURE_ADMIN_KEY" in refused.stderr
    assert cluster.requests == []
    assert run("org", "list", "--base-url", f"{cluster.url}/v1/", env={"OSSATURE_ADMIN_KEY": ADMIN_KEY}).exit_code == 0


def test_variables_name_the_cluster(run: Run, cluster: FakeCluster, folder: Path) -> None:
    moved = (folder / ".run/endpoints.json").rename(folder / "e.json")
    assert run("org", "list").exit_code == 3
    assert run("org", "list", env={"OSSATURE_ENDPOINTS": str(moved)}).exit_code == 0
    assert run("org", "list", env={"OSSATURE_BASE_URL": cluster.url, "OSSATURE_ADMIN_KEY": ADMIN_KEY}).exit_code == 0


def test_an_option_wins_over_a_variable(run: Run, cluster: FakeCluster, folder: Path) -> None:
    env = {"OSSATURE_BASE_URL": "http://127.0.0.1:1", "OSSATURE_ENDPOINTS": "/none"}
    assert run("org", "list", "--endpoints", str(folder / ".run/endpoints.json"), env=env).exit_code == 0


def test_the_data_folder_of_the_configuration_is_looked_in(run: Run, cluster: FakeCluster, folder: Path) -> None:
    (folder / ".run").rename(folder / "elsewhere")
    assert run("org", "list", env={"OSSATURE_DATA_DIR": "elsewhere"}).exit_code == 0
    (folder / "c.yaml").write_text("data_dir: elsewhere\nmodels: [{id: m, source: s}]\n")
    assert run("org", "list", env={"OSSATURE_CONFIG": "c.yaml"}).exit_code == 0


def test_a_key_of_the_environment_wins_over_the_file(run: Run, cluster: FakeCluster) -> None:
    assert run("org", "list", env={"OSSATURE_ADMIN_KEY": "sk-wrong"}).exit_code == 4


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"http": 1}', '{"http": "http://x", "admin_key": 1}', '{"http": "ftp://x", "admin_key": "k"}']
)
def test_a_broken_endpoints_file_is_a_usage_error(run: Run, folder: Path, content: str) -> None:
    (folder / "e.json").write_text(content)
    assert run("org", "list", "--endpoints", "e.json").exit_code == 2

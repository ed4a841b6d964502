"""The generated reference says what the schema says."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from cluster.config import reference
from cluster.config.environment import CLI_VARIABLES
from cluster.config.fields import Kind, settings
from cluster.config.managed_arguments import MANAGED

ROOT = Path(__file__).parents[3]


def test_the_committed_page_is_up_to_date() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference.markdown(), "run `python -m cluster.config.reference`"


def test_check_tells_an_old_page_from_a_current_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert reference.main([str(page), "--check"]) == 1
    assert reference.main([str(page)]) == 0
    assert reference.main([str(page), "--check"]) == 0
    page.write_text(page.read_text().replace("8000", "8001"))
    assert reference.main([str(page), "--check"]) == 1


def test_every_setting_is_listed_with_its_variable_and_description() -> None:
    page = reference.markdown()
    leaves = [s for s in settings() if s.kind not in (Kind.SECTION, Kind.SECTIONS)]
    assert len(leaves) > 50
    for setting in leaves:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{setting.path}` |")]
        assert setting.environment_name in row
        assert setting.description
        assert reference.default_text(setting) in row
    for name in (*MANAGED, *CLI_VARIABLES):
        assert f"| `{name}` |" in page


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.path)
def test_names_with_a_unit_have_a_unit_in_the_reference(setting: object) -> None:
    path, unit = setting.path, setting.unit  # type: ignore[attr-defined]
    if path.endswith("_s"):
        assert unit == "seconds"
    if path.endswith("_bytes"):
        assert unit == "bytes"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_ready_made_files_validate_against_the_json_schema(path: Path) -> None:
    schema = reference.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_the_json_schema_refuses_an_unknown_name() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"models": [{"id": "m", "source": "s", "replica": 1}]}, reference.json_schema())

"""The Dockerfiles, read: what they pin, whom they run as, which of Debian's packages they hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.chart import ROOT

FILES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """Keyword and rest of each instruction; continued lines are joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(keyword.upper(), rest) for keyword, rest in pairs]


def installs(path: Path) -> list[str]:
    """Every command that puts Python packages into the image, those of scripts that it calls included."""
    text = " && ".join(rest for keyword, rest in instructions(path) if keyword == "RUN")
    if "scripts/setup.sh" in text:
        text += " && ".join(re.sub(r"\\\n\s*", " ", (ROOT / "scripts/setup.sh").read_text()).splitlines())
    return [each.strip() for each in re.split(r"&&|\n|;", text) if re.search(r"pip install", each)]


def test_there_is_an_image_for_gpus_and_one_for_cpus() -> None:
    assert [path.name for path in FILES] == ["cpu.Dockerfile", "gpu.Dockerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_run_as_root(path: Path) -> None:
    kinds = instructions(path)
    last_stage = kinds[max(number for number, (keyword, _) in enumerate(kinds) if keyword == "FROM") :]
    users = [rest for keyword, rest in last_stage if keyword == "USER"]
    assert users == ["10001:10001"]
    after = [keyword for keyword, _ in last_stage[[keyword for keyword, _ in last_stage].index("USER") :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)
    chown = " ".join(rest for keyword, rest in last_stage if keyword == "COPY")
    assert "--chown" not in chown, "the program's own files are root's, and can't be changed by who runs it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_python_package_is_pinned_by_hash(path: Path) -> None:
    commands = installs(path)
    assert commands
    for command in commands:
        own = re.search(r"--no-deps (--no-build-isolation )?-e \.", command)
        assert "--require-hashes" in command or own, command


def locks_of(path: Path) -> set[str]:
    """Locks that the image is made of."""
    text = path.read_text()
    named = set(re.findall(r"requirements/([a-z0-9-]+\.lock)", text))
    return (
        named
        | ({"uv.lock", "cpu.lock", "silero.lock"} if "scripts/setup.sh" in text else set())
        | ({"tuning.lock"} if "scripts/setup.sh --tuning" in text else set())
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_requirement_of_its_locks_has_a_hash(path: Path) -> None:
    for name in locks_of(path):
        text = (ROOT / "requirements" / name).read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
        assert entries
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == [], name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_holds_what_training_and_buckets_need(path: Path) -> None:
    assert {"tuning.lock", "object-store.lock"} <= locks_of(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_base_image_can_be_pinned_by_its_digest(path: Path) -> None:
    kinds = instructions(path)
    assert kinds[0][0] == "ARG"
    assert {rest.split()[0] for keyword, rest in kinds if keyword == "FROM"} == {"${PYTHON_IMAGE}"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_policy_of_licences_knows_every_package_of_debian(path: Path) -> None:
    policy = tomllib.loads((ROOT / "requirements" / "licences.toml").read_text())
    known = {each["package"] for each in policy["program"]}
    commands = " ".join(rest for keyword, rest in instructions(path) if keyword == "RUN")
    installed = {
        word
        for found in re.findall(r"apt-get install (.*?)(?:&&|$)", commands)
        for word in found.split()
        if not word.startswith("-")
    }
    assert installed
    assert installed - known == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_and_no_repository_reaches_an_image(path: Path) -> None:
    """What is not named in .dockerignore is left out, so that a file with a key beside the code can't be copied by chance."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for keyword, rest in instructions(path):
        assert keyword != "ADD"
        if keyword == "COPY" and "--from" not in rest:
            assert set(rest.split()[:-1]) <= kept


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_image_asks_for_no_gpu_of_its_own_accord(path: Path) -> None:
    """On a node whose default runtime is NVIDIA's it would be shown all of them; who is to have some is told which."""
    assert "NVIDIA_VISIBLE_DEVICES" not in path.read_text()

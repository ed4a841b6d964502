"""Generations of the cluster secret: made once, rotated, retired; and what each lets in."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from cluster.config.schema import ClusterConfig
from cluster.config.settings.prompt_cache import PromptCacheSettings, Retention
from cluster.edges.realtime.client_secrets import Grant, SecretSealer
from cluster.errors import Unauthenticated
from cluster.prompt_cache.salt import SaltDeriver
from cluster.relay.channel.handshake import ChannelKey, new_life, new_nonce
from cluster.runtime.cluster_secret import Generations, SecretError, SecretFile
from cluster.runtime.doctor.finding import Outcome
from cluster.runtime.doctor.secrets import SecretGenerations
from cluster.runtime.preparation import StartError, prepare
from cluster.runtime.run_record import RunRecord
from cluster.spoken.audio_ids import AudioIds
from tests.unit.cli.conftest import Run, run
from tests.unit.runtime.doctor.conftest import said

__all__ = ["run"]

OLD, NEW, NEXT = b"o" * 32, b"n" * 32, b"x" * 32


@pytest.fixture
def file(tmp_path: Path) -> SecretFile:
    return SecretFile(tmp_path, lambda: 1000.0)


def test_starts_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    found: list[Generations] = []
    threads = [threading.Thread(target=lambda: found.append(SecretFile(tmp_path).ensured())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.current.secret for each in found}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cluster-secret"]
    assert (tmp_path / "cluster-secret").stat().st_mode & 0o077 == 0


def test_a_rotation_makes_a_current_generation_and_keeps_the_former_accepted(file: SecretFile) -> None:
    first = file.ensured()
    rotated = file.rotate()
    assert rotated.accepted == first.current
    assert rotated.current.secret != first.current.secret
    assert file.read() == rotated
    assert file.path.stat().st_mode & 0o077 == 0


def test_a_third_generation_is_refused_until_one_is_retired(file: SecretFile) -> None:
    file.ensured()
    file.rotate()
    with pytest.raises(SecretError, match="two generations live already"):
        file.rotate()
    file.retire(lifetime_s=0, started_at=1000.0)
    file.rotate()


def test_a_generation_is_retired_when_nothing_made_with_it_can_be_valid(file: SecretFile) -> None:
    first = file.ensured()
    with pytest.raises(SecretError, match="one generation only"):
        file.retire(lifetime_s=0)
    rotated = file.rotate()
    with pytest.raises(SecretError, match="another 7200 s"):
        file.retire(lifetime_s=7200, started_at=1000.0)
    with pytest.raises(SecretError, match="started before the rotation"):
        file.retire(lifetime_s=0, started_at=900.0)
    assert file.read() == rotated
    retired = file.retire(lifetime_s=7200, force=True)
    assert retired == Generations(rotated.current)
    assert first.current.secret not in file.path.read_text()


def test_how_long_a_former_generation_was_used_is_not_known_of_a_cluster_that_does_not_run(tmp_path: Path) -> None:
    """It may have run on for hours after the rotation and been stopped just now, with client secrets that are minutes old."""
    now = [1000.0]
    file = SecretFile(tmp_path, lambda: now[0])
    file.ensured()
    rotated = file.rotate()
    now[0] += 10 * 7200
    with pytest.raises(SecretError, match="no cluster runs"):
        file.retire(lifetime_s=7200)
    assert file.read() == rotated
    file.retire(lifetime_s=7200, started_at=1000.0 + 9 * 7200)
    assert file.read() == Generations(rotated.current)


def test_a_file_of_one_line_without_a_time_is_the_first_generation(file: SecretFile) -> None:
    file.path.write_text("a" * 64 + "\n")
    found = file.read()
    assert found is not None
    assert (found.current.secret, found.current.made_at, found.accepted) == ("a" * 64, None, None)
    assert file.rotate().accepted == found.current


def test_a_secret_written_by_hand_may_hold_spaces(file: SecretFile) -> None:
    file.path.write_text("correct horse battery staple and more\n")
    rotated = file.rotate()
    assert rotated.accepted is not None
    assert rotated.accepted.secret == "correct horse battery staple and more"
    assert file.read() == rotated


@pytest.mark.parametrize("content", ["", "short\n", "a" * 64 + "\nshort\n", ("a" * 64 + "\n") * 3])
def test_a_file_that_holds_no_secret_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster-secret").write_text(content)
    with pytest.raises(StartError, match="no usable cluster secret"):
        prepare(configured(tmp_path))


def configured(folder: Path, **settings: object) -> ClusterConfig:
    return ClusterConfig.model_validate({"data_dir": folder, "models": [{"id": "m", "source": "org/model"}], **settings})


def test_a_start_takes_both_generations_from_the_file_or_both_from_the_configuration(tmp_path: Path, file: SecretFile) -> None:
    first = file.ensured()
    rotated = file.rotate()
    current, accepted = prepare(configured(tmp_path)).secret_generations
    assert (current.decode(), accepted.decode()) == (rotated.current.secret, first.current.secret)
    given = prepare(configured(tmp_path, secret=NEW.decode(), accepted_secret=OLD.decode()))
    assert given.secret_generations == (NEW, OLD)
    assert prepare(configured(tmp_path, secret=NEW.decode())).secret_generations == (NEW,)


def test_client_secrets_of_both_generations_open_and_new_ones_are_of_the_current() -> None:
    grant = Grant(key_id="key_1", expires_at=100)
    former, both, after = SecretSealer.of(OLD), SecretSealer.of(NEW, OLD), SecretSealer.of(NEW)
    assert both.open(former.seal(grant), 0) == grant
    assert after.open(both.seal(grant), 0) == grant
    for sealer, secret in ((after, former.seal(grant)), (both, SecretSealer.of(NEXT).seal(grant))):
        with pytest.raises(Unauthenticated):
            sealer.open(secret, 0)


def test_audio_ids_of_both_generations_are_known_and_stay_their_organizations() -> None:
    former, both, after = AudioIds.of(OLD), AudioIds.of(NEW, OLD), AudioIds.of(NEW)
    made = former.made("org_a", "hello", 100)
    assert both.transcript("org_a", made, 0) == "hello"
    assert both.transcript("org_b", made, 0) is None
    assert after.transcript("org_a", both.made("org_a", "new", 100), 0) == "new"
    assert after.transcript("org_a", made, 0) is None


@pytest.mark.parametrize(
    ("replica", "gateway", "agreed"),
    [
        (ChannelKey.of(OLD), ChannelKey.of(OLD, NEW), True),  # the next one is accepted everywhere first
        (ChannelKey.of(NEW, OLD), ChannelKey.of(OLD, NEW), True),  # then they change places, one process after the other
        (ChannelKey.of(OLD, NEW), ChannelKey.of(NEW, OLD), True),
        (ChannelKey.of(NEW, OLD), ChannelKey.of(NEW), True),  # then the former goes
        (ChannelKey.of(NEW, OLD), ChannelKey.of(OLD), False),  # without the first step
        (ChannelKey.of(OLD), ChannelKey.of(NEW), False),
    ],
)
def test_channels_open_between_processes_in_neighbouring_steps_of_a_rotation(
    replica: ChannelKey, gateway: ChannelKey, agreed: bool
) -> None:
    challenge = new_nonce()
    hello = replica.hello(challenge, new_life(), "replica", new_life(), new_nonce())
    assert gateway.admits(challenge, hello) is agreed
    if agreed:
        assert replica.trusts(challenge, hello, gateway.welcome(challenge, hello))


def test_salts_are_of_the_current_generation_alone_so_that_a_rotation_makes_caches_cold() -> None:
    def salt(secret: bytes) -> str:
        return SaltDeriver(secret, PromptCacheSettings(), lambda: 0.0).salt("org_a", "m", Retention.IN_MEMORY, b"anchor", None)

    assert salt(OLD) == salt(OLD)
    assert salt(OLD) != salt(NEW)


def test_the_commands_show_fingerprints_and_never_a_secret(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSATURE_DATA_DIR", str(tmp_path))
    assert "the first start makes it" in run("secret", "list").stdout
    assert run("secret", "rotate").exit_code == 1
    first = SecretFile(tmp_path).ensured()
    rotated = json.loads(run("secret", "rotate", "--json").stdout)["data"]
    assert [each["use"] for each in rotated] == ["current", "accepted"]
    assert rotated[1]["fingerprint"] == first.current.fingerprint
    shown = run("secret", "list").stdout + run("secret", "list", "--json").stdout
    assert first.current.secret not in shown
    assert run("secret", "retire").exit_code == 1
    assert len(json.loads(run("secret", "retire", "--force", "--json").stdout)["data"]) == 1


def test_a_secret_of_the_configuration_is_not_rotated_here(run: Run, tmp_path: Path) -> None:
    refused = run("secret", "rotate", env={"OSSATURE_SECRET": "s" * 32, "OSSATURE_DATA_DIR": str(tmp_path)})
    assert refused.exit_code == 2
    assert "accepted_secret" in refused.stderr


def doctor(folder: Path, run: RunRecord | None = None, now: float = 2000.0, **settings: object) -> Outcome:
    return said(SecretGenerations(configured(folder, **settings), run, lambda: now))["cluster secret"].outcome


def test_the_doctor_looks_at_generations_and_modes(tmp_path: Path, file: SecretFile) -> None:
    assert doctor(tmp_path) is Outcome.OK
    file.ensured()
    assert doctor(tmp_path) is Outcome.OK
    file.rotate()
    assert doctor(tmp_path) is Outcome.OK
    assert doctor(tmp_path, RunRecord(1, "r", 500.0)) is Outcome.WARNING, "the cluster that runs doesn't know the new one"
    assert doctor(tmp_path, now=1000.0 + 8 * 86_400) is Outcome.WARNING, "a rotation left half done"
    file.path.chmod(0o644)
    assert doctor(tmp_path) is Outcome.PROBLEM
    file.path.write_text("short")
    assert doctor(tmp_path) is Outcome.PROBLEM
    assert doctor(tmp_path, secret="s" * 32) is Outcome.OK


def test_the_doctor_cannot_tell_of_files_that_it_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "credentials.json").write_text("{}")
    found = said(SecretGenerations(configured(tmp_path), None))
    assert found["first keys"].outcome is Outcome.PROBLEM
    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    found = said(SecretGenerations(configured(tmp_path), None))
    assert {finding.outcome for finding in found.values()} == {Outcome.UNKNOWN}

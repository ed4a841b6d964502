"""Bill of materials, licences and known vulnerabilities of the locked packages.

    python scripts/supply_chain licences
    python scripts/supply_chain sbom [--folder build/sbom]
    python scripts/supply_chain advisories

Ends with 0, with 1 when something is wrong, and with 3 when nobody could be asked for advisories.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from supply_chain import advisories  # noqa: E402
from supply_chain.bill import bill  # noqa: E402
from supply_chain.licences import Policy, PolicyError, judge  # noqa: E402
from supply_chain.packages import locked, pinned  # noqa: E402

REQUIREMENTS = ROOT / "requirements"
POLICY = REQUIREMENTS / "licences.toml"
AUDIT_PROGRAMS = ROOT / ".venv-audit" / "bin"
#: What the images hold. `uv` only installs.
IMAGES = {image: [f"{image}.lock", "silero.lock", "tuning.lock", "object-store.lock"] for image in ("cpu", "gpu")}
#: The environment that has the S3 driver.
ELSEWHERE = sorted((ROOT / ".venv-s3").glob("lib/python3.*/site-packages"))
UNASKED = 3


def main() -> int:
    parser = argparse.ArgumentParser(description="What the cluster is made of, and whether that may stay.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("licences")
    sbom = verbs.add_parser("sbom")
    sbom.add_argument("--folder", type=Path, default=ROOT / "build" / "sbom")
    verbs.add_parser("advisories")
    options = parser.parse_args()
    try:
        if options.verb == "licences":
            return check_licences()
        if options.verb == "sbom":
            return write_bills(options.folder)
        return check_advisories()
    except (OSError, ValueError, PolicyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def check_licences() -> int:
    verdict = judge(locked((REQUIREMENTS / name for name in IMAGES["cpu"]), ELSEWHERE), Policy.read(POLICY))
    for each in verdict.refused:
        print(f"licence: {each}", file=sys.stderr)
    elsewhere = sorted(each.name for each in locked([REQUIREMENTS / "gpu.lock"]) if each.metadata is None)
    print(f"licences: {verdict.looked_at} packages looked at by {POLICY.relative_to(ROOT)}, {len(verdict.refused)} refused")
    if verdict.unread:
        print(f"error: not installed, and so not looked at: {', '.join(verdict.unread)}", file=sys.stderr)
    print(f"licences: {len(elsewhere)} packages of the GPU image alone are not installed here, and were not looked at")
    return 1 if verdict.refused or verdict.unread else 0


def write_bills(folder: Path) -> int:
    """One for each image. Checked against CycloneDX's schema where the library for it is installed."""
    policy, version = Policy.read(POLICY), _version()
    folder.mkdir(parents=True, exist_ok=True)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    paths = []
    for image, locks in IMAGES.items():
        packages = locked((REQUIREMENTS / name for name in locks), ELSEWHERE)
        path = folder / f"ossature-{image}.cdx.json"
        path.write_text(json.dumps(bill("ossature", version, locks, packages, policy, when), indent=1) + "\n", encoding="utf-8")
        unread = sum(package.metadata is None for package in packages)
        print(f"{path}: {len(packages)} packages, {unread} of them without a licence, since they are not installed here")
        paths.append(path)
    return validate(paths)


def validate(paths: list[Path]) -> int:
    python = AUDIT_PROGRAMS / "python"
    if not python.exists():
        print("not checked against CycloneDX's schema: scripts/setup.sh --audit installs what does it", file=sys.stderr)
        return 0
    validator = Path(__file__).with_name("validate_bill.py")
    return subprocess.run([str(python), str(validator), *map(str, paths)], check=False).returncode


def check_advisories() -> int:
    known = advisories.tolerated(POLICY, datetime.now(UTC).date())
    pip_audit = AUDIT_PROGRAMS / "pip-audit"
    try:
        # One image after the other: their locks pin different builds of some packages.
        answers = [advisories.ask(pip_audit, _pins(locks)) for locks in IMAGES.values()]
    except advisories.NotAsked as reason:
        print(f"NOT AUDITED: known vulnerabilities could not be asked for. {reason}", file=sys.stderr)
        return UNASKED
    found = list(dict.fromkeys(each for answer in answers for each in answer.found))
    passed_over = list(dict.fromkeys(each for answer in answers for each in answer.passed_over))
    left = advisories.open_ones(found, known)
    for each in left:
        print(f"advisory: {each}", file=sys.stderr)
    print(f"advisories: {len(found)} found, {len(found) - len(left)} of them tolerated with a reason")
    if passed_over:
        print(f"NOT AUDITED: {len(passed_over)} packages, of which the service knows nothing; {passed_over[0]}", file=sys.stderr)
    return 1 if left else UNASKED if passed_over else 0


def _pins(locks: list[str]) -> dict[str, str]:
    return {name: version for lock in locks for name, version in pinned(REQUIREMENTS / lock).items()}


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


if __name__ == "__main__":
    sys.exit(main())

"""Generates the Python code of ``protos/`` into ``cluster/edges/grpc/generated/``; ``--check`` only tells whether it is up to date.

protoc writes imports relative to the root of the protos (``from ossature.v1 import …``), which would need that root on the
module search path. They are rewritten to the package that the code lives in, so that it imports like any other module.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "cluster" / "edges" / "grpc" / "generated"
PACKAGE = "cluster.edges.grpc.generated"

_OWN_IMPORT = re.compile(r"^(from|import) (?=ossature\b)", re.MULTILINE)
_INIT = '"""Generated from protos/ by scripts/generate_protos.py. Do not edit."""\n'


def generate(out: Path) -> None:
    """Write the code of every proto below ``PROTOS`` to the empty folder ``out``.

    Raises ``RuntimeError`` if protoc refuses one of them.
    """
    sources = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    code = protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *outputs, *sources])
    if code != 0:
        raise RuntimeError(f"protoc ended with code {code}")
    for stub in out.rglob("*_pb2_grpc.py"):
        if "def add_" not in stub.read_text(encoding="utf-8"):
            stub.unlink()  # a file without services gets an empty one
    for module in (*out.rglob("*.py"), *out.rglob("*.pyi")):
        module.write_text(_OWN_IMPORT.sub(rf"\g<1> {PACKAGE}.", module.read_text(encoding="utf-8")), encoding="utf-8")
    for folder in (out, *(path for path in out.rglob("*") if path.is_dir())):
        (folder / "__init__.py").write_text(_INIT, encoding="utf-8")


def differences(fresh: Path, committed: Path) -> list[str]:
    """What tells ``committed`` apart from ``fresh``, one line a file; empty when it is up to date."""
    expected, found = _files(fresh), _files(committed)
    return [
        *(f"missing: {name}" for name in sorted(expected.keys() - found.keys())),
        *(f"left over: {name}" for name in sorted(found.keys() - expected.keys())),
        *(f"differs: {name}" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]),
    ]


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the committed code is out of date")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        changed = differences(fresh, GENERATED)
        if options.check:
            for line in changed:
                print(line, file=sys.stderr)
            if changed:
                print("The code does not match protos/. Run: python scripts/generate_protos.py", file=sys.stderr)
            return 1 if changed else 0
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(fresh, GENERATED)
    print(f"{len(changed)} file(s) changed in {GENERATED.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The folder tree is the architecture: imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "cluster"

#: Lower layers know nothing of higher ones. Names in one layer may use each other.
LAYERS = (
    {"config", "errors", "heap"},
    {"store", "telemetry"},
    {
        "identity",
        "images",
        "admission",
        "prompt_cache",
        "routing",
        "engine",
        "relay",
        "speech",
        "completions",
        "files",
        "jobs",
        "tuned",
    },
    {"inference", "replay"},
    {"realtime", "spoken", "evals", "tuning"},
    {"edges"},
    {"app", "runtime", "cli", "job_handlers", "distilling"},
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
#: What domain code must not know.
FOREIGN = {
    "routing": {"ray", "fastapi", "starlette", "grpc", "httpx"},
    "replay": {"ray", "fastapi", "starlette", "grpc", "httpx", "vllm", "torch"},
    "prompt_cache": {"ray", "fastapi", "starlette", "grpc", "httpx"},
    "identity": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "admission": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "completions": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "files": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "jobs": {"ray", "fastapi", "starlette", "grpc", "httpx", "vllm", "torch"},
    "tuned": {"ray", "fastapi", "starlette", "grpc", "vllm", "torch"},
    "store": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "config": {"ray", "fastapi", "starlette", "grpc", "vllm", "torch"},
    "errors": {"ray", "fastapi", "starlette", "grpc", "vllm"},
    "speech": {"fastapi", "starlette", "grpc", "httpx", "vllm"},
    "telemetry": {"ray", "fastapi", "starlette", "grpc"},
    "images": {"ray", "fastapi", "starlette", "grpc", "httpx", "vllm", "torch"},
    "inference": {"fastapi", "starlette", "grpc", "vllm"},
    "spoken": {"ray", "fastapi", "starlette", "grpc", "httpx", "vllm", "torch"},
    "evals": {"ray", "fastapi", "starlette", "grpc", "httpx", "vllm", "torch"},
    "distilling": {"ray", "fastapi", "starlette", "grpc", "httpx", "typer", "vllm", "torch"},
    "tuning": {"fastapi", "starlette", "grpc", "httpx", "vllm"},
    "realtime": {"ray", "fastapi", "starlette", "grpc", "vllm", "torch", "websockets"},
}


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "generated" not in path.parts]


def area(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Absolute names of everything that a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "cluster" else {module}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_point_down(path: Path) -> None:
    here = area(path)
    if here == "__init__":
        return
    assert here in RANK, f"{here} has no layer"
    for name in imported(path):
        if name.startswith("cluster."):
            target = name.split(".")[1]
            if target in RANK:
                assert RANK[target] <= RANK[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_domain_code_knows_no_frameworks(path: Path) -> None:
    foreign = FOREIGN.get(area(path), set())
    assert not {name.split(".")[0] for name in imported(path)} & foreign

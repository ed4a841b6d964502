"""Which running cluster a command talks to, and with which keys."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.output import CommandError, ExitCode

EndpointsOption = Annotated[
    Path | None,
    typer.Option(
        "--endpoints", help="Endpoints file of the cluster (OSSATURE_ENDPOINTS); default: endpoints.json in the data folder."
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--base-url", help="HTTP address instead of an endpoints file (OSSATURE_BASE_URL); keys then come from the environment."
    ),
]

_START = "Start one with `ossature serve` or `make run`, or name one with --endpoints or --base-url."


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster's HTTP address (no trailing slash, no ``/v1``) and the keys known for it. ``found_in`` says where from.

    ``grpc``: ``host:port`` of its gRPC edge, where the endpoints file tells it.
    """

    base_url: str
    api_key: str | None
    admin_key: str | None
    found_in: str
    grpc: str | None = None


def find_target(endpoints: Path | None, base_url: str | None, env: Mapping[str, str] = os.environ) -> Target:
    """``--base-url``, ``--endpoints``, their variables in the same order, else the endpoints file in the data folder.

    Keys of the environment win over those of the file; with a base URL the file is not read, so that its keys go to no other
    server. Raises :class:`CommandError`.
    """
    api_key, admin_key = env.get("OSSATURE_API_KEY") or None, env.get("OSSATURE_ADMIN_KEY") or None
    if base_url is None and endpoints is None:
        base_url = env.get("OSSATURE_BASE_URL") or None
    if base_url is not None:
        return Target(_trimmed(base_url), api_key, admin_key, "--base-url or OSSATURE_BASE_URL")
    path = endpoints or (Path(env["OSSATURE_ENDPOINTS"]) if env.get("OSSATURE_ENDPOINTS") else data_dir(env) / "endpoints.json")
    content = _read(path)
    return Target(
        base_url=_trimmed(content["http"]),
        api_key=api_key or _text(content, "api_key", path),
        admin_key=admin_key or _text(content, "admin_key", path),
        found_in=str(path),
        grpc=_text(content, "grpc", path),
    )


def data_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The data folder that the cluster's configuration names: its default unless a variable says otherwise."""
    if env.get("OSSATURE_CONFIG"):
        from cluster.config.loading import load

        return load(Path(env["OSSATURE_CONFIG"]), env).data_dir
    return Path(env.get("OSSATURE_DATA_DIR", ".run"))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandError(
            f"no running cluster found: there is no {path}", next_step=_START, exit_code=ExitCode.UNREACHABLE
        ) from None
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", next_step=_START, exit_code=ExitCode.UNREACHABLE) from error
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("http"), str):
        raise CommandError(f"{path} is no endpoints file", next_step=_START, exit_code=ExitCode.USAGE)
    return content


def _text(content: Mapping[str, Any], name: str, path: Path) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise CommandError(f"{path} is no endpoints file: {name} is not text", next_step=_START, exit_code=ExitCode.USAGE)
    return value or None


def _trimmed(base_url: str) -> str:
    trimmed = base_url.rstrip("/").removesuffix("/v1").rstrip("/")
    if not trimmed.startswith(("http://", "https://")):
        raise CommandError(
            f"{base_url!r} is no HTTP address", next_step="It looks like http://127.0.0.1:8000.", exit_code=ExitCode.USAGE
        )
    return trimmed

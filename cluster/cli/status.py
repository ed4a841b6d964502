"""``ossature status``: what runs, as the cluster itself sees it."""

from __future__ import annotations

from typing import Any

import typer

from cluster.cli.output import CommandError, JsonFlag, command, emit_json, emit_table
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target


@command
def status(as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None) -> None:
    """Show the running cluster's models and replicas. Ends with 1 while a model has no replica, with 3 when nothing answers.

    Example: ossature status --json
    """
    from cluster.cli.client import ClusterClient

    target = find_target(endpoints, base_url)
    with ClusterClient(target, admin=True) as client:
        state = client.get("/admin/v1/status")
    if as_json:
        emit_json(state)
    else:
        typer.echo(f"{state['name']} {state['version']} at {target.base_url}: {'ready' if state['ready'] else 'not ready'}")
        rows = [
            (model["id"], f"{len(model['replicas'])} of {_wanted(model)}", model["organization"] or "all")
            for model in state["models"]
        ]
        emit_table(("model", "replicas", "organization"), rows, empty="No model is configured.")
        typer.echo(_speech(state["speech"]))
    if not state["ready"]:
        raise CommandError("not every model has a replica yet", next_step="Cold starts take minutes for large models; try again.")


def _wanted(model: dict[str, Any]) -> str:
    fewest, most = model["replicas_wanted"], model.get("replicas_max")
    return str(fewest) if most in (None, fewest) else f"{fewest} to {most}"


def _speech(state: dict[str, Any] | None) -> str:
    if state is None:
        return "speech: off"
    if not state["ready"]:
        return "speech: starting"
    voices = ", ".join(voice["id"] for voice in state["voices"])
    return f"speech: ready; voices: {voices or 'none, answers are in writing (make voices installs some)'}"

"""``ossature model``: the models that a key may use."""

from __future__ import annotations

import typer

from cluster.cli.output import JsonFlag, command, emit_json, emit_table, when
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Models: list.")


@app.command("list")
@command
def list_(as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None) -> None:
    """List the models that the API key may use.

    Example: ossature model list
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        models = client.list("/v1/models")
    if as_json:
        emit_json({"object": "list", "data": models})
        return
    rows = [(each.get("id"), each.get("owned_by"), when(each.get("created"))) for each in models]
    emit_table(("model", "owned by", "created"), rows, empty="This key may use no model.")

"""``ossature key``: API keys of an organization. A key is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from cluster.cli.organizations import OrganizationOption, organization_path, pick, print_keys
from cluster.cli.output import JsonFlag, command, emit_json
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")


@app.command()
@command
def create(
    organization: OrganizationOption,
    project: Annotated[
        str | None, typer.Option("--project", help="Project of the key: its id or its name; default: the default project.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="A name to recognize the key by.")] = "command line",
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create an API key. It is shown this once and can't be read again.

    Example: export OSSATURE_API_KEY=$(ossature key create --org acme --json | jq -r .key)
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        path = organization_path(client, organization)
        body = {"name": name}
        if project is not None:
            body["project_id"] = pick(client.list(f"{path}/projects"), project, "project")
        created = client.post(f"{path}/keys", body)
    if as_json:
        emit_json(created)
        return
    typer.echo(created.get("key"))
    typer.echo(f"Key {created.get('id')}: keep it now, it is not shown again.", err=True)


@app.command("list")
@command
def list_(
    organization: OrganizationOption, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """List the keys of an organization, without their secrets.

    Example: ossature key list --org acme
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        keys = client.list(f"{organization_path(client, organization)}/keys")
    if as_json:
        emit_json({"object": "list", "data": keys})
    else:
        print_keys(keys)


@app.command()
@command
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `ossature key list` shows it.")],
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Revoke a key: within a second no gateway takes it any more.

    Example: ossature key revoke key_0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        revoked = client.delete(f"/admin/v1/keys/{quote(key_id, safe='')}")
    if as_json:
        emit_json(revoked)
    else:
        typer.echo(f"Key {key_id} is revoked.")

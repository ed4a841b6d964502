"""``ossature key``: API keys of an organization, and admin keys. A key is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from cluster.cli.organizations import organization_path, pick, print_keys
from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="API keys and admin keys: create, list, revoke.")

ADMIN_PATH = "/admin/v1/keys"

OwnerOption = Annotated[str | None, typer.Option("--org", help="Organization: its id or its name.")]
AdminFlag = Annotated[bool, typer.Option("--admin", help="Admin keys, which belong to no organization.")]


@app.command()
@command
def create(
    organization: OwnerOption = None,
    admin: AdminFlag = False,
    project: Annotated[
        str | None, typer.Option("--project", help="Project of the key: its id or its name; default: the default project.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="A name to recognize the key by.")] = "command line",
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create an API key or, with --admin, a key for administration. It is shown this once and can't be read again.

    Example: export OSSATURE_API_KEY=$(ossature key create --org acme --json | jq -r .key)
    """
    from cluster.cli.client import ClusterClient

    _require_one_owner(organization, admin=admin)
    if admin and project is not None:
        raise CommandError("an admin key belongs to no project", next_step="Leave out --project.", exit_code=ExitCode.USAGE)
    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        body = {"name": name}
        if organization is None:
            created = client.post(ADMIN_PATH, body)
        else:
            path = organization_path(client, organization)
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
    organization: OwnerOption = None,
    admin: AdminFlag = False,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """List the keys of an organization or, with --admin, the admin keys, without their secrets.

    Example: ossature key list --org acme
    """
    from cluster.cli.client import ClusterClient

    _require_one_owner(organization, admin=admin)
    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        keys = client.list(ADMIN_PATH if organization is None else f"{organization_path(client, organization)}/keys")
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
    """Revoke a key of either kind: within a second no gateway takes it any more.

    Example: ossature key revoke key_0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        revoked = client.delete(f"{ADMIN_PATH}/{quote(key_id, safe='')}")
    if as_json:
        emit_json(revoked)
    else:
        typer.echo(f"Key {key_id} is revoked.")


def _require_one_owner(organization: str | None, *, admin: bool) -> None:
    if admin == (organization is not None):
        raise CommandError(
            "name an organization or ask for admin keys, one of the two",
            next_step="Use --org ORG or --admin; `ossature org list` shows the organizations.",
            exit_code=ExitCode.USAGE,
        )

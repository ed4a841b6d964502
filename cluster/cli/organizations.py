"""``ossature org``: the organizations of a cluster."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, when
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Organizations: create, list, show.")

PATH = "/admin/v1/organizations"

OrganizationOption = Annotated[str, typer.Option("--org", help="Organization: its id or its name.")]


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="Name of the new organization.")],
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create an organization.

    Example: ossature org create acme
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        created = client.post(PATH, {"name": name})
    if as_json:
        emit_json(created)
        return
    _print_organizations([created])
    typer.echo(f"Next: ossature key create --org {created.get('id')}")


@app.command("list")
@command
def list_(as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None) -> None:
    """List the organizations.

    Example: ossature org list --json
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        organizations = client.list(PATH)
    if as_json:
        emit_json({"object": "list", "data": organizations})
    else:
        _print_organizations(organizations)


@app.command()
@command
def show(
    organization: Annotated[str, typer.Argument(metavar="ORG", help="Organization: its id or its name.")],
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Show one organization with its projects and keys.

    Example: ossature org show acme
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        path = organization_path(client, organization)
        found = client.get(path)
        projects, keys = client.list(f"{path}/projects"), client.list(f"{path}/keys")
    if as_json:
        emit_json({**found, "projects": projects, "keys": keys})
        return
    _print_organizations([found])
    typer.echo()
    print_projects(projects)
    typer.echo()
    print_keys(keys)


def organization_path(client: Any, id_or_name: str) -> str:
    """Admin path of the organization with this id or name. Raises :class:`CommandError` when there is none, or several."""
    return f"{PATH}/{quote(pick(client.list(PATH), id_or_name, 'organization'), safe='')}"


def pick(objects: list[dict[str, Any]], id_or_name: str, kind: str) -> str:
    """The id of the object with this id, or else this name."""
    if any(each.get("id") == id_or_name for each in objects):
        return id_or_name
    ids = [str(each["id"]) for each in objects if each.get("name") == id_or_name and "id" in each]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise CommandError(
            f"{len(ids)} {kind}s are called {id_or_name!r}", next_step=f"Use an id: {', '.join(ids)}.", exit_code=ExitCode.USAGE
        )
    listing = "ossature org list" if kind == "organization" else f"ossature {kind} list --org ORG"
    raise CommandError(
        f"there is no {kind} {id_or_name!r}", next_step=f"`{listing}` shows those that exist.", exit_code=ExitCode.NOT_FOUND
    )


def print_projects(projects: list[dict[str, Any]]) -> None:
    rows = [(each.get("id"), each.get("name"), when(each.get("created_at"))) for each in projects]
    emit_table(("project", "name", "created"), rows, empty="No projects yet: ossature project create --org ORG NAME")


def print_keys(keys: list[dict[str, Any]]) -> None:
    columns = ("key", "value", "name", "project", "created", "last used", "state")
    rows = []
    for key in keys:
        times = (when(key.get("created_at")), when(key.get("last_used_at")))
        rows.append((key.get("id"), key.get("redacted_value"), key.get("name"), key.get("project_id"), *times, _state(key)))
    emit_table(columns, rows, empty="No keys yet: ossature key create --org ORG")


def _state(key: dict[str, Any]) -> str:
    return "active" if key.get("revoked_at") is None else "revoked"


def _print_organizations(organizations: list[dict[str, Any]]) -> None:
    rows = [(each.get("id"), each.get("name"), when(each.get("created_at"))) for each in organizations]
    emit_table(("organization", "name", "created"), rows, empty="No organizations yet: ossature org create NAME")

"""``ossature project``: the projects of an organization."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli.organizations import OrganizationOption, organization_path, print_projects
from cluster.cli.output import JsonFlag, command, emit_json
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Projects of an organization: create, list.")


@app.command()
@command
def create(
    organization: OrganizationOption,
    name: Annotated[str, typer.Argument(help="Name of the new project.")],
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create a project.

    Example: ossature project create --org acme web-shop
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        project = client.post(f"{organization_path(client, organization)}/projects", {"name": name})
    if as_json:
        emit_json(project)
    else:
        print_projects([project])


@app.command("list")
@command
def list_(
    organization: OrganizationOption, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """List the projects of an organization.

    Example: ossature project list --org acme
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        projects = client.list(f"{organization_path(client, organization)}/projects")
    if as_json:
        emit_json({"object": "list", "data": projects})
    else:
        print_projects(projects)

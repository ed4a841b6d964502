"""``ossature audit``: who did what to organizations, projects and keys, or was refused it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cluster.cli.organizations import PATH as ORGANIZATIONS
from cluster.cli.organizations import pick
from cluster.cli.output import JsonFlag, command, emit_json, emit_table, when
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="The audit log of administration.")

AUDIT_PATH = "/admin/v1/audit_events"
PAGE = 100


@app.command("list")
@command
def list_(
    organization: Annotated[str | None, typer.Option("--org", help="Only what concerns this organization (id or name).")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this action, for example create_key.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only `done` or only `refused`.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this key asked for: its id, or `start`.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """List what administrators did and what was refused, newest first.

    Example: ossature audit list --outcome refused
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=True) as client:
        given = {"action": action, "outcome": outcome, "actor": actor}
        query = {name: value for name, value in given.items() if value is not None}
        if organization is not None:
            query["organization_id"] = pick(client.list(ORGANIZATIONS), organization, "organization")
        events: list[dict[str, Any]] = []
        while len(events) < limit:
            page = client.get(AUDIT_PATH, limit=str(min(PAGE, limit - len(events))), **query)
            events += page["data"]
            if not page["has_more"]:
                break
            query["after"] = page["last_id"]
    if as_json:
        emit_json({"object": "list", "data": events})
        return
    columns = ("when", "action", "outcome", "actor", "target", "organization", "request", "details")
    emit_table(columns, (_row(event) for event in events), empty="Nothing of the kind is in the audit log.")


def _row(event: dict[str, Any]) -> tuple[object, ...]:
    outcome = f"{event['outcome']} ({event['error']})" if event["error"] else event["outcome"]
    details = " ".join(f"{name}={value}" for name, value in event["details"].items())
    ids = (event[name] for name in ("target", "organization_id", "request_id"))
    return (when(event["at"]), event["action"], outcome, event["actor"] or "unknown", *ids, details or None)

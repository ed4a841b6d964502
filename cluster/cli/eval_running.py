"""Starting a run of an eval from the command line, and following it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cluster.cli.eval_screen import bar
from cluster.cli.files import Purpose, upload_file
from cluster.cli.output import CommandError, ExitCode

if TYPE_CHECKING:  # it is slow to import, which every command would wait for
    from cluster.cli.client import ClusterClient

POLL_S: Final = 0.5
_OVER: Final = ("completed", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class EvalsClient:
    """``path``: of the eval."""

    http: ClusterClient
    path: str

    def run_path(self, run_id: str) -> str:
        return f"{self.path}/runs/{quote(run_id, safe='')}"

    def start(self, source: Mapping[str, Any], name: str | None) -> dict[str, Any]:
        return self.http.post(f"{self.path}/runs", {"data_source": source} | ({} if name is None else {"name": name}))

    def run(self, run_id: str) -> dict[str, Any]:
        return self.http.get(self.run_path(run_id))

    def report(self, run_id: str) -> dict[str, Any]:
        return self.http.get(f"{self.run_path(run_id)}/report")


def run_source(
    client: EvalsClient,
    *,
    file: str | None,
    stored: Mapping[str, Any] | None,
    model: str | None,
    prompts: Mapping[str, Any],
    sampling: Mapping[str, Any],
) -> dict[str, Any]:
    """``data_source`` of a run. A file that is here is uploaded. Raises :class:`CommandError` for what does not go together."""
    if (file is None) == (stored is None):
        raise CommandError("a run needs either --file or --stored", exit_code=ExitCode.USAGE)
    given = {name: value for name, value in sampling.items() if value is not None}
    asked = _input_messages(prompts)
    if model is None and (asked is not None or given):
        raise CommandError("what to ask, and how, goes with --model", exit_code=ExitCode.USAGE)
    if file is not None:
        if model is not None and asked is None:
            raise CommandError("--model with --file needs --prompt, --messages or --item-reference", exit_code=ExitCode.USAGE)
        source: dict[str, Any] = {"type": "file_id", "id": _file_id(client.http, file)}
    else:
        source = {"type": "stored_completions"} | {name: value for name, value in (stored or {}).items() if value}
    if model is None:
        return {"type": "jsonl" if file is not None else "completions", "source": source}
    body: dict[str, Any] = {"type": "completions", "model": model, "source": source}
    if asked is not None:
        body["input_messages"] = asked
    return body | ({"sampling_params": given} if given else {})


def follow(client: EvalsClient, run: dict[str, Any], sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """The run once it is over; shown on standard error meanwhile."""
    with bar(run["name"]) as show:
        while run["status"] not in _OVER:
            show(run)
            sleep(POLL_S)
            run = client.run(run["id"])
        show(run)
    return run


def _input_messages(prompts: Mapping[str, Any]) -> dict[str, Any] | None:
    given = {name: value for name, value in prompts.items() if value is not None}
    if len(given) > 1:
        raise CommandError("--prompt, --messages and --item-reference exclude each other", exit_code=ExitCode.USAGE)
    match given:
        case {"prompt": text}:
            return {"type": "template", "template": [{"role": "user", "content": text}]}
        case {"messages": messages}:
            return {"type": "template", "template": messages}
        case {"reference": path}:
            return {"type": "item_reference", "item_reference": path}
        case _:
            return None


def _file_id(client: ClusterClient, file: str) -> str:
    path = Path(file)
    if not path.exists() and file.startswith("file-"):
        return file
    return str(upload_file(client, path, Purpose.EVALS)["id"])

"""Runs of evals: over which items, started once, followed to their end, and what came out of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.distilling.cluster_api import ClusterApi, Watcher, eval_path, file_path, run_path
from cluster.distilling.examples import prompt_digest
from cluster.distilling.made import Maker
from cluster.distilling.plan import DistillationFailed, Items, Refused, local_file
from cluster.distilling.state import State

POLL_S: Final = 1.0
_OVER: Final = ("completed", "failed", "canceled")
_TAKEN_OVER: Final = ("type", "source", "input_messages", "sampling_params")


@dataclass(frozen=True, slots=True)
class Measured:
    """A run to be: the student ``before`` and ``after``, or the ``teacher``. ``name``: of the output with its id."""

    eval_id: str
    role: str
    model: str

    @property
    def name(self) -> str:
        return f"{self.role}.{self.eval_id}"


@dataclass(frozen=True, slots=True)
class Measuring:
    api: ClusterApi
    state: State
    maker: Maker
    watcher: Watcher
    sleep: Callable[[float], None] = time.sleep

    def choose_items(self) -> None:
        """Record the data source of each eval's runs, without a model. Raises :class:`Refused` for an eval without items."""
        plan = self.state.plan
        if "sources" in self.state.outputs:
            return
        others = {each: self._found_items(each, "--also") for each in plan.also}
        # Last, as it may upload a file: what is wrong is found before anything is made.
        own = self._own_items(plan.items) if plan.items is not None else self._found_items(plan.eval_id, "--eval")
        sources = {plan.eval_id: own, **others}
        self.state.record(sources=sources)

    def run(self, wanted: Sequence[Measured]) -> None:
        """Start all, then follow each, and record which run is which. Raises :class:`DistillationFailed` for one that fails."""
        started = [(each, self._started(each)) for each in wanted]
        for each, run in started:
            self._follow(each, run)

    def report(self, measured: Measured) -> dict[str, Any]:
        """The run's summary, with ``requests``: how many were answered, and with how many tokens."""
        path = run_path(measured.eval_id, self.state.outputs[measured.name])
        summary = self.api.get(f"{path}/report")
        requests = {"answered": 0, "prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0}
        for line in self.api.lines(f"{path}/report", format="jsonl"):
            usage = json.loads(line)["sample"]["usage"]
            if usage["completion_tokens"]:
                requests["answered"] += 1
                for name in ("prompt_tokens", "completion_tokens", "cached_tokens"):
                    requests[name] += usage[name]
        return {**summary, "requests": requests}

    def comparison(self, baseline: Measured, run: Measured) -> dict[str, Any]:
        outputs = self.state.outputs
        return self.api.get(f"{run_path(run.eval_id, outputs[run.name])}/comparison", baseline=outputs[baseline.name])

    def learned_items(self, measured: Measured, training_file: str) -> int:
        """Items of the run whose question is that of a training example: they show what was learned by heart."""
        taught: set[bytes] = set()
        for line in self.api.lines(f"{file_path(training_file)}/content"):
            if line:
                taught.add(prompt_digest(json.loads(line)["messages"][:-1]))
        path = f"{run_path(measured.eval_id, self.state.outputs[measured.name])}/report"
        lines = self.api.lines(path, format="jsonl")
        return sum(prompt_digest(json.loads(line)["sample"]["input"]) in taught for line in lines)

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _started(self, measured: Measured) -> dict[str, Any]:
        known = self.state.outputs.get(measured.name)
        if known is not None:
            run = self.api.find(run_path(measured.eval_id, known))
            if run is not None and run["status"] not in ("failed", "canceled"):
                return run
        source = {**self.state.outputs["sources"][measured.eval_id], "model": measured.model}
        run = self.maker.run(measured.eval_id, measured.role, source)
        self.state.record(**{measured.name: run["id"]})
        return run

    def _follow(self, measured: Measured, run: dict[str, Any]) -> None:
        label = f"{measured.role}: {measured.model}"
        path = run_path(measured.eval_id, run["id"])
        self.watcher.run(label, run)
        while run["status"] not in _OVER:
            self.sleep(POLL_S)
            run = self.api.get(path)
            self.watcher.run(label, run)
        if run["status"] != "completed":
            reason = run["error"]["message"] or "it was cancelled"
            raise DistillationFailed(
                f"the run {run['id']} of {measured.eval_id} is {run['status']}: {reason}", run["error"]["code"]
            )

    def _own_items(self, items: Items) -> dict[str, Any]:
        self._existing(self.state.plan.eval_id, "--eval")
        source = items.source
        file_id = source.file_id
        if source.path is not None:
            path = Path(source.path)
            if local_file(path, "--items").sha256 != source.sha256:
                raise Refused("--items", f"{path} has changed since the distillation began.")
            file_id = self.maker.file(path, "evals", "items.jsonl")["id"]
        elif file_id is not None and self.api.find(file_path(file_id)) is None:
            raise Refused("--items", f"there is no file {file_id!r} in the cluster.")
        return {
            "type": "completions",
            "source": {"type": "file_id", "id": file_id},
            "input_messages": dict(items.input_messages),
            "sampling_params": {"temperature": self.state.plan.temperature},
        }

    def _found_items(self, eval_id: str, param: str) -> dict[str, Any]:
        """Those of its newest completed run that asked a model; for an eval of stored completions, these as they are now."""
        evaluated = self._existing(eval_id, param)
        for run in self.api.pages(f"{eval_path(eval_id)}/runs", order="desc", status="completed"):
            source: Mapping[str, Any] = run["data_source"]
            if source["type"] in ("completions", "responses") and source.get("model"):
                return _frozen({name: source[name] for name in _TAKEN_OVER if name in source})
        if evaluated["data_source_config"]["type"] in ("logs", "stored_completions"):
            return _frozen(
                {
                    "type": "completions",
                    "source": {"type": "stored_completions"},
                    "sampling_params": {"temperature": self.state.plan.temperature},
                }
            )
        hint = "Give --items with --prompt, or run it once" if param == "--eval" else "Run it once"
        raise Refused(param, f"the eval {eval_id} has no completed run of a model to take its items from. {hint}.")

    def _existing(self, eval_id: str, param: str) -> dict[str, Any]:
        evaluated = self.api.find(eval_path(eval_id))
        if evaluated is None:
            raise Refused(param, f"there is no eval {eval_id!r}.")
        return evaluated


def _frozen(source: dict[str, Any]) -> dict[str, Any]:
    """What is stored from now on is in none of the runs, so that all have the same items."""
    if source["source"]["type"] != "stored_completions":
        return source
    return {**source, "source": {"created_before": int(time.time()), **source["source"]}}

"""The five steps: store, baseline, tune, eval, publish. Each records what came out before the next one begins.

Whoever goes on with the same state does again what was not recorded; what had been made all the same is found by the
distillation's id and used (:mod:`cluster.distilling.made`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cluster.distilling.cluster_api import ClusterApi, Watcher, eval_path, file_path, model_path
from cluster.distilling.made import Maker
from cluster.distilling.measuring import Measured, Measuring
from cluster.distilling.plan import DistillationFailed, Refused
from cluster.distilling.state import FINISHED, State
from cluster.distilling.training_file import TrainingFile
from cluster.distilling.tuning import Tuning

STEPS: Final = ("store", "baseline", "tune", "eval", FINISHED)


@dataclass(frozen=True, slots=True)
class Distillation:
    """Methods raise :class:`Refused`, :class:`DistillationFailed`, and what the API raises."""

    api: ClusterApi
    state: State
    watcher: Watcher
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> dict[str, Any]:
        """All steps that are not done. Gives the findings that reports are made of."""
        if not self.state.finished:
            self._check()
            self._step("store", "The teacher's answers become a training file", self._store)
            self._step("baseline", "Teacher and student are measured", self._baseline)
            self._step("tune", "The student learns", self._tune)
            self._step("eval", "The tuned student is measured", self._eval)
            self._step(FINISHED, "The tuned student is looked up, the runs are compared", self._publish)
        findings: dict[str, Any] = self.state.outputs[FINISHED]
        return findings

    def _step(self, name: str, text: str, work: Callable[[], Any]) -> None:
        if name in self.state.outputs:
            self.watcher.say(f"{name}: done before")
            return
        self.watcher.step(name, text)
        self.state.record(**{name: work()})

    # --- the steps --------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """What would fail hours later. Nothing is made by it but the upload of the eval's items."""
        plan = self.state.plan
        served = {model["id"] for model in self.api.pages("/v1/models")}
        for param, model in (("--teacher", plan.teacher), ("--student", plan.student)):
            if model not in served:
                raise Refused(param, f"there is no model {model!r} for this key.")
        if plan.source.file_id is not None and self.api.find(file_path(plan.source.file_id)) is None:
            raise Refused("--from", f"there is no file {plan.source.file_id!r} in the cluster.")
        self._measuring.choose_items()

    def _store(self) -> dict[str, Any]:
        return TrainingFile(self.api, self.state, self._maker, self.watcher).make()

    def _baseline(self) -> dict[str, Any]:
        wanted = [self._teacher, self._before, *self._others("before", self.state.plan.student)]
        self._measuring.run(wanted)
        return {each.name: self.state.outputs[each.name] for each in wanted}

    def _tune(self) -> dict[str, Any]:
        tuning = Tuning(self.api, self.state, self._maker, self.watcher, self.sleep)
        return tuning.run(self.state.outputs["store"]["file_id"])

    def _eval(self) -> dict[str, Any]:
        model = self.api.find(model_path(self._tuned))
        if model is not None and model.get("started") is False:
            raise DistillationFailed(
                f"{self._tuned} is a model with weights of its own, and is served from the cluster's next start on. Then go on "
                "with the same command.",
                code="model_not_started",
            )
        wanted = [self._after, *self._others("after", self._tuned)]
        self._measuring.run(wanted)
        return {each.name: self.state.outputs[each.name] for each in wanted}

    def _publish(self) -> dict[str, Any]:
        """The fine-tuning job has registered the model: it must be there under its name for whoever asks for it now."""
        model = self.api.find(model_path(self._tuned))
        if model is None:
            raise DistillationFailed(f"{self._tuned} is not served: it was tuned, and deleted since.", code="model_not_found")
        measuring = self._measuring
        outputs = self.state.outputs
        return {
            "model": model["id"],
            "runs": {each.role: measuring.report(each) for each in (self._before, self._after, self._teacher)},
            "comparisons": {
                "before": measuring.comparison(self._before, self._after),
                "teacher": measuring.comparison(self._teacher, self._after),
            },
            "others": [
                {
                    "eval_id": after.eval_id,
                    "name": self.api.get(eval_path(after.eval_id))["name"],
                    "comparison": measuring.comparison(before, after),
                }
                for before, after in zip(
                    self._others("before", self.state.plan.student), self._others("after", self._tuned), strict=True
                )
            ],
            "learned_items": measuring.learned_items(self._after, outputs["store"]["file_id"]),
            "finished_at": int(time.time()),
        }

    # --- what they are about ----------------------------------------------------------------------------------------------

    @property
    def _maker(self) -> Maker:
        return Maker(self.api, self.state)

    @property
    def _measuring(self) -> Measuring:
        return Measuring(self.api, self.state, self._maker, self.watcher, self.sleep)

    @property
    def _tuned(self) -> str:
        model: str = self.state.outputs["tune"]["model"]
        return model

    @property
    def _teacher(self) -> Measured:
        return Measured(self.state.plan.eval_id, "teacher", self.state.plan.teacher)

    @property
    def _before(self) -> Measured:
        return Measured(self.state.plan.eval_id, "before", self.state.plan.student)

    @property
    def _after(self) -> Measured:
        return Measured(self.state.plan.eval_id, "after", self._tuned)

    def _others(self, role: str, model: str) -> list[Measured]:
        return [Measured(eval_id, role, model) for eval_id in self.state.plan.also]

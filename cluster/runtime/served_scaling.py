"""``cluster.engine.scaling`` as an autoscaling policy of Ray Serve, which its controller asks ten times a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cluster.config.settings.models import AutoscalingSettings
from cluster.engine import scaling
from cluster.engine.prompt_waits import FORCED_OFF, LATE, PROMPTS

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

_POLICY = "cluster.runtime.served_scaling:EngineScaling"
#: Of the state that Serve keeps for the policy: since when all wanted replicas have been running, in Unix seconds.
_COMPLETE_SINCE_S = "complete_since_s"
#: The same: when the policy was first asked since a deployment, and whether all of its replicas have been running by now.
_DEPLOYED_S, _EXCHANGED = "deployed_s", "exchanged"
#: Serve stops the next replica of an old version as soon as all run again; when they do so for longer, there is none left.
_ALL_RUN_S = 5.0
#: A deployment whose replicas don't all come up is scaled as any other after so long.
_LONGEST_EXCHANGE_S = 1800.0


def autoscaling_config(settings: AutoscalingSettings) -> dict[str, Any]:
    """What Ray Serve is given for a model's deployment."""
    limits = {"max_forced_off_share": settings.max_forced_off_share}
    serves_own = settings.model_dump(exclude={"target_ttft_ms", *limits})
    return {**serves_own, "policy": {"policy_function": _POLICY, "policy_kwargs": limits}}


class EngineScaling:
    """Serve makes one for each deployment, and bounds and delays what it answers by the deployment's own limits."""

    def __init__(self, max_forced_off_share: float | None = None) -> None:
        self._max_forced_off_share = max_forced_off_share

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """Replicas that are wanted, and the state for the next call."""
        state = dict(context.policy_state)
        running, wanted, now_s = context.current_num_replicas, context.target_num_replicas, context.current_time or 0.0
        if running < wanted:
            state.pop(_COMPLETE_SINCE_S, None)
        else:
            state[_COMPLETE_SINCE_S] = _no_later(state.get(_COMPLETE_SINCE_S), now_s)
        settled_s = now_s - state.get(_COMPLETE_SINCE_S, now_s)
        state[_DEPLOYED_S] = _no_later(state.get(_DEPLOYED_S), now_s)
        if settled_s >= _ALL_RUN_S or now_s - state[_DEPLOYED_S] > _LONGEST_EXCHANGE_S:
            state[_EXCHANGED] = True
        told = context.aggregated_metrics or {}
        heard = {replica for by_replica in told.values() for replica in by_replica}
        demand = scaling.Demand(
            ongoing=context.total_num_requests,
            running=running,
            wanted=wanted,
            silent=max(0, running - len(heard)),
            prompts=_sum(told, PROMPTS),
            late=_sum(told, LATE),
            forced_off=_sum(told, FORCED_OFF),
            settled_s=settled_s,
            # With one replica less wanted, Serve would stop the last one that runs before its successor is there.
            exchanging=not state.get(_EXCHANGED, False),
        )
        limits = scaling.Limits(context.config.target_ongoing_requests, self._max_forced_off_share)
        return scaling.replicas(demand, limits), state


def _no_later(since_s: float | None, now_s: float) -> float:
    """``since_s``, or now where nothing was since: the time is the host's, and somebody may have put its clock back."""
    return now_s if since_s is None else min(since_s, now_s)


def _sum(told: Mapping[str, Mapping[Any, float]], name: str) -> float:
    """Over all replicas."""
    return sum(told.get(name, {}).values())

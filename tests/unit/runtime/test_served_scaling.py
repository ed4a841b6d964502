"""What Ray Serve tells an autoscaling policy, as the demand that ours decides on."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.common import DeploymentID
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from cluster.config.settings.models import AutoscalingSettings
from cluster.engine.scaling import SETTLING_S
from cluster.runtime.served_scaling import EngineScaling, autoscaling_config

SETTINGS = AutoscalingSettings(max_replicas=8, target_ongoing_requests=10.0, target_ttft_ms=500.0, max_forced_off_share=0.2)
QUIET = {"prompts": {"a": 50.0, "b": 50.0}, "late": {"a": 0.0, "b": 1.0}, "forced_off": {"a": 1.0, "b": 0.0}}
IDLE = {"prompts": dict.fromkeys("abcd", 0.0)}
LATE = QUIET | {"late": {"a": 9.0, "b": 9.0}}
FORCED_OFF = QUIET | {"forced_off": {"a": 15.0, "b": 15.0}}


def policy() -> Any:
    """As Ray Serve's controller gets it: by way of its own settings, pickled."""
    from ray.serve._private.autoscaling_state import _resolve_policy_callable

    found = _resolve_policy_callable(AutoscalingConfig(**autoscaling_config(SETTINGS)).policy)
    assert type(found).__name__ == EngineScaling.__name__
    return found


def context(
    now_s: float,
    told: dict[str, Any] | None,
    *,
    running: int = 2,
    wanted: int = 2,
    ongoing: float = 18.0,
    state: dict[str, Any] | None = None,
) -> AutoscalingContext:
    return AutoscalingContext(
        deployment_id=DeploymentID(name="engine:m", app_name="ossature"),
        deployment_name="engine:m",
        app_name="ossature",
        current_num_replicas=running,
        target_num_replicas=wanted,
        running_replicas=[],
        total_num_requests=ongoing,
        total_queued_requests=0.0,
        aggregated_metrics=told,
        raw_metrics=None,
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=8,
        policy_state=state or {},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now_s,
        config=AutoscalingConfig(**autoscaling_config(SETTINGS)),
    )


def settled() -> dict[str, Any]:
    _, state = policy()(context(0.0, QUIET))
    return dict(state)


def test_ray_serve_gets_its_own_settings_and_our_policy() -> None:
    config = AutoscalingConfig(**autoscaling_config(SETTINGS))
    assert (config.max_replicas, config.target_ongoing_requests) == (8, 10.0)
    assert config.policy.policy_kwargs == {"max_forced_off_share": 0.2}


@pytest.mark.parametrize(("told", "wanted"), [(None, 2), ({}, 2), (QUIET, 2), (LATE, 3), (FORCED_OFF, 3)])
def test_what_replicas_tell_is_added_up(told: dict[str, Any] | None, wanted: int) -> None:
    assert policy()(context(SETTLING_S, told, state=settled()))[0] == wanted


def test_what_nobody_has_told_yet_takes_no_replica_away() -> None:
    """As after a deployment: the first word comes ten seconds later."""
    later = {"state": settled(), "running": 4, "wanted": 4}
    assert policy()(context(10.0, {}, **later))[0] == 4
    assert policy()(context(10.0, {"prompts": {"a": 0.0}}, **later))[0] == 4
    assert policy()(context(10.0, IDLE, **later))[0] == 2


def test_none_is_taken_away_before_those_of_a_new_version_all_run() -> None:
    decide, state = policy(), dict[str, Any]()
    for now_s, running, expected in ((0.0, 3, 4), (60.0, 3, 4), (61.0, 4, 4), (62.0, 3, 4), (90.0, 4, 4), (96.0, 4, 2)):
        wanted, state = decide(context(now_s, IDLE, running=running, wanted=4, state=state))
        assert wanted == expected, now_s


def test_one_that_never_comes_up_holds_nothing_for_ever() -> None:
    decide, state = policy(), dict[str, Any]()
    for now_s, expected in ((0.0, 4), (1800.0, 4), (1801.0, 2)):
        wanted, state = decide(context(now_s, IDLE, running=3, wanted=4, state=state))
        assert wanted == expected, now_s


def test_replicas_that_all_died_are_wanted_for_however_long_they_take_to_come_back() -> None:
    """By the whole of what Ray Serve makes of a policy's answer."""
    from ray.serve._private.autoscaling_state import _apply_autoscaling_config

    decide, state = _apply_autoscaling_config(policy()), settled()
    for now_s in (10.0, 11.0, 2000.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ray.serve.autoscaling_policy.time.time", lambda now_s=now_s: now_s)
            wanted, state = decide(context(now_s, {}, running=0, wanted=6, ongoing=0.0, state=state))
        assert wanted == 6, now_s


def test_a_clock_that_is_put_back_by_an_hour_stops_nothing_for_an_hour() -> None:
    decide, state = policy(), dict[str, Any]()
    _, state = decide(context(7200.0, IDLE, state=state))
    for now_s, told, expected in ((3600.0, IDLE, 2), (3606.0, IDLE, 2), (3600.0 + SETTLING_S, LATE, 3)):
        wanted, state = decide(context(now_s, told, state=state))
        assert wanted == expected, now_s


def test_a_replica_that_starts_begins_the_wait_anew() -> None:
    decide, state = policy(), settled()
    wanted, state = decide(context(SETTLING_S, LATE, running=2, wanted=3, state=state))
    assert wanted == 3, "one is on its way"
    for now_s, expected in ((500.0, 3), (500.0 + SETTLING_S - 1, 3), (500.0 + SETTLING_S, 4)):
        wanted, state = decide(context(now_s, LATE, running=3, wanted=3, state=state))
        assert wanted == expected

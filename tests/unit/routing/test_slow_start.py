from __future__ import annotations

import pytest

from cluster.routing.slow_start import ramp_weight


@pytest.mark.parametrize(("age_s", "weight"), [(0.0, 0.2), (15.0, 0.6), (30.0, 1.0), (1000.0, 1.0), (-1.0, 0.2)])
def test_a_new_replica_ramps_from_a_fifth_to_its_full_weight(age_s: float, weight: float) -> None:
    assert ramp_weight(age_s, 30.0) == pytest.approx(weight)


def test_slow_start_can_be_turned_off() -> None:
    assert ramp_weight(0.0, 0.0) == 1.0

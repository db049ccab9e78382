"""The arithmetic of hack/bench."""

import pytest

from hack.benchlib.figures import Samples, percentile, table


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.5, 5.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.95, 4.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
    ],
)
def test_a_percentile_is_a_value_that_was_seen(values, share, expected):
    assert percentile(values, share) == expected


def test_steps_are_summed_round_by_round():
    samples = Samples()
    for step, seconds in [("create", 1.0), ("start", 2.0), ("create", 3.0), ("start", 5.0)]:
        samples.add(step, seconds)

    assert samples.sums("create", "start") == [3.0, 8.0]


def test_a_round_that_lacks_a_step_is_not_summed_up_wrongly():
    samples = Samples()
    samples.add("create", 1.0)
    samples.add("create", 1.0)
    samples.add("start", 2.0)

    with pytest.raises(ValueError, match="zip"):
        samples.sums("create", "start")


def test_figures_are_in_milliseconds():
    samples = Samples()
    samples.add("start", 0.0125)

    assert samples.summary() == {"start": {"p50_ms": 12.5, "p95_ms": 12.5, "min_ms": 12.5}}
    assert "start" in table("steps", samples.summary())

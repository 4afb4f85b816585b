"""The arithmetic behind the figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.numbers import lag_buckets, percentile, quantile_between, schedule, slope, spread

_SECONDS = st.lists(st.floats(min_value=0, max_value=1_000), min_size=1)


def test_a_percentile_is_a_value_that_was_measured():
    hundred = list(range(1, 101))
    assert (percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1.0)) == (50, 99, 100)
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([1, 2], 0.0) == 1


@given(_SECONDS, st.floats(min_value=0, max_value=1))
def test_at_least_that_share_of_values_is_within_a_percentile(values: list[float], share: float):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= math.floor(share * len(values))


def test_a_percentile_of_nothing_is_an_error_and_no_zero():
    """Or a run in which every letter failed would look fast."""
    with pytest.raises(ValueError, match="no value"):
        percentile([], 0.99)
    assert spread([]) == {}


def test_a_spread_is_in_milliseconds():
    assert spread([0.001, 0.002, 0.0105]) == {"p50": 2.0, "p99": 10.5, "max": 10.5}


def test_a_schedule_is_fixed_beforehand_and_even():
    due = schedule(50.0, 2.0)
    assert len(due) == 100
    assert (due[0], due[50], due[-1]) == (0.0, 1.0, 1.98)


def test_a_slope_is_that_of_the_line_through_all_points():
    assert slope([(0, 100.0), (1, 101.5), (2, 103.0)]) == pytest.approx(1.5)
    assert slope([(0, 5.0), (1, 7.0), (2, 5.0)]) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="two points"):
        slope([(0, 1.0)])


EXPOSITION = """\
# TYPE mssgw_event_loop_lag_seconds histogram
mssgw_event_loop_lag_seconds_bucket{worker="1",le="0.01"} 90.0
mssgw_event_loop_lag_seconds_bucket{worker="1",le="0.05"} 98.0
mssgw_event_loop_lag_seconds_bucket{worker="1",le="+Inf"} 100.0
mssgw_event_loop_lag_seconds_bucket{worker="2",le="0.01"} 90.0
mssgw_event_loop_lag_seconds_bucket{worker="2",le="0.05"} 100.0
mssgw_event_loop_lag_seconds_bucket{worker="2",le="+Inf"} 100.0
mssgw_event_loop_lag_seconds_count{worker="2"} 100.0
mssgw_commit_seconds_bucket{le="0.01"} 7.0
"""


def test_the_lag_of_all_workers_is_counted_together():
    assert lag_buckets(EXPOSITION) == {0.01: 180.0, 0.05: 198.0, math.inf: 200.0}
    assert lag_buckets('mssgw_event_loop_lag_seconds_bucket{le="0.5"} 3.0\n') == {0.5: 3.0}


def test_a_quantile_is_of_what_came_in_between():
    after = lag_buckets(EXPOSITION)
    assert quantile_between({}, after, 0.45) == pytest.approx(0.005)
    assert quantile_between({}, after, 0.99) == pytest.approx(0.05)
    assert quantile_between({}, after, 1.0) == 0.05, "beyond the last edge, the last edge"
    early = {0.01: 180.0, 0.05: 180.0, math.inf: 180.0}
    assert quantile_between(early, after, 0.5) == pytest.approx(0.01 + 0.04 * 10 / 18)
    with pytest.raises(ValueError, match="nothing was counted"):
        quantile_between(after, after, 0.5)

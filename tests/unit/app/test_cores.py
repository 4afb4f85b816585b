"""Which core a worker keeps to."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from mssgw.app.thrift import stay_on_a_core


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_worker_keeps_to_one_of_the_cores_that_it_was_given(number: int) -> None:
    """Workers beyond the last core begin again at the first. Affinity is a thread's own: this one's stays as it is."""
    given = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(stay_on_a_core, number).result()
        assert thread.submit(os.sched_getaffinity, 0).result() == {given[(number - 1) % len(given)]}
    assert sorted(os.sched_getaffinity(0)) == given

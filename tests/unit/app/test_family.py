"""Several workers' expositions as one."""

from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mssgw.app.eyes.family import Family, together
from mssgw.app.eyes.pages import Own, Whole
from mssgw.app.telemetry.metrics import Metrics
from mssgw.edges.status_http import Page
from tests.wire.running import samples


def test_each_sample_keeps_its_value_and_gets_its_worker() -> None:
    """Of plain samples, labelled ones and buckets; heads stand once."""
    one, two = Metrics(), Metrics(housekeeping=False)
    for metrics, letters in ((one, 3), (two, 4)):
        metrics.accepted.inc(letters)
        metrics.refused.add("one-patient")
        metrics.observe("loop.lag", 0.03)
    text = together([(1, one.exposition()), (2, two.exposition())]).decode()
    seen = samples(text)
    assert [seen[f'mssgw_letters_accepted_total{{worker="{n}"}}'] for n in (1, 2)] == [3, 4]
    assert seen['mssgw_letters_refused_total{rule="one-patient",worker="2"}'] == 1
    assert seen['mssgw_event_loop_lag_seconds_bucket{le="0.05",worker="1"}'] == 1
    assert 'mssgw_queue_deliveries{state="held",worker="1"}' in seen
    assert not any(name.startswith("mssgw_queue") for name in seen if 'worker="2"' in name)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert len(heads) == len(set(heads))
    of_one = len(samples(one.exposition().decode()))
    assert len(seen) == of_one + len(samples(two.exposition().decode()))


class Alone:
    """A worker whose sibling is gone."""

    async def metrics(self) -> Page:
        metrics = Metrics()
        metrics.ready.set(1)
        return Page(body=metrics.exposition())

    async def ask(self, _path: str) -> dict[int, Page | None]:
        return {2: None}


async def test_a_worker_that_does_not_answer_is_shown_as_not_ready() -> None:
    """/readyz says 503 then. Without a series the alert on ``mssgw_ready == 0`` would stay silent for as long as it is
    gone, with the queue and the sweeps if it was the first."""
    whole = Whole(cast(Own, Alone()), 1, cast(Family, Alone()))
    text = (await whole.metrics()).body.decode()
    seen = samples(text)
    assert seen['mssgw_ready{worker="1"}'] == 1
    assert seen['mssgw_ready{worker="2"}'] == 0
    assert [name for name in seen if 'worker="2"' in name] == ['mssgw_ready{worker="2"}']
    assert text.count("# HELP mssgw_ready ") == text.count("# TYPE mssgw_ready ") == 1


@pytest.mark.parametrize("missing", [{1: None}, {1: None, 3: None}])
async def test_with_workers_missing_it_is_still_what_prometheus_reads(missing: dict[int, None]) -> None:
    """It throws all of a scrape away for one line that it cannot take: every alert would be silent."""

    class Left(Alone):
        async def ask(self, _path: str) -> dict[int, Page | None]:
            return dict(missing)

    text = (await Whole(cast(Own, Left()), 2, cast(Family, Left())).metrics()).body.decode()
    families = list(text_string_to_metric_families(text))
    assert len({each.name for each in families}) == len(families)
    (ready,) = (each for each in families if each.name == "mssgw_ready")
    assert ready.type == "gauge"
    assert {sample.labels["worker"]: sample.value for sample in ready.samples} == {"2": 1} | dict.fromkeys(
        map(str, missing), 0
    )


def test_families_are_not_torn_apart() -> None:
    """All samples of a name follow its head."""
    text = together([(n, Metrics().exposition()) for n in (1, 2, 3)]).decode()
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    order = list(dict.fromkeys(names))
    for name in (each for each in order if each.endswith("_total")):
        first = names.index(name)
        assert set(names[first : first + names.count(name)]) == {name}

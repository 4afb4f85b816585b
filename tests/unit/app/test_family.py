"""Several workers' expositions as one."""

from mssgw.app.eyes.family import together
from mssgw.app.telemetry.metrics import Metrics
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


def test_families_are_not_torn_apart() -> None:
    """All samples of a name follow its head."""
    text = together([(n, Metrics().exposition()) for n in (1, 2, 3)]).decode()
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    order = list(dict.fromkeys(names))
    for name in (each for each in order if each.endswith("_total")):
        first = names.index(name)
        assert set(names[first : first + names.count(name)]) == {name}

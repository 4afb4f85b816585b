"""Metrics by themselves: what stands before anything has happened, and which words may be labels."""

import ast
from pathlib import Path

import pytest

from mssgw.app.telemetry.counting import CountingTelemetry
from mssgw.app.telemetry.events import FanOut, LogTelemetry
from mssgw.app.telemetry.labels import ALARMS, DEFERRALS, RULES, SMTP_REFUSALS, short_route
from mssgw.app.telemetry.metrics import AGES, Metrics
from mssgw.core.errors import GatewayError
from mssgw.ports import Census
from tests.canaries import MATRICULES, leaks
from tests.wire.running import samples

ROOT = Path(__file__).parents[3]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def telemetry(metrics: Metrics) -> CountingTelemetry:
    return CountingTelemetry(metrics)


def shown(metrics: Metrics) -> dict[str, float]:
    return samples(metrics.exposition().decode())


def sources() -> list[ast.AST]:
    return [node for path in (ROOT / "mssgw").rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]


def test_every_series_of_letters_and_alarms_stands_at_zero_from_the_start(metrics: Metrics) -> None:
    """An alert on a series that does not exist yet never fires."""
    metrics.routes(["operator:mes"])
    found = shown(metrics)
    for rule in (*RULES, "other"):
        assert found[f'mssgw_letters_refused_total{{rule="{rule}"}}'] == 0
        assert found[f'mssgw_letters_held_total{{rule="{rule}"}}'] == 0
    for reason in DEFERRALS:
        assert found[f'mssgw_letters_deferred_total{{reason="{reason}"}}'] == 0
    for event in ALARMS:
        assert found[f'mssgw_alarm{{event="{event}"}}'] == found[f'mssgw_alarms_total{{event="{event}"}}'] == 0
    for outcome in ("delivered", "deferred", "bounced", "lease_lost"):
        assert found[f'mssgw_deliveries_total{{outcome="{outcome}",route="operator:mes"}}'] == 0
    assert found["mssgw_letters_accepted_total"] == 0
    assert found['mssgw_queue_age_seconds_bucket{le="+Inf"}'] == 0


def test_all_rules_that_the_sources_name_have_a_series() -> None:
    """Findings and refusals of every room: none of them counts as "other"."""
    named = {
        keyword.value.value
        for node in sources()
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "rule" and isinstance(keyword.value, ast.Constant)
    }
    asked = {
        node.args[0].value
        for node in sources()
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("refuse", "defer", "note") and node.args
        if isinstance(node.args[0], ast.Constant)
    }
    assert len(named | asked) > 10
    assert named | asked <= set(RULES)


def test_all_alarms_that_the_sources_raise_have_a_gauge() -> None:
    """``alarm=`` in a call of event(), unless it is plainly false."""
    raised = set()
    for node in sources():
        if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "event":
            continue
        alarm = next((each.value for each in node.keywords if each.arg == "alarm"), None)
        if alarm is None or (isinstance(alarm, ast.Constant) and not alarm.value):
            continue
        raised |= {each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)}
    words = {word for word in raised if isinstance(word, str) and word.count(".") == 1 and not word.endswith(".")}
    may_be_none = {
        "metrics.unavailable",
        "gateway.socket_unused",
        *(word for word in words if word.startswith("gateway.worker_")),
    }
    may_be_none |= {"letter.accepted", "letter.refused", "disk.reserve_restored", "store.writable_again"}
    assert {"queue.unavailable", "letter.held"} <= words
    assert words - may_be_none <= set(ALARMS)


def test_replies_of_the_listeners_have_a_reason() -> None:
    """Every 4xx and 5xx that an inbound room says by itself."""
    said = set()
    for path in (ROOT / "mssgw" / "edges").glob("smtpd_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reply" and len(node.args) == 3:
                code, status = node.args[0], node.args[1]
                if isinstance(code, ast.Constant) and isinstance(status, ast.Constant) and int(code.value) >= 400:
                    said.add(f"{code.value} {status.value}")
    assert len(said) > 10
    assert said <= SMTP_REFUSALS.keys()


def test_a_mailbox_has_its_series_as_long_as_this_node_collects_from_it(
    metrics: Metrics, telemetry: CountingTelemetry
) -> None:
    """An age that nobody renews here would alarm for ever; counts stay."""
    age, taken = 'mssgw_collector_age_seconds{collector="officine"}', "mssgw_collector_letters_total"
    telemetry.event("collector.started", collector="officine")
    telemetry.event("collector.looked", collector="officine", count=3, collected=2, already=0, refused=1, later=0)
    found = shown(metrics)
    assert found[f'{taken}{{collector="officine",fate="collected"}}'] == 2
    assert found[f'{taken}{{collector="officine",fate="refused"}}'] == 1
    assert found[f'{taken}{{collector="officine",fate="later"}}'] == 0
    assert found[age] < 5
    telemetry.event("collector.stopped", collector="officine")
    assert age not in shown(metrics)
    assert shown(metrics)[f'{taken}{{collector="officine",fate="collected"}}'] == 2


def test_what_happens_in_mailboxes_is_counted(metrics: Metrics, telemetry: CountingTelemetry) -> None:
    names = ("mssgw_receipts_sent_total", "mssgw_deliveries_found_again_total", "mssgw_letters_purged_total")
    assert [shown(metrics)[name] for name in (*names, "mssgw_receipts_waiting")] == [0, 0, 0, 0]
    telemetry.event("receipts.written", queue_id="A", route="store:bals:1")
    telemetry.event("delivery.found_again", queue_id="A", route="store:bals:1")
    telemetry.event("retention.purged", route="store:bals:1", count=12)
    assert [shown(metrics)[name] for name in names] == [1, 1, 12]


def test_events_become_counts(metrics: Metrics, telemetry: CountingTelemetry) -> None:
    """By the same words that the log uses."""
    metrics.routes(["operator:mes:patient.mssante.fr"])
    telemetry.event("letter.accepted", size=300)
    telemetry.event("letter.held", alarm=True, size=30, finding="inspection-in-time")
    telemetry.event("letter.refused", rule="one-patient")
    telemetry.event("letter.deferred_at_intake", alarm=True, status="4.3.1", code=452)
    telemetry.event("letter.inspection_timed_out", alarm=True, strikes=1)
    telemetry.event("letter.inspection_timed_out", alarm=True, strikes=3)  # the held one
    telemetry.event("delivery.delivered", route="operator:mes:patient.mssante.fr", size=300)
    telemetry.event("delivery.deferred", alarm=True, route="gone")
    found = shown(metrics)
    expected = {
        "mssgw_letters_accepted_total": 1,
        'mssgw_letters_held_total{rule="inspection-in-time"}': 1,
        'mssgw_letters_refused_total{rule="one-patient"}': 1,
        'mssgw_letters_deferred_total{reason="disk"}': 1,
        'mssgw_letters_deferred_total{reason="inspection"}': 1,
        'mssgw_deliveries_total{outcome="delivered",route="operator:mes"}': 1,
        'mssgw_deliveries_total{outcome="deferred",route="other"}': 1,
        "mssgw_octets_accepted_total": 330,
        "mssgw_octets_delivered_total": 300,
        'mssgw_alarms_total{event="letter.inspection_timed_out"}': 2,
    }
    assert {name: found[name] for name in expected} == expected
    assert found['mssgw_alarm{event="delivery.deferred"}'] > 1_700_000_000
    assert found['mssgw_alarm{event="queue.unavailable"}'] == 0


def test_an_unknown_alarm_is_shown_all_the_same(metrics: Metrics, telemetry: CountingTelemetry) -> None:
    """Better a new series than an alarm that nobody sees."""
    telemetry.event("moon.fell", alarm=True)
    assert shown(metrics)['mssgw_alarms_total{event="moon.fell"}'] == 1


def test_no_field_of_an_event_becomes_a_label(metrics: Metrics, telemetry: CountingTelemetry) -> None:
    """Were a rule or a route ever a person's, it would count as "other"."""
    for value in MATRICULES:
        for name in ("letter.accepted", "letter.held", "letter.refused", "letter.deferred_at_intake"):
            telemetry.event(name, alarm=True, rule=value, finding=value, client=value, queue_id=value, status=value)
        telemetry.event("delivery.deferred", route=value, next_hop=value, recipient=value)
    assert leaks(metrics.exposition()) == {}
    assert shown(metrics)['mssgw_letters_refused_total{rule="other"}'] == len(MATRICULES)


def test_an_operator_with_thousands_of_domains_is_one_route() -> None:
    """Else one scrape of the whole trust space would have twenty thousand lines."""
    assert short_route("operator:mes:patient.mssante.fr") == "operator:mes"
    assert short_route("establishment:chu") == "establishment:chu"


def test_the_census_is_a_histogram_of_ages(metrics: Metrics) -> None:
    """Cumulative, as Prometheus wants it."""
    younger = (1, *(4,) * (len(AGES) - 1))
    metrics.census.latest = Census(waiting=3, sending=1, held=1, younger=younger, oldest=1e6, total_age=1_000_050.0)
    found = shown(metrics)
    assert found['mssgw_queue_deliveries{state="waiting"}'] == 3
    assert found['mssgw_queue_age_seconds_bucket{le="5.0"}'] == 1
    assert found['mssgw_queue_age_seconds_bucket{le="172800.0"}'] == 4
    assert found['mssgw_queue_age_seconds_bucket{le="+Inf"}'] == 5
    assert found["mssgw_queue_oldest_seconds"] == 1e6


def test_a_fan_out_tells_all(metrics: Metrics) -> None:
    """The same event, whole."""

    class Heard:
        def __init__(self) -> None:
            self.events: list[tuple[object, ...]] = []

        def event(
            self, name: str, *, alarm: bool = False, failure: BaseException | None = None, **fields: object
        ) -> None:
            self.events.append((name, alarm, failure, fields))

    one, other, error = Heard(), Heard(), GatewayError("x")
    FanOut(one, other).event("a.b", alarm=True, failure=error, code=1)
    assert one.events == other.events == [("a.b", True, error, {"code": 1})]


def test_a_sweep_that_found_nothing_is_a_sign_of_life_and_no_log_line(
    metrics: Metrics, telemetry: CountingTelemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every thirty seconds a line that says nothing would hide those that say something."""
    both = FanOut(LogTelemetry(), telemetry)
    both.event("sweep.erase", count=0)
    assert capsys.readouterr().out == ""
    both.event("sweep.erase", count=2)
    assert "sweep.erase" in capsys.readouterr().out
    both.event("sweep.erase_failed", alarm=True, count=0)
    assert "sweep.erase_failed" in capsys.readouterr().out
    assert 0 <= shown(metrics)['mssgw_sweep_age_seconds{sweep="erase"}'] < 60

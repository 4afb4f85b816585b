"""Whoever is woken by an alarm reads in its line what to do."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from mssgw.app.telemetry import log
from mssgw.app.telemetry.events import LogTelemetry
from mssgw.app.telemetry.hints import HINTS, hint
from mssgw.app.telemetry.labels import ALARMS
from mssgw.edges.smtpd_log import _DISTRUST

GUIDE = Path(__file__).parents[3] / "docs" / "administrateur.md"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log.configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


def test_every_alarm_says_what_to_do() -> None:
    """And the guide says more of each; a sweep stands there with the others."""
    assert set(ALARMS) <= HINTS.keys()
    guide = GUIDE.read_text("utf-8")
    assert {event for event in HINTS if event not in guide and not event.startswith("sweep.")} == set()


def test_a_hint_can_be_pasted(output: io.StringIO) -> None:
    """The commands that it names carry the id of the letter."""
    LogTelemetry().event("letter.held", alarm=True, queue_id="1M7ZTY3TH5M3REAG")
    told = json.loads(output.getvalue())
    assert told["hint"] == (
        "mssgw queue show 1M7ZTY3TH5M3REAG, mssgw explain 1M7ZTY3TH5M3REAG, "
        "then mssgw queue release 1M7ZTY3TH5M3REAG or bounce"
    )


def test_who_is_not_trusted_comes_with_what_to_do(output: io.StringIO) -> None:
    """Edges write such lines themselves: each check that a peer may fail, and a next hop that failed one."""
    events = [*_DISTRUST.values(), "trust.revocation_unknown", "trust.handshake_refused", "delivery.peer_not_trusted"]
    for event in events:
        structlog.get_logger("mssgw.smtp").warning(event, dn="CN=mta.operateur.fr")
    hints = [json.loads(line).get("hint") for line in output.getvalue().splitlines()]
    checked_elsewhere = {"trust.host_mismatch", "trust.domain_foreign"}  # of next hops; of MAIL FROM
    assert [event for event, todo in zip(events, hints, strict=True) if not todo] == sorted(checked_elsewhere)[::-1]


@pytest.mark.parametrize("event", ["trust.certificate_ends", "trust.certificate_expired"])
def test_a_certificate_that_ends_may_be_a_listeners_which_is_read_at_a_reload_only(event: str) -> None:
    """Whoever renews it and waits would find the old one in use when it ends."""
    said = HINTS[event]
    assert "[trust] files are taken by themselves" in said
    assert "a listener's at systemctl reload" in said


def test_a_letter_that_waits_points_to_its_answer_or_to_why_there_was_none() -> None:
    """A name that is not in the DNS, no STARTTLS, another's certificate: the next hop has answered nothing then."""
    said = hint("delivery.deferred", "1M7ZTY3TH5M3REAG")
    assert said is not None
    assert "mssgw queue show 1M7ZTY3TH5M3REAG" in said
    assert all(each in said for each in ("delivery.connection_failed", "DNS", "ca_file"))


@pytest.mark.parametrize(
    ("event", "status", "todo"),
    [
        ("delivery.deferred", "4.4.4", "give its domain a route"),
        ("delivery.deferred", "4.7.5", "delivery.peer_not_trusted"),
        ("delivery.deferred", "4.7.8", "next_hop_login"),
        ("letter.deferred_at_intake", "4.3.1", "df -h"),
        ("letter.deferred_at_intake", "4.3.0", "fuser -v"),
    ],
)
def test_the_status_says_what_to_do(output: io.StringIO, event: str, status: str, todo: str) -> None:
    """A route that was removed is not found in the DNS, and a full disk often has no alarm before it."""
    LogTelemetry().event(event, alarm=True, queue_id="1M7ZTY3TH5M3REAG", status=status)
    assert todo in json.loads(output.getvalue())["hint"]


def test_what_is_no_alarm_needs_no_hint(output: io.StringIO) -> None:
    """A letter that waits for a next hop that is down is daily bread."""
    LogTelemetry().event("delivery.deferred", queue_id="1M7ZTY3TH5M3REAG")
    assert "hint" not in json.loads(output.getvalue())
    assert hint("not.known") is None

"""Whom a new white list would cut off, of those that we exchange mail with."""

from datetime import UTC, datetime, timedelta

import pytest

from mssgw.core.correspondents import Because, Correspondent, Traffic, correspondents, losses
from mssgw.core.journal import JournalEvent
from mssgw.core.names import Name
from mssgw.core.trust import WhiteList
from tests.white_lists import dn

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCEPTED, DELIVERED = JournalEvent.ACCEPTED, JournalEvent.DELIVERED


def listed(**operators: tuple[str, ...]) -> WhiteList:
    """Hosts of the operators of each domain ``NAME.fr``."""
    names = {f"{domain}.fr": frozenset(Name.parse(dn(host)) for host in hosts) for domain, hosts in operators.items()}
    return WhiteList(generated_at=NOON, entries=1, fingerprint="ab", operators=names, domains={})


def mail(event: JournalEvent, sender: str, recipient: str, *, lines: int = 1, hour: int = 0, **more: str) -> Traffic:
    return Traffic(
        event=event, sender=sender, recipient=recipient, lines=lines, last=NOON + timedelta(hours=hour), **more
    )


def known_by(*traffic: Traffic) -> dict[str, Correspondent]:
    return dict(correspondents(traffic, lambda domain: domain == "ours.fr"))


def test_correspondents_are_those_who_wrote_and_those_who_were_written_to():
    """Never we, nor whoever wrote nothing; letters that wait count, and are not called delivered."""
    known = known_by(
        mail(ACCEPTED, "a.fr", "ours.fr", lines=3, client="CN=mx.a.fr"),
        mail(ACCEPTED, "a.fr", "ours.fr", hour=1, client="CN=mx2.a.fr"),
        mail(ACCEPTED, "ours.fr", "b.fr", lines=2, client="chu"),
        mail(ACCEPTED, "", "c.fr"),
        mail(DELIVERED, "ours.fr", "b.fr", hour=2, next_hop="mx.b.fr"),
        mail(DELIVERED, "a.fr", "ours.fr", hour=2, next_hop="inside"),
    )
    assert sorted(known) == ["a.fr", "b.fr", "c.fr"]
    a, b, c = known["a.fr"], known["b.fr"], known["c.fr"]
    assert (a.received, a.sent, a.received_at, a.via) == (4, 0, NOON + timedelta(hours=1), "CN=mx2.a.fr")
    assert a.clients == {"CN=mx.a.fr", "CN=mx2.a.fr"}
    assert (b.received, b.sent, b.delivered_at, b.next_hop) == (0, 2, NOON + timedelta(hours=2), "mx.b.fr")
    assert (c.sent, c.delivered_at) == (1, None)


WROTE = mail(ACCEPTED, "a.fr", "ours.fr", client="CN=one")


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        (listed(a=("one",)), listed(b=("one",)), Because.UNLISTED),
        (None, listed(b=("one",)), Because.UNLISTED),
        (listed(a=("one",)), listed(a=("two",)), Because.REPLACED),
        (listed(a=("one", "two")), listed(a=("two",)), Because.SENDER),
        (listed(a=("one", "two")), listed(a=("one",)), None),
        (listed(a=("one",)), listed(a=("one", "two")), None),
        (listed(b=("one",)), listed(b=("one",)), None),
        (None, listed(a=("two",)), None),
    ],
    ids=str,
)
def test_a_correspondent_loses_mail_when_its_domain_or_its_operator_is_gone(old, new, because):
    """Nobody loses what he does not have; one of several operators counts when it was the one that wrote."""
    found = losses(known_by(WROTE), old, new)
    assert [each.because for each in found] == ([because] if because else [])
    if because is Because.SENDER:
        assert found[0].clients == {"CN=one"}


def test_whom_we_only_write_to_loses_mail_as_well():
    (loss,) = losses(known_by(mail(ACCEPTED, "ours.fr", "a.fr", client="chu")), listed(a=("one",)), listed(b=("one",)))
    assert loss.correspondent.domain == "a.fr"

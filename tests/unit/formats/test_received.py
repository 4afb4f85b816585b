"""The Received: field that we prepend, and how a loop is seen by it."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.envelope import Origin, Role
from mssgw.formats.received import own_hop, received

ORIGIN = Origin(role=Role.ESTABLISHMENT, client="h", peer="192.0.2.7", helo="mx.hopital.example", protocol="ESMTPSA")
AT = datetime(2026, 11, 21, 19, 4, 5, tzinfo=UTC)


def field(origin: Origin = ORIGIN) -> bytes:
    return received(origin, hostname="gw.example", spool_id="Q1", accepted_at=AT)


def test_it_says_from_where_by_whom_how_and_when() -> None:
    assert field() == (
        b"Received: from mx.hopital.example ([192.0.2.7])\r\n\tby gw.example with ESMTPSA id Q1;\r\n"
        b"\tSat, 21 Nov 2026 19:04:05 +0000\r\n"
    )


def test_an_ipv6_peer_is_written_as_a_literal() -> None:
    assert b"([IPv6:2001:db8::1])\r\n" in field(replace(ORIGIN, peer="2001:db8::1"))


def test_a_notice_of_our_own_came_from_nowhere() -> None:
    ours = field(Origin(role=Role.OURSELVES, client="", protocol=""))
    assert ours.startswith(b"Received: by gw.example id Q1;\r\n\t")


@given(helo=st.text(), peer=st.text(), protocol=st.text())
def test_whatever_a_peer_says_of_itself_it_stays_one_ascii_field(helo: str, peer: str, protocol: str) -> None:
    raw = field(replace(ORIGIN, helo=helo, peer=peer, protocol=protocol))
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.replace(b"\r\n\t", b"").count(b"\r") == raw.replace(b"\r\n\t", b"").count(b"\n") == 1
    assert message_from_bytes(raw).keys() == ["Received"]
    assert own_hop([raw.decode().partition(":")[2]], "gw.example")


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (" from a.example ([192.0.2.1])\r\n\tby GW.example with ESMTP id 1; date", True),
        (" by gw.example (a comment) id 1; date", True),
        (" from gw.example ([192.0.2.1]) by mx.example id 1; date", False),
        (" from a.example by gw.example.org id 1; date", False),
        (" from a.example by not-gw.example id 1; date", False),
        (" from a.example by gwxexample id 1; date", False),
        ("", False),
    ],
)
def test_a_hop_is_ours_when_it_says_that_we_wrote_it(value: str, ours: bool) -> None:
    assert own_hop(["from x by y; date", value], "gw.example") is ours


@pytest.mark.parametrize("protocol", ["ESMTPS", "IMAP"])
def test_a_collected_letter_loops_when_it_was_collected_before(protocol: str) -> None:
    """On its way to the mailbox it may have passed through us."""
    ours = field(replace(ORIGIN, protocol=protocol)).decode().partition(":")[2]
    assert own_hop([ours], "gw.example")
    assert own_hop([ours], "gw.example", collected=True) is (protocol == "IMAP")

"""The way out between operators: no octet of a letter to anybody whose right to it is not proved (TLS-1...7, WL-8).

Each row: what the peer saw, what the log says, and that the letter is still there; or that it arrived, once.
"""

from datetime import UTC, datetime, timedelta

from mssgw.core.names import Name
from tests import pki
from tests.trust.courier import Courier, told_nothing
from tests.wire.scripted_server import ScriptedServer

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


def named(host: str) -> Name:
    return Name.of(pki.operator_dn(host))


async def delivered(gw: Courier, *peers: ScriptedServer) -> None:
    """Every letter arrived at one of these, once, and the log says so."""
    states = await gw.states()
    assert set(states) == {"delivered"}
    assert sum(len(peer.bodies) for peer in peers) == len(states)
    told = [fields["queue_id"] for name, fields in gw.outcomes if name == "delivery.delivered"]
    assert len(set(told)) == len(told) == len(states)


async def waits(gw: Courier, peer: ScriptedServer, reply: str, check: str) -> None:
    """The one letter is queued after an alarm; the log names the check that failed; the peer was told nothing of it."""
    assert peer.sessions, "the peer was never asked"
    assert told_nothing(peer)
    assert await gw.states() == ["queued"]
    assert (await gw.last_reply()).startswith(reply)
    assert gw.lines("delivery.peer_not_trusted")[-1]["check"] == check
    name, fields = gw.outcomes[-1]
    assert (name, fields["alarm"]) == ("delivery.deferred", True)

"""Who may hand us mail (issue 4): the words in which the rows of the matrix are told, over real sockets.

Each row says what the peer sees, what the log says, and that nothing was kept; or that it was, and handed on.
"""

import datetime
from collections.abc import Callable

from mssgw.ports import Stored
from tests.pki import Identity, TrustSpace
from tests.trust.gate import DOCTOR, Gate, letter
from tests.wire.inbound import Peer

HOST, OTHER, STRANGER = "mta.operateur.fr", "mta.autre.fr", "mta.inconnu.fr"
CLIENT = f"CN={HOST}"
OPERATOR, FOREIGN = "operateur.mssante.fr", "autre.mssante.fr"
MAIL, RCPT = f"MAIL FROM:<boite@{OPERATOR}>", f"RCPT TO:<{DOCTOR}>"
NOTICE = "Auto-Submitted: auto-replied"
DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)
Made = Callable[[TrustSpace], Identity | None]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def listed(space: TrustSpace) -> Identity:
    return space.operator(HOST)


async def refused(peer: Peer, reply: str, mail: str = MAIL) -> None:
    """MAIL is answered so, and no message byte is asked for: neither RCPT nor DATA goes any further."""
    assert str(await peer.ask(mail)).startswith(reply)
    assert (await peer.ask(RCPT))[:3] != "250"
    assert (await peer.ask("DATA"))[:3] != "354"


async def accepted(
    here: Gate, peer: Peer, content: bytes = letter(f"boite@{OPERATOR}"), *, mail: str = MAIL, client: str = CLIENT
) -> Stored:
    """The peer hears 250 all the way; the log says once whose letter it is; it is kept, and handed on."""
    before = len(here.handed_on)
    await peer.envelope(mail, RCPT)
    assert (await peer.data(content))[:3] == "250"
    stored = (await here.handed(before + 1))[-1]
    told = here.decided("letter.accepted")[-1]
    assert (told["queue_id"], told["client"], told["peer"]) == (stored.spool_id, client, "127.0.0.1")
    return stored


async def meet_and_be_refused(here: Gate, identity: Identity, reply: str, event: str, check: str) -> None:
    peer = await here.meet(identity)
    await refused(peer, reply)
    await peer.close()
    assert here.line(event)["check"] == check
    assert here.kept_nothing()

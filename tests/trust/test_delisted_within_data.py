"""DATA may last half an hour: a white list that comes meanwhile counts at the final dot (TLS-6, WL-8)."""

from dataclasses import dataclass

import pytest

from mssgw.core.names import Name
from mssgw.core.trust import FOREIGN_DOMAIN, UNLISTED_DOMAIN, UNLISTED_OPERATOR
from tests.pki import TrustSpace
from tests.trust.gate import DOCTOR, dn, gate, letter, twin
from tests.trust.twin import TrustTwin
from tests.wire.inbound import Peer

HOST, OTHER = "mta.operateur.fr", "mta.autre.fr"
SENDER, SHARED = "operateur.mssante.fr", "commun.mssante.fr"
US, THEM = Name.of(dn(HOST)), Name.of(dn(OTHER))
Listed = dict[str, set[Name]]


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
def trust() -> TrustTwin:
    return twin({SENDER: [dn(HOST)], SHARED: [dn(HOST), dn(OTHER)]})


@dataclass(frozen=True)
class Row:
    """``author``: the domain of From:; ``then``: the list that comes within DATA."""

    name: str
    author: str
    then: Listed
    reply: str


FROM = "550 5.7.1 Adresse From non autorisee pour ce client"
ROWS = [
    Row("MAIL FROM, now another operator's", SENDER, {SENDER: {THEM}, SHARED: {US}}, str(FOREIGN_DOMAIN)),
    Row("MAIL FROM, now nobody's", SENDER, {SHARED: {US}}, str(UNLISTED_DOMAIN)),
    Row("From:, now another operator's", SHARED, {SENDER: {US}, SHARED: {THEM}}, FROM),
    Row("From:, now nobody's", SHARED, {SENDER: {US}}, FROM),
    Row("the whole operator", SENDER, {SHARED: {THEM}}, str(UNLISTED_OPERATOR)),
]


async def within_data(peer: Peer, trust: TrustTwin, author: str, then: Listed) -> str:
    """The reply to the final dot of a letter during which that list came."""
    await peer.envelope(f"MAIL FROM:<boite@{SENDER}>", f"RCPT TO:<{DOCTOR}>")
    assert (await peer.ask("DATA"))[:3] == "354"
    content = letter(f"boite@{author}")
    await peer.send(content[:40])
    trust.listed_names = then
    await peer.send(content[40:] + b".\r\n")
    return str(await peer.hear())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_domain_that_is_delisted_within_data_is_refused_at_the_final_dot(space, trust, tmp_path, row):
    """As it would be at the next MAIL: MAIL FROM and From: both; nothing is kept, and the connection goes on."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(space.operator(HOST))
        assert await within_data(peer, trust, row.author, row.then) == row.reply
        assert (await peer.ask("NOOP"))[:3] == "250"
        await peer.close()
        assert here.kept_nothing()


async def test_a_list_that_changes_nothing_for_this_letter_lets_it_pass(space, trust, tmp_path):
    """Other domains of the operator, and other operators of the domain, may come and go."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(space.operator(HOST))
        reply = await within_data(peer, trust, SENDER, {SENDER: {US, THEM}, "nouveau.mssante.fr": {US}})
        assert reply.startswith("250 2.0.0")
        await peer.close()
        assert len(here.store._has.messages) == 1


async def test_a_domain_that_is_listed_only_within_data_may_sign_the_letter(space, trust, tmp_path):
    """What is in force at the end decides, in either direction."""
    new = "nouveau.mssante.fr"
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(space.operator(HOST))
        assert (await within_data(peer, trust, new, {SENDER: {US}, new: {US}})).startswith("250 2.0.0")
        await peer.close()

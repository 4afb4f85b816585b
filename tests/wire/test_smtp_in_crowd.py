"""One client cannot make the others wait: places in DATA, turns to log in, room for connections."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges.smtpd_intake import PLACE, Intake
from mssgw.edges.smtpd_listener import TlsMode
from tests.wire.inbound import HOSPITAL, LETTER, QUEUED, House, Peer, Recorder, house

OPERATOR = Client(name="operateur", role=Role.ESTABLISHMENT, domains=frozenset({"hopital.fr"}))
LOGINS = {("marie", "sesame"): HOSPITAL}


async def in_data(peer: Peer) -> None:
    await peer.envelope()
    assert (await peer.ask("DATA")).startswith("354 ")
    await peer.send(b"Subject: a\r\n")


async def test_a_client_with_all_places_in_data_gives_one_back_when_another_waits() -> None:
    """However busy it keeps them: the other's letter is not told to come back."""
    async with house() as home:
        home.door.intake = Intake(memory=2 * PLACE, courtesy=0.001)
        honest = await home.meet()
        await honest.envelope()
        home.reception.client = OPERATOR
        greedy = [await home.meet() for _ in range(2)]
        for peer in greedy:
            await in_data(peer)
        assert await honest.data() == str(QUEUED)
        heard = [asyncio.create_task(peer.hear()) for peer in greedy]
        (cut,), _ = await asyncio.wait(heard, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert cut.result() == "421 4.3.2 Passerelle tres chargee et transfert trop lent, rien n'a ete conserve"
        assert await greedy[heard.index(cut)].hear() == ""
        await greedy[1 - heard.index(cut)].send(LETTER + b".\r\n")
        await asyncio.wait(heard, timeout=5)
        assert heard[1 - heard.index(cut)].result() == str(QUEUED)
        assert [letter.end_called for letter in home.reception.letters].count(["abort"]) == 1


async def test_a_letter_that_never_comes_to_its_end_is_cut() -> None:
    """Above the least rate, but for ever: a place in DATA is for a letter."""
    async with house(idle=0.05, data_rate=1, data_total=0.2) as home:
        peer = await home.meet()
        await in_data(peer)
        heard = asyncio.create_task(peer.hear())
        while not heard.done():
            peer.writer.write(b"encore un peu\r\n")
            await asyncio.sleep(0.01)
        assert (await heard)[:9] == "421 4.4.2"
        await home.quiet()
        assert home.reception.letters[0].end_called == ["abort"]


async def test_a_password_that_could_not_be_checked_counts_and_is_no_alarm(ours, trust):
    """Or one connection could ask for ever; and others' guesses are no defect of the gateway."""
    with capture_logs() as logs:
        busy = Recorder(login_error=TimeoutError())
        async with house(busy, tls=TlsMode.IMPLICIT, context=ours, auth=True, max_auth_failures=2) as home:
            peer = await home.meet(trust)
            assert (await peer.ask("AUTH PLAIN AG1hcmllAHg="))[:9] == "454 4.7.0"
            assert (await peer.ask("AUTH PLAIN AG1hcmllAHg="))[:9] == "421 4.7.0"
            assert await peer.hear() == ""
            await home.quiet()
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("smtp.login")]
    assert told == [("smtp.login.waited", "info")] * 2
    assert "smtp.error" not in [line["event"] for line in logs]


async def test_a_login_is_remembered_by_its_address(ours, trust):
    """A wrong password too, and the next who comes from there waits longer for his turn."""
    async with house(Recorder(logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask("AUTH PLAIN AG1hcmllAHg="))[:9] == "535 5.7.8"
        assert not home.door.logins.knows("127.0.0.1")
        assert (await peer.ask("AUTH PLAIN AG1hcmllAHNlc2FtZQ=="))[:9] == "235 2.7.0"
        assert home.door.logins.knows("127.0.0.1")


async def test_a_stranger_who_does_not_log_in_is_shown_out(ours, trust):
    """Who has logged in stays, and so does who need not."""
    async with house(
        Recorder(client=None, logins=LOGINS), tls=TlsMode.STARTTLS, context=ours, auth=True, login_within=1
    ) as home:
        marie = await home.meet()
        await marie.starttls(trust)
        assert (await marie.ask("EHLO poste")).startswith("250")
        assert (await marie.ask("AUTH PLAIN AG1hcmllAHNlc2FtZQ=="))[:9] == "235 2.7.0"
        home.reception.client = HOSPITAL
        server = await home.meet()
        home.reception.client = None
        stranger = await home.meet()
        assert await stranger.ask("NOOP") == "250 2.0.0 OK"
        assert (await stranger.hear())[:9] == "421 4.4.2"
        assert await stranger.hear() == ""
        assert [await peer.ask("NOOP") for peer in (marie, server)] == ["250 2.0.0 OK"] * 2


async def test_strangers_leave_room_for_addresses_that_logged_in_lately():
    """A doctor whose address is in no network of the configuration."""
    async with house(Recorder(client=None), max_connections=4) as home:
        for _ in range(3):
            await home.meet()
        assert (await (await home.connect()).hear())[:9] == "421 4.7.0"
        home.door.logins.remember("127.0.0.1", right=True)
        await home.meet()
        assert (await (await home.connect()).hear())[:9] == "421 4.7.0"


async def test_one_neighbourhood_of_strangers_leaves_room_for_another():
    """Eighteen addresses side by side are one guest; who leaves makes room."""
    async with house(Recorder(client=None), max_connections=22, max_connections_per_ip=2) as home:
        near = [await home.connect(at=f"127.0.0.{number}") for number in (2, 2, 3, 3, 4, 4)]
        heard = [(await peer.hear())[:3] for peer in near]
        assert heard == ["220"] * 4 + ["421"] * 2
        assert (await (await home.connect(at="127.0.1.1")).hear())[:3] == "220"
        await near[0].close()
        await home.quiet(4)
        assert (await (await home.connect(at="127.0.0.4")).hear())[:3] == "220"


def now_all_had_time(home: House) -> None:
    home.door.listener = replace(home.door.listener, handshake=0.0)


async def test_where_all_places_are_taken_the_stranger_of_longest_standing_gives_way():
    """But not before it had time to say who it is: an honest crowd would only chase itself away."""
    async with house(Recorder(client=None), max_connections=4) as home:
        first = await home.meet()
        await home.meet()
        await home.meet()
        assert (await (await home.connect()).hear())[:9] == "421 4.7.0"
        assert await first.ask("NOOP") == "250 2.0.0 OK"
        now_all_had_time(home)
        assert (await (await home.connect()).hear())[:3] == "220"
        assert (await first.hear())[:9] == "421 4.4.2"
        assert await first.hear() == ""
        assert home.door.connections == 3


async def test_a_stranger_in_its_tls_handshake_gives_way_in_silence(ours):
    """It would take our last word for TLS."""
    async with house(Recorder(client=None), tls=TlsMode.IMPLICIT, context=ours, max_connections=1) as home:
        silent = await home.connect()
        async with asyncio.timeout(10):
            while not home.door.connections:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        now_all_had_time(home)
        await home.connect()
        assert await silent.hear() == ""


@pytest.mark.parametrize("by", ["login", "certificate"])
async def test_who_has_shown_who_it_is_gives_way_to_nobody(ours, trust, by):
    """And there is room for it the next time."""
    if by == "login":
        shown, fields = Recorder(client=None, logins=LOGINS), {"auth": True}
    else:
        shown = Recorder(client=None, admits=lambda _: OPERATOR)
        fields = {"role": Role.TRUST_SPACE, "peers": True, "require_tls": True}
    async with house(shown, tls=TlsMode.STARTTLS, context=ours, max_connections=2, **fields) as home:
        peer = await home.meet()
        await peer.starttls(trust)
        assert (await peer.ask("EHLO poste")).startswith("250")
        if by == "login":
            assert (await peer.ask("AUTH PLAIN AG1hcmllAHNlc2FtZQ=="))[:9] == "235 2.7.0"
        now_all_had_time(home)
        assert (await (await home.connect()).hear())[:3] == "220"  # from an address that is known by now
        assert (await (await home.connect(at="127.0.0.2")).hear())[:9] == "421 4.7.0"
        assert await peer.ask("NOOP") == "250 2.0.0 OK"


async def test_a_letter_in_data_gives_way_to_nobody():
    """Its sender may have become a client by a reload, after it came as a stranger."""
    async with house(Recorder(client=None), max_connections=1) as home:
        peer = await home.meet()
        home.reception.client = HOSPITAL
        await in_data(peer)
        now_all_had_time(home)
        home.reception.client = None
        assert (await (await home.connect(at="127.0.1.1")).hear())[:9] == "421 4.7.0"
        await peer.send(LETTER + b".\r\n")
        assert await peer.hear() == str(QUEUED)

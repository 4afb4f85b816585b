"""One client cannot make the others wait: places in DATA, turns to log in, room for connections."""

import asyncio

from structlog.testing import capture_logs

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges.smtpd_intake import PLACE, Intake
from mssgw.edges.smtpd_listener import TlsMode
from tests.wire.inbound import HOSPITAL, LETTER, QUEUED, Peer, Recorder, house

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

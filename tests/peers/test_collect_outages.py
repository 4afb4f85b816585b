"""Collecting where something else fails than the mail store: the wire to it, our own leases; and very much at once."""

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mssgw.edges.imap import ImapMailboxes
from mssgw.edges.tls import client_context
from tests.collecting import letter
from tests.contract.mailboxes import QUICK
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.mail_store import MailStore
from tests.peers.pymap import PymapStore
from tests.peers.test_collect_imap import RealBal
from tests.peers.wire_tap import Wire
from tests.stories.worlds import delivering

MOVED = 'done_folder = "Releves"'
MANY = 5_000


def _dovecot() -> MailStore:
    dovecot.required()
    return DovecotStore()


@pytest.fixture(scope="module", params=[_dovecot, PymapStore], ids=["dovecot", "pymap"])
def server(request: pytest.FixtureRequest) -> Iterator[MailStore]:
    with request.param() as server:
        yield server


@asynccontextmanager
async def collecting_from(server: MailStore, folder: Path) -> AsyncIterator[RealBal]:
    """A mailbox there, in which a connection that is gone is soon missed."""
    bal = RealBal(folder, server, MOVED)
    context = client_context(ca_file=server.anchors, public=False)
    mailboxes = ImapMailboxes(tls_contexts=lambda _: context, limits=replace(QUICK, probe=0.5))
    bal.means = replace(bal.means, mailboxes=mailboxes)
    async with delivering(bal.world.flow):
        yield bal


async def moved(bal: RealBal, *letters: bytes) -> None:
    """Wait until just these lie in the folder of those that were taken."""
    while sorted(await bal.lies_in("Releves")) != sorted(letters):  # noqa: ASYNC110 - it is asked of a server
        await asyncio.sleep(0.1)


async def test_a_connection_that_falls_silent_during_idle_is_missed_and_replaced(
    server: MailStore, tmp_path: Path
) -> None:
    """Nobody says that it is gone; what came meanwhile is taken by the next session, and nothing twice."""
    async with Wire(server.port) as wire, asyncio.timeout(30):
        behind = copy.copy(server)
        behind.port = wire.port
        async with collecting_from(behind, tmp_path) as bal:
            async with bal.collecting():
                await bal.bring(letter(1))
                await moved(bal, letter(1))
                wire.cut()
                await bal.bring(letter(2))
                await bal.until(lambda: bal.events("collector.unreachable"))
                assert bal.arrived == [letter(1)]
            async with bal.collecting():
                await moved(bal, letter(1), letter(2))
                await bal.until(lambda: len(bal.arrived) >= 2)
        assert sorted(bal.arrived) == [letter(1), letter(2)]


async def test_two_who_both_believe_that_it_is_their_turn_double_nothing(server: MailStore, tmp_path: Path) -> None:
    """A node that was cut off from the database for a while: both fetch, one commits."""
    letters = sorted(letter(number) for number in range(60))
    async with collecting_from(server, tmp_path) as bal, asyncio.timeout(30), bal.collecting(node="a"):
        await bal.until(lambda: len(bal.events("collector.looked")) == 1)
        bal.world.clock.pass_(minutes=2)  # the lease of "a" has lapsed, and it does not know
        async with bal.collecting(node="b"):
            await bal.until(lambda: len(bal.events("collector.looked")) == 2)
            await bal.bring(*letters)
            while await bal.lies_in("INBOX"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
            await bal.until(lambda: len(bal.arrived) >= len(letters))
        assert sorted(bal.arrived) == letters
        assert set(await bal.lies_in("Releves")) == set(letters), "two may move one letter: there it may lie twice"
        assert len(bal.events("collector.started")) == 2


@pytest.mark.soak
async def test_five_thousand_waiting_letters_are_taken_each_once(tmp_path: Path) -> None:
    """The next session finds nothing left."""
    dovecot.required()
    letters = sorted(letter(number) for number in range(MANY))
    with DovecotStore() as server:
        async with collecting_from(server, tmp_path) as bal, asyncio.timeout(300):
            await bal.bring(*letters)
            async with bal.collecting():
                await moved(bal, *letters)
                await bal.until(lambda: len(bal.arrived) >= MANY)
            before = len(bal.events("collector.looked"))
            async with bal.collecting():
                await bal.until(lambda: len(bal.events("collector.looked")) > before)
            assert sorted(bal.arrived) == letters
            assert await bal.lies_in("INBOX") == []

"""Collecting from real mail stores, of two makes: what the twin promises holds on Dovecot and on pymap."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mssgw.edges.imap import ImapMailboxes
from mssgw.edges.imap_dial import Dialer
from mssgw.edges.tls import client_context
from mssgw.flow.mailbox_gate import Pause
from mssgw.ports import Account
from tests.collecting import BAL, Bal, configured, letter
from tests.contract.mailboxes import QUICK
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.mail_store import HOST, PASSWORD, SMALL, MailStore
from tests.stories.worlds import delivering

REFUSED = "Refus passerelle"


@pytest.fixture(params=["dovecot", "pymap"])
def server(request: pytest.FixtureRequest) -> MailStore:
    store: MailStore = request.getfixturevalue(f"{request.param}_store")
    return store


class RealBal(Bal):
    """``account``: the mailbox on the server, with the folder that is collected from."""

    def __init__(self, folder: Path, server: MailStore, *lines: str, account: str = "") -> None:
        self.folder, self.server, self.account = folder, server, account or server.fresh()
        collector = f"""
[[collector]]
name = "officine"
host = "{HOST}"
port = {server.port}
tls = "starttls"
user = "{self.account}"
password_file = "bal.password"
recipient = "{BAL}"
"""
        config = configured(folder, *lines, collector=collector)
        (folder / "bal.password").write_text(f"{PASSWORD}\n", "utf-8")
        context = client_context(ca_file=server.anchors, public=False)
        super().__init__(config, ImapMailboxes(tls_contexts=lambda _: context, limits=QUICK))

    async def bring(self, *letters: bytes, folder: str = "INBOX") -> None:
        await asyncio.to_thread(self.server.put, self.account, *letters, folder=folder)

    async def lies_in(self, folder: str) -> list[bytes]:
        return await asyncio.to_thread(self.server.letters, self.account, folder)

    async def make(self, folder: str) -> None:
        await asyncio.to_thread(self._visit, "create", folder)

    async def remove(self, folder: str) -> None:
        await asyncio.to_thread(self._visit, "delete", folder)

    def _visit(self, what: str, folder: str) -> None:
        with self.server.client(self.account) as client:
            assert getattr(client, what)(folder)[0] == "OK"


@pytest.fixture
async def make(tmp_path: Path, server: MailStore) -> AsyncIterator[object]:
    async with AsyncExitStack() as stack:

        async def make_one(*lines: str) -> RealBal:
            bal = RealBal(tmp_path, server, *lines)
            await stack.enter_async_context(delivering(bal.world.flow))
            return bal

        yield make_one


async def test_letters_are_taken_moved_or_put_aside_to_the_octet(make) -> None:
    good, bad = letter(1, body=b".x\r\n" * 1_000), letter(2, "From: <second@x.example>")
    bal = await make('done_folder = "Releves/Été"')
    await bal.bring(good, bad)
    async with bal.collecting():
        await bal.until(lambda: bal.totals()["refused"] == 1)
        await bal.until(lambda: bal.arrived)
        await bal.until(lambda: bal.events("collector.looked"))
    assert bal.arrived == [good]
    assert await bal.lies_in("INBOX") == []
    assert await bal.lies_in("Releves/&AMk-t&AOk-") == [good]
    note, kept = await bal.lies_in(REFUSED)
    assert kept == bad
    assert b"Motif : 550 5.7.1 Le message doit porter un seul champ From" in note


async def test_a_letter_that_comes_while_we_wait_is_taken_and_marked_or_remembered(make) -> None:
    """pymap keeps no keywords: there the store's memory alone says what is new, in a second session too."""
    bal = await make()
    async with bal.collecting():
        await bal.until(lambda: bal.events("collector.looked"))
        await bal.bring(letter(1))
        await bal.until(lambda: bal.arrived)
    async with bal.collecting():
        before = len(bal.events("collector.looked"))
        await bal.until(lambda: len(bal.events("collector.looked")) > before)
    assert bal.totals()["collected"] == 1
    assert await bal.lies_in("INBOX") == [letter(1)]


async def test_ten_mo_and_three_hundred_small_ones(make) -> None:
    large = letter(1, body=(b"y" * 98 + b"\r\n") * 104_000)
    bal = await make('done_folder = "Releves"')
    await bal.bring(large, *(letter(number) for number in range(2, 302)))
    async with bal.collecting():
        await bal.until(lambda: len(bal.arrived) == 301)
    assert sorted(bal.arrived) == sorted([large, *(letter(number) for number in range(2, 302))])


async def test_a_folder_that_goes_and_comes_back_with_the_same_letters_brings_nothing_twice(make) -> None:
    """Removed while we wait: an alarm, and no more. Made anew, its numbers mean other messages."""
    bal = await make('folder = "Arrivee"')
    await bal.make("Arrivee")
    await bal.bring(letter(1), letter(2), folder="Arrivee")
    async with bal.collecting():
        await bal.until(lambda: len(bal.arrived) == 2)
    await bal.remove("Arrivee")
    async with bal.collecting():
        await bal.until(lambda: bal.events("collector.folder_missing"))
    await bal.make("Arrivee")
    await bal.bring(letter(3), letter(2), letter(1), folder="Arrivee")
    async with bal.collecting():
        await bal.until(lambda: len(bal.arrived) == 3)
        await bal.until(lambda: bal.totals()["already"] == 2)
    assert sorted(bal.arrived) == [letter(1), letter(2), letter(3)]


async def test_two_messages_with_one_message_id_and_other_content_are_both_kept(make) -> None:
    """And a third that is the same as the first is not taken again, when the folder is numbered anew."""
    one, other = letter(1, body=b"one\r\n"), letter(1, body=b"other\r\n")
    bal = await make('folder = "Arrivee"')
    await bal.make("Arrivee")
    await bal.bring(one, other, folder="Arrivee")
    async with bal.collecting():
        await bal.until(lambda: len(bal.arrived) == 2)
    await bal.remove("Arrivee")
    await bal.make("Arrivee")
    await bal.bring(one, folder="Arrivee")
    async with bal.collecting():
        await bal.until(lambda: bal.totals()["already"] == 1)
    assert sorted(bal.arrived) == sorted([one, other])


async def test_a_wrong_password_is_told_once_and_not_tried_again_for_minutes(make, monkeypatch) -> None:
    """One login for each session that somebody asks for: no account gets locked by us."""
    bal = await make()
    (bal.folder / "bal.password").write_text("autre\n", "utf-8")
    logins, really = [], Dialer.dial

    async def counted(self: Dialer, account: Account) -> object:
        logins.append(account.name)
        return await really(self, account)

    monkeypatch.setattr(Dialer, "dial", counted)
    async with bal.collecting() as collectors:
        await bal.until(lambda: bal.events("collector.login_refused"))
        for _ in range(3):
            collectors.follow([bal.plan])  # as every reload does, and every renewal of the lease
            await asyncio.sleep(0.05)
    (told,) = bal.events("collector.login_refused")
    assert (logins, told["alarm"]) == (["officine"], True)
    assert told["again_in"] >= 240


async def test_a_message_that_dovecot_cannot_read_keeps_no_other_letter_waiting(tmp_path: Path, monkeypatch) -> None:
    """Its file is shorter than its name says: Dovecot hangs up over it, whoever asks."""
    dovecot.required()
    monkeypatch.setattr(Pause, "next", lambda self, span: 0.05)
    with DovecotStore() as server:
        bal = RealBal(tmp_path, server, 'done_folder = "Releves"')
        await bal.bring(letter(1), letter(2), letter(3))
        (damaged,) = [
            path
            for path in (server.home / "mail" / bal.account / "Maildir").glob("*/*,S=*")
            if b"<2@ailleurs>" in path.read_bytes()
        ]
        os.truncate(damaged, 100)
        async with delivering(bal.world.flow), bal.collecting():
            await bal.until(lambda: bal.arrived == [letter(1), letter(3)])
            await bal.until(lambda: bal.events("collector.looked")[-1]["broken_off"] is None)
        assert bal.events("collector.looked")[0]["broken_off"] == 1
        assert await bal.lies_in("Releves") == [letter(1), letter(3)]


async def test_a_name_for_the_refused_that_dovecot_does_not_allow_keeps_no_other_letter_waiting(tmp_path: Path) -> None:
    """A dot, where folders lie in folders by a slash: after that refusal no folder is open."""
    dovecot.required()
    with DovecotStore() as server:
        bal = RealBal(tmp_path, server, 'refused_folder = "INBOX.Refus"')
        await bal.bring(letter(1, "From: <second@x.example>"), letter(2))
        async with delivering(bal.world.flow), bal.collecting():
            await bal.until(lambda: bal.arrived == [letter(2)])
        assert bal.events("collector.not_put_aside")
        assert not bal.events("collector.unreachable")
        assert len(await bal.lies_in("INBOX")) == 2


async def test_a_full_mailbox_costs_no_letter_and_repeats_none(tmp_path: Path) -> None:
    """It cannot take the note that says why a letter is refused: an alarm, and the letter stays, not taken again."""
    dovecot.required()
    with DovecotStore() as server:
        bal = RealBal(tmp_path, server, account=SMALL)
        good, bad = letter(1), letter(2, "From: <second@x.example>", body=(b"y" * 78 + b"\r\n") * 491)
        await bal.bring(good, bad)
        async with delivering(bal.world.flow):
            for looks in (1, 2):
                async with bal.collecting():
                    await bal.until(lambda looks=looks: len(bal.events("collector.looked")) == looks)
            assert bal.events("collector.not_put_aside")
            assert (bal.arrived, await bal.lies_in("INBOX")) == ([good], [good, bad])


async def test_a_server_that_dies_in_the_middle_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    """Dovecot killed while a mailbox is emptied: the next session goes on, and nothing comes twice."""
    dovecot.required()
    with DovecotStore() as server:
        bal = RealBal(tmp_path, server, 'done_folder = "Releves"')
        letters = [letter(number) for number in range(300)]
        await bal.bring(*letters)
        async with delivering(bal.world.flow):
            async with bal.collecting():
                await bal.until(lambda: len(bal.arrived) > 20)
                await asyncio.to_thread(server.restart)
                await bal.until(lambda: bal.events("collector.unreachable"))
            async with bal.collecting():
                await bal.until(lambda: len(bal.arrived) == 300)
            assert sorted(bal.arrived) == sorted(letters)

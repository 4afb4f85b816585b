"""A whole gateway that delivers into mailboxes of Dovecot and pymap, as an administrator would configure it."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.corpus import SENDER
from tests.crash.client import Client, Promises
from tests.crash.letters import CrashLetter
from tests.peers import dovecot
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, DovecotStore
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.mail_store import HOST, PASSWORD, SMALL, MailStore

APP = "labo@ch-test.mssante.fr"
LETTER = (
    f"From: <{SENDER}>\r\nTo: <{APP}>\r\nSubject: essai\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n"
    f"Message-ID: <l1@ch-test.mssante.fr>\r\nDisposition-Notification-To: <{SENDER}>\r\n\r\nBonjour\r\n"
).encode()
LINES = b"x" * 78 + b"\r\n"  # 80 octets


@pytest.fixture(scope="module")
def dovecot_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore(APP) as server:
        yield server


@pytest.fixture(params=["dovecot", "pymap"])
def server(request: pytest.FixtureRequest) -> MailStore:
    store: MailStore = request.getfixturevalue(f"{request.param}_store")
    return store


def gateway(
    server: MailStore, store: dict[str, Any], mailbox: dict[str, Any], *more: dict[str, Any], **delivery: str
) -> GatewayProcess:
    """``delivery``: further keys of that table."""
    for name, text in (("password", PASSWORD), ("master", MASTER_PASSWORD)):
        (server.home / name).write_text(f"{text}\n", "utf-8")
        (server.home / name).chmod(0o600)
    settings = {
        "log": {"level": "info", "format": "json"},
        "gateway": {"workers": 1},
        "delivery": {"first_retry": "1s", "longest_retry": "2s", "ca_file": str(server.anchors), **delivery},
        "mail_store": [{"name": "bals", **store}],
        "mailbox": [{"address": APP, "kind": "APP", "mail_store": "bals", **mailbox}, *more],
    }
    return GatewayProcess(Hops(operators=9), settings=settings)


def by_imap(server: MailStore) -> dict[str, Any]:
    return {"host": HOST, "port": server.port, "tls": "starttls"}


async def sent(running: GatewayProcess, content: bytes = LETTER) -> str:
    promises = Promises()
    async with Client(running.port) as client:
        await client.send(CrashLetter(payload_id="l1", recipient=APP, content=content), promises)
    return promises.accepted["l1"]


async def until(true: Callable[[], object], limit: float = 20.0) -> None:
    async with asyncio.timeout(limit):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - it is asked of a server
            await asyncio.sleep(0.1)


async def test_a_programs_receipt_goes_out_when_it_moves_the_letter(server: MailStore) -> None:
    """Delivered; nothing is said. Moved; one receipt, to who asked. The trace tells both (MDN-7, SD-13)."""
    account, asking = server.fresh(), server.fresh()
    secret = {"password_file": str(server.home / "password")}
    sender = {"address": SENDER, "kind": "ORG", "mail_store": "bals", "user": asking, **secret}
    with gateway(
        server, by_imap(server), {"user": account, "processed_folder": "Integres", **secret}, sender
    ) as running:
        queue_id = await sent(running)
        await until(lambda: server.letters(account))
        assert not re.search(rb"\\Seen", flags(server, account)), "a letter that nobody has read"
        assert not server.letters(asking)
        await asyncio.to_thread(move, server, account, "Integres")
        await until(lambda: server.letters(asking))
        traced = running.command("trace", queue_id, "--json").stdout
    (receipt,) = server.letters(asking)
    assert b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n" in receipt
    assert b"Original-Message-ID: <l1@ch-test.mssante.fr>\r\n" in receipt
    assert '"event": "read"' in traced.replace('":"', '": "')


async def test_letters_come_by_lmtp(dovecot_store: DovecotStore) -> None:
    """Over a unix socket, to the address itself."""
    with gateway(dovecot_store, {"lmtp": str(dovecot_store.lmtp_socket)}, {}) as running:
        queue_id = await sent(running)
        await until(lambda: dovecot_store.letters(APP))
    (letter,) = dovecot_store.letters(APP)
    assert letter.endswith(LETTER)
    assert f"X-Mssgw-Id: {queue_id}\r\n".encode() in letter


async def test_a_master_delivers_and_a_full_mailbox_waits(dovecot_store: DovecotStore) -> None:
    """452 4.2.2 in the queue; the sender is told of the delay; it is delivered once its readers made room."""
    store = {**by_imap(dovecot_store), "master_user": MASTER}
    store["master_password_file"] = str(dovecot_store.home / "master")
    asking = dovecot_store.fresh()
    sender = {"address": SENDER, "kind": "ORG", "mail_store": "bals", "user": asking}
    with gateway(dovecot_store, store, {"user": SMALL}, sender, warn_after="1s") as running:
        await sent(running, LETTER + LINES * 250)
        await until(lambda: dovecot_store.letters(SMALL))
        late = await sent(running, LETTER.replace(b"l1@", b"l2@") + LINES * 350)
        await until(lambda: "4.2.2" in running.command("queue", "list", "--json").stdout)
        assert '"delivery.refused_by_store"' in running.log()
        await until(lambda: dovecot_store.letters(asking))
        (notice,) = dovecot_store.letters(asking)
        assert b"Action: delayed\r\nStatus: 4.2.2\r\n" in notice
        assert len(dovecot_store.letters(SMALL)) == 1
        await asyncio.to_thread(move, dovecot_store, SMALL, None)
        running.command("queue", "retry", late)
        await until(lambda: [letter for letter in dovecot_store.letters(SMALL) if b"<l2@" in letter])


async def test_two_letters_with_one_message_id_and_other_content_are_both_there(server: MailStore) -> None:
    """Each is known by its queue id; what its sender wrote as Message-ID decides nothing."""
    account = server.fresh()
    secret = {"user": account, "password_file": str(server.home / "password")}
    other = LETTER.replace(b"Bonjour", b"Bonsoir")
    with gateway(server, by_imap(server), secret) as running:
        queue_ids = [await sent(running), await sent(running, other), await sent(running)]
        await until(lambda: len(server.letters(account)) == 3)
    found = server.letters(account)
    assert sorted(each[each.index(b"From:") :] for each in found) == sorted([LETTER, LETTER, other])
    assert all(any(f"X-Mssgw-Id: {each}".encode() in letter for letter in found) for each in queue_ids)


async def test_a_wrong_password_is_an_alarm_and_the_letter_waits(dovecot_store: DovecotStore) -> None:
    """One login, however often the letter is tried; with the right password it goes at once."""
    account, wrong = dovecot_store.fresh(), dovecot_store.home / "wrong"
    wrong.write_text("faux\n")
    wrong.chmod(0o600)
    mailbox = {"user": account, "password_file": str(wrong)}
    with gateway(dovecot_store, by_imap(dovecot_store), mailbox) as running:
        await sent(running)
        await until(lambda: running.log().count("delivery.deferred") >= 3)
        said = [line for line in running.log().splitlines() if "delivery.deferred" in line]
        assert all('"4.7.8"' in line and "alarm" in line for line in said)
        wrong.write_text(f"{PASSWORD}\n", "utf-8")
        running.reload()
        await until(lambda: dovecot_store.letters(account))


def flags(server: MailStore, account: str) -> bytes:
    with server.client(account) as client:
        client.select("INBOX", readonly=True)
        return b"".join(each for each in client.fetch("1:*", "(FLAGS)")[1] if isinstance(each, bytes))


def move(server: MailStore, account: str, folder: str | None) -> None:
    """As the program does; None: away for good."""
    with server.client(account) as client:
        client.select("INBOX")
        if folder is not None:
            client.create(folder)
            assert client.copy("1:*", folder)[0] == "OK"
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()

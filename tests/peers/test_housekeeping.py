"""What the daemon does by itself when time has passed: letters leave a mailbox, a silent exchange closes."""

import asyncio
import imaplib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.corpus import SENDER
from tests.crash.client import Client, Promises
from tests.crash.letters import CrashLetter
from tests.crash.next_hop import NextHop
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.mail_store import HOST, PASSWORD, PATIENT

APP = "labo@ch-test.mssante.fr"
DAY = timedelta(days=1)
LIMIT = 30.0  # seconds


@pytest.fixture
def mail_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def old_letter(mail_store: DovecotStore, account: str, queue_id: str, flags: str) -> None:
    """As we delivered it a hundred days ago, with what its readers did since."""
    letter = f"X-Mssgw-Id: {queue_id}.0\r\nFrom: <a@b.example>\r\n\r\nBonjour\r\n".encode()
    with mail_store.client(account) as client:
        arrived = imaplib.Time2Internaldate(datetime.now(UTC) - 100 * DAY)
        assert client.append("INBOX", flags, arrived, letter)[0] == "OK"


def as_if_its_day_had_come(gateway: GatewayProcess) -> None:
    """Move what was announced back in time, for a gateway that is stopped."""
    now = datetime.now(UTC)
    with sqlite3.connect(gateway.state_dir / "mssgw.db") as database:
        moments = [int(when.timestamp() * 1e6) for when in (now - DAY, now - 91 * DAY)]
        assert database.execute("UPDATE purges SET due_at = ?, before = ?", moments).rowcount == 1
    database.close()


def listed(gateway: GatewayProcess) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(gateway.command("mailbox", "list", "--json").stdout)
    return row


def test_letters_leave_a_mailbox_after_a_notice_to_its_readers(mail_store: DovecotStore) -> None:  # req: TRC-3
    """Announced there and to the administrator; deleted when their day has come, and traced; the unread one stays."""
    account = mail_store.fresh()
    secret = mail_store.home / "password"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    secret.chmod(0o600)
    old_letter(mail_store, account, "1M8Z7Q4X9TB20KEV", r"(\Seen)")
    old_letter(mail_store, account, "1M8Z7Q4X9TB20KEW", "")
    mailbox = {"address": APP, "kind": "ORG", "mail_store": "bals", "user": account, "password_file": str(secret)}
    settings = {
        "gateway": {"workers": 2},
        "delivery": {"ca_file": str(mail_store.anchors)},
        "mail_store": [{"name": "bals", "host": HOST, "port": mail_store.port, "tls": "starttls"}],
        "mailbox": [{**mailbox, "purge_after": "90d"}],
    }
    with GatewayProcess(Hops(operators=9), settings=settings) as gateway:
        until(lambda: '"retention.announced"' in gateway.log())
        (notice,) = [each for each in mail_store.letters(account) if b"X-Mssgw-Id: purge-" in each]
        assert b"To: <labo@ch-test.mssante.fr>\r\n" in notice
        told = listed(gateway)
        assert (told["letters"], told["purge_after"]) == (1, 90 * 86_400)
        assert '"announced"' in gateway.command("trace", APP, "--json").stdout
        gateway.stop()
        as_if_its_day_had_come(gateway)
        gateway.start()
        until(lambda: '"retention.purged"' in gateway.log())
        traced = gateway.command("trace", "1M8Z7Q4X9TB20KEV", "--json").stdout
        assert json.loads(traced.splitlines()[0])["event"] == "purged"
        assert listed(gateway)["due"] is None
    left = [each.split(b"\r\n")[0] for each in mail_store.letters(account)]
    assert left[0] == b"X-Mssgw-Id: 1M8Z7Q4X9TB20KEW.0"
    assert len(left) == 2, "the unread letter and the notice"


async def test_an_exchange_that_fell_silent_closes_without_anybody() -> None:  # req: FIN-4
    """Within an hour, and at every start: the patient is refused then."""
    mailbox = {"address": SENDER, "kind": "ORG", "close_after": "1s"}
    async with NextHop().listening() as hop:
        with GatewayProcess(Hops(operators=hop.port), settings={"mailbox": [mailbox]}) as gateway:
            head = f"From: <{SENDER}>\r\nTo: <{PATIENT}>\r\nMessage-ID: <1@ch-test.mssante.fr>\r\nX-Payload-Id: 1\r\n"
            content = f"{head}\r\nBonjour\r\n"
            async with Client(gateway.port) as client:
                letter = CrashLetter(payload_id="1", recipient=PATIENT, content=content.encode())
                await client.send(letter, Promises())
            await asyncio.to_thread(gateway.wait_until_nothing_waits)
            assert '"open"' in gateway.command("conversation", "list", "--json").stdout
            gateway.stop()
            await asyncio.sleep(1.1)
            gateway.start()
            await asyncio.to_thread(until, lambda: '"sweep.close","count":1' in _close_lines(gateway))
            assert '"closed"' in gateway.command("conversation", "list", "--json").stdout
            assert "silent-1s" in gateway.command("trace", SENDER, "--json").stdout


def _close_lines(gateway: GatewayProcess) -> str:
    """``"sweep.close","count":N`` of each."""
    lines = [json.loads(line) for line in gateway.log().splitlines() if '"sweep.close"' in line]
    return " ".join(f'"sweep.close","count":{line["count"]}' for line in lines)

"""Our IMAP against Debian's Dovecot in what it alone can do: TLS at once, a master login, a crash."""

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mssgw.core.routes import TlsPolicy
from mssgw.edges.imap import ImapMailboxes
from mssgw.edges.tls import client_context
from mssgw.ports import Account
from mssgw.ports.mailbox import INBOX, LoginRefused, MailboxDistrusted, MailboxLost
from tests.contract.mailboxes import account_of
from tests.peers import dovecot
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, DovecotStore
from tests.peers.mail_store import PATIENT

LETTER = b"Subject: essai\r\n\r\nBonjour\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore() as server:
        yield server


def mailboxes(server: DovecotStore) -> ImapMailboxes:
    context = client_context(ca_file=server.anchors, public=False)
    return ImapMailboxes(tls_contexts=lambda _: context)


def account(server: DovecotStore, login: str, tls: TlsPolicy = TlsPolicy.REQUIRE, **more: str) -> Account:
    port = server.tls_port if tls is TlsPolicy.IMPLICIT else server.port
    assert port is not None
    return replace(account_of(login, port, tls), **more)


@pytest.mark.parametrize("tls", [TlsPolicy.IMPLICIT, TlsPolicy.REQUIRE, TlsPolicy.NONE])
async def test_every_way_of_tls_leads_in(server: DovecotStore, tls: TlsPolicy) -> None:
    """From the first octet, by STARTTLS, or none on loopback."""
    async with mailboxes(server).open(account(server, server.fresh(), tls)) as mailbox:
        assert (await mailbox.open(INBOX)).messages == 0


@pytest.mark.parametrize("tls", [TlsPolicy.IMPLICIT, TlsPolicy.REQUIRE])
async def test_a_certificate_for_another_name_or_of_strangers_leads_nowhere(
    server: DovecotStore, tls: TlsPolicy
) -> None:
    """The account is of localhost; strangers are who the public authorities know."""
    with pytest.raises(MailboxDistrusted):
        async with mailboxes(server).open(account(server, PATIENT, tls, host="127.0.0.1")):
            pass
    public = client_context()
    with pytest.raises(MailboxDistrusted):
        async with ImapMailboxes(tls_contexts=lambda _: public).open(account(server, PATIENT, tls)):
            pass


async def test_a_master_login_opens_the_mailboxes_of_a_patient_space(server: DovecotStore) -> None:
    """No password of any patient is needed; without the right, the login is refused."""
    server.put(PATIENT, LETTER)
    master = account(server, MASTER, password=MASTER_PASSWORD, authorize_as=PATIENT)
    async with mailboxes(server).open(master) as mailbox:
        assert (await mailbox.open(INBOX)).messages == 1
    with pytest.raises(LoginRefused):
        async with mailboxes(server).open(account(server, server.fresh(), authorize_as=PATIENT)):
            pass


async def test_a_store_that_is_killed_is_missed_at_once_and_found_again() -> None:
    """In the middle of an IDLE that may last minutes."""
    dovecot.required()
    with DovecotStore() as server:
        box = account(server, server.fresh())
        async with mailboxes(server).open(box) as mailbox:
            await mailbox.open(INBOX)
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(missed(mailbox.wait(600)))
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.stop, signal.SIGKILL)
            assert waiting.result()
        with pytest.raises(MailboxLost):
            async with mailboxes(server).open(box):
                pass
        await asyncio.to_thread(server.start)
        async with mailboxes(server).open(box) as mailbox:
            assert (await mailbox.open(INBOX)).messages == 0


async def missed(wait: "asyncio.Future[bool] | object") -> bool:
    try:
        await wait  # type: ignore[misc]
    except MailboxLost:
        return True
    return False

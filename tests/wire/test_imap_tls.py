"""STARTTLS that nobody can inject into, and certificates that are verified, before anything goes out (TLS-7)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mssgw.core.routes import TlsPolicy
from mssgw.edges.imap import ImapMailbox, ImapMailboxes
from mssgw.edges.imap_limits import Limits
from mssgw.edges.tls import server_context
from mssgw.ports.mailbox import INBOX, MailboxDistrusted, MailboxLost
from tests.contract.mailboxes import account_of
from tests.pki import Authority
from tests.wire.scripted_imap import OK, TAG, Answer, ScriptedImap

LIMITS = Limits(connect=5, command=5, farewell=0.5)
AGREED = TAG + b" OK begin\r\n"


@asynccontextmanager
async def session(
    server: ScriptedImap, trust: ssl.SSLContext, *, host: str = "localhost", limits: Limits = LIMITS
) -> AsyncIterator[ImapMailbox]:
    mailboxes = ImapMailboxes(tls_contexts=lambda _: trust, limits=limits)
    async with mailboxes.open(account_of("bal@x.example", server.port, TlsPolicy.REQUIRE, host=host)) as mailbox:
        yield mailbox


async def test_the_login_goes_out_encrypted_and_what_was_offered_in_clear_is_forgotten(
    ours: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """The offers in clear may be forged: they are asked for again."""
    clear = b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + OK
    offers: list[Answer] = [clear, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n" + OK]
    async with ScriptedImap({"CAPABILITY": offers}, tls=ours) as server:
        async with session(server, trust) as mailbox:
            assert (await mailbox.open(INBOX)).uid_validity == 7
        assert server.encrypted
    assert server.commands[:4] == ["CAPABILITY", "STARTTLS", "CAPABILITY", server.said("AUTHENTICATE")[0]]


@pytest.mark.parametrize(
    "injected",
    [b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", b"* PREAUTH\r\n", b"A1 OK\r\n", b"* BYE\r\n", b"x", b"\r\n"],
)
async def test_an_answer_in_clear_behind_the_agreement_is_never_read(
    ours: ssl.SSLContext, trust: ssl.SSLContext, injected: bytes
) -> None:
    """Whoever sits in between would speak with the server's voice (CVE-2011-0411 and its kin)."""
    async with ScriptedImap({"STARTTLS": AGREED + injected}, tls=ours) as server:
        with pytest.raises((MailboxLost, MailboxDistrusted)):
            async with session(server, trust):
                pass
    assert server.said("AUTH") == []


async def test_nor_when_it_comes_a_little_later(ours: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """In a packet of its own, it breaks the handshake."""

    class Late(ScriptedImap):
        async def _answer(self, moment, tag, reader, writer):  # type: ignore[no-untyped-def]
            answer = await super()._answer(moment, tag, reader, writer)
            if moment == "STARTTLS":
                await asyncio.sleep(0.02)
                writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
            return answer

    async with Late({"STARTTLS": AGREED}, tls=ours) as server:
        with pytest.raises((MailboxLost, MailboxDistrusted)):
            async with session(server, trust):
                pass
    assert server.said("AUTH") == []


@pytest.mark.parametrize(
    "script",
    [
        {"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK},
        {"STARTTLS": TAG + b" NO no certificate\r\n"},
        {"STARTTLS": TAG + b" BAD what?\r\n"},
        {"GREETING": b"* PREAUTH welcome\r\n"},
    ],
)
async def test_without_tls_nothing_is_said(script: dict[str, Answer], trust: ssl.SSLContext) -> None:
    """There is no falling back to clear text."""
    async with ScriptedImap({**script}) as server:
        with pytest.raises(MailboxDistrusted):
            async with session(server, trust):
                pass
    assert server.said("AUTH") == server.said("LOGIN") == []


@pytest.mark.parametrize("case", ["another authority", "another name", "expired"])
async def test_a_certificate_that_does_not_hold(case: str, authority: Authority, tmp_path: Path) -> None:
    """An error of its own, that says what is wrong; nothing goes out."""
    issuer = Authority("Une autre autorite") if case == "another authority" else authority
    names = ("elsewhere.example",) if case == "another name" else ("localhost",)
    context = server_context(issuer.issue(tmp_path, *names, days=-1 if case == "expired" else 10))
    async with ScriptedImap(tls=context) as server:
        with pytest.raises(MailboxDistrusted, match=r"certificate|not valid"):
            async with session(server, authority.trusting_context()):
                pass
    assert server.said("AUTH") == []


async def test_a_context_that_verifies_nobody_is_refused(trust: ssl.SSLContext) -> None:
    """A mistake of ours, never a policy."""
    trust.check_hostname = False
    async with ScriptedImap() as server:
        with pytest.raises(MailboxDistrusted):
            async with session(server, trust):
                pass
    assert server.commands == []


async def test_a_server_that_agrees_and_shakes_no_hands(trust: ssl.SSLContext) -> None:
    """The handshake has a limit too."""
    async with ScriptedImap({"STARTTLS": AGREED}) as server:
        with pytest.raises(MailboxLost):
            async with session(server, trust, limits=Limits(connect=0.3, command=5)):
                pass

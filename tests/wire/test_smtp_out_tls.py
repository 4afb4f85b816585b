"""Trust in the next hop: no letter and no password before it is proved, and never a fall-back (TLS-1, TLS-7)."""

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mssgw.core.delivery import Deferred, Delivered, Outcome
from mssgw.core.routes import TlsPolicy
from mssgw.edges.smtp_out import SmtpTransport
from mssgw.edges.smtp_replies import LOST
from mssgw.edges.tls import TlsMisconfigured
from tests.pki import Authority, server_context
from tests.wire.outbound import LETTER, ONE, TRACE, Shelf, hot, letter, route
from tests.wire.scripted_server import ALL, CLOSE, ScriptedServer

LOGIN = {"login": "gw", "password": "tres-secret"}
BOTH = pytest.mark.parametrize("policy", [TlsPolicy.REQUIRE, TlsPolicy.IMPLICIT])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    return server_context(authority.issue(tmp_path, "localhost", "127.0.0.1"))


def peer(tls: ssl.SSLContext, policy: TlsPolicy = TlsPolicy.REQUIRE, script=None, offers=()) -> ScriptedServer:
    offers = (*ALL, *offers) if policy is TlsPolicy.IMPLICIT else (*ALL, "STARTTLS", *offers)
    return ScriptedServer(script, offers=offers, tls=tls, implicit=policy is TlsPolicy.IMPLICIT)


async def attempt(server: ScriptedServer, authority: Authority, policy: TlsPolicy, stored=None, **more) -> Outcome:
    context = authority.trusting_context()
    out = SmtpTransport(hostname="gw.example", spool=Shelf(), tls_contexts=lambda _: context)
    try:
        return (await out.send(route(server, tls=policy, **more), stored or letter(), ONE))[0]
    finally:
        await out.close()


def distrusted(outcome: Outcome, status: str) -> bool:
    return isinstance(outcome, Deferred) and outcome.alarm and outcome.reply.status == status


def told_nothing(server: ScriptedServer) -> bool:
    return not any(command.startswith(("MAIL", "RCPT", "DATA", "AUTH")) for command in server.commands)


@BOTH
async def test_a_letter_goes_over_verified_tls(authority, trusted, policy) -> None:
    with capture_logs() as logs:
        async with peer(trusted, policy) as server:
            outcome = await attempt(server, authority, policy)
    assert isinstance(outcome, Delivered)
    assert server.bodies == [TRACE + LETTER]
    assert server.sessions[0].tls
    before = {
        TlsPolicy.REQUIRE: ["EHLO gw.example", "STARTTLS", "EHLO gw.example"],
        TlsPolicy.IMPLICIT: ["EHLO gw.example"],
    }
    assert server.commands[: len(before[policy])] == before[policy]
    assert server.commands[len(before[policy])].startswith("MAIL")
    assert logs[0]["tls"] == "TLSv1.3"


async def test_a_host_name_is_what_the_certificate_is_checked_for(authority, tmp_path) -> None:
    """localhost may resolve to ::1 first, where nobody listens: the next address is tried."""
    async with peer(server_context(authority.issue(tmp_path, "localhost"))) as server:
        assert isinstance(await attempt(server, authority, TlsPolicy.REQUIRE, host="localhost"), Delivered)
        assert distrusted(await attempt(server, authority, TlsPolicy.REQUIRE), "4.7.5")
    assert len(server.bodies) == 1


@BOTH
async def test_a_large_body_crosses_tls_octet_for_octet(authority, trusted, policy) -> None:
    segments = [(b"%05d" % n) + b"x" * 65_529 + b"\r\n" for n in range(100)]
    async with peer(trusted, policy) as server:
        outcome = await attempt(server, authority, policy, letter(hot(*segments)))
    assert isinstance(outcome, Delivered)
    assert server.bodies == [TRACE + b"".join(segments)]


@BOTH
@pytest.mark.parametrize(
    ("flaw", "said"),
    [("unknown authority", "unable to get local issuer"), ("expired", "has expired"), ("another host", "mismatch")],
)
async def test_a_certificate_that_does_not_hold_gets_nothing(authority, tmp_path, policy, flaw, said) -> None:
    """Nothing leaves, and the log says what is wrong with it."""
    issuer = Authority("Autorite inconnue") if flaw == "unknown authority" else authority
    name = "elsewhere.example" if flaw == "another host" else "127.0.0.1"
    certificate = issuer.issue(tmp_path, name, days=-1 if flaw == "expired" else 10)
    with capture_logs() as logs:
        async with peer(server_context(certificate), policy, offers=("AUTH PLAIN",)) as server:
            outcome = await attempt(server, authority, policy, **LOGIN)
    assert distrusted(outcome, "4.7.5")
    assert told_nothing(server)
    assert [(one["event"], one["status"]) for one in logs] == [("delivery.connection_failed", "4.7.5")]
    assert said in logs[0]["why"]


async def test_a_peer_that_wants_a_certificate_of_ours_is_no_reason_to_bounce(authority, trusted) -> None:
    """In TLS 1.3 its refusal comes after our side of the handshake has ended well."""
    trusted.verify_mode = ssl.CERT_REQUIRED
    trusted.load_verify_locations(cadata=authority.pem)
    async with peer(trusted, TlsPolicy.IMPLICIT) as server:
        outcome = await attempt(server, authority, TlsPolicy.IMPLICIT)
    assert isinstance(outcome, Deferred)
    assert told_nothing(server)


@pytest.mark.parametrize("script", [{}, {"STARTTLS": b"454 4.7.0 Not now\r\n"}, {"EHLO": b"502 5.5.1 What?\r\n"}])
async def test_without_starttls_nothing_goes_in_clear(authority, trusted, script) -> None:
    offers = (*ALL, "AUTH PLAIN", *(["STARTTLS"] if "STARTTLS" in script else []))
    async with ScriptedServer(script, offers=offers, tls=trusted) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE, **LOGIN)
    assert distrusted(outcome, "4.7.4")
    assert told_nothing(server)


async def test_starttls_that_is_offered_and_refused_is_told_as_what_happened(authority, trusted) -> None:
    """Postfix with smtpd_tls_security_level = may and no certificate does so: its code leads to the cause."""
    script = {"STARTTLS": b"454 4.7.0 TLS not available\r\n"}
    async with ScriptedServer(script, offers=(*ALL, "STARTTLS"), tls=trusted) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE)
    assert distrusted(outcome, "4.7.4")
    assert outcome.reply.text.endswith("mais le refuse (454 4.7.0)")


async def test_a_clear_text_peer_behind_an_implicit_route_gets_nothing(authority) -> None:
    async with ScriptedServer() as server:
        outcome = await attempt(server, authority, TlsPolicy.IMPLICIT)
    assert distrusted(outcome, "4.7.5")
    assert told_nothing(server)


async def test_replies_injected_after_starttls_are_forgotten(authority, trusted) -> None:
    """RFC 3207 section 4.2, GHSA-vxj7-4xrp-5vr4: the EHLO that counts is the one inside TLS."""
    injected = b"220 go\r\n250-evil.example\r\n250 SIZE 1\r\n"
    async with peer(trusted, script={"STARTTLS": injected}) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE)
    assert isinstance(outcome, Delivered)
    assert server.sessions[0].said("MAIL")[0].endswith(f"SIZE={len(TRACE + LETTER)}")


async def test_a_reply_behind_that_to_ehlo_ends_the_connection(authority, trusted) -> None:
    """It would be taken for the answer to MAIL."""
    hello = b"250-next.example\r\n250 PIPELINING\r\n250 2.1.0 evil\r\n"
    async with peer(trusted, TlsPolicy.IMPLICIT, script={"EHLO": hello}) as server:
        outcome = await attempt(server, authority, TlsPolicy.IMPLICIT)
    assert outcome == Deferred(reply=LOST, next_hop="127.0.0.1", down=True)
    assert told_nothing(server)


async def test_a_context_that_trusts_anybody_is_refused(authority, trusted) -> None:
    naive = ssl.create_default_context()
    naive.check_hostname = False
    async with peer(trusted) as server:
        out = SmtpTransport(hostname="gw.example", spool=Shelf(), tls_contexts=lambda _: naive)
        outcomes = await out.send(route(server, tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert distrusted(outcomes[0], "4.7.5")
    assert server.sessions == []


@pytest.mark.parametrize("error", [FileNotFoundError(), TlsMisconfigured("ca.pem: cannot be read")])
async def test_an_unreadable_certificate_of_ours_defers_and_alarms(error) -> None:
    def missing(_: object) -> ssl.SSLContext:
        raise error

    out = SmtpTransport(hostname="gw.example", spool=Shelf(), tls_contexts=missing)
    outcomes = await out.send(route(1, tls=TlsPolicy.REQUIRE), letter(), ONE)
    assert distrusted(outcomes[0], "4.7.5")


# Login


async def test_we_log_in_over_tls_before_mail(authority, trusted) -> None:
    async with peer(trusted, offers=("AUTH PLAIN LOGIN",)) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE, **LOGIN)
    assert isinstance(outcome, Delivered)
    assert [one.split()[0] for one in server.commands[:5]] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL"]
    assert server.commands[3].startswith("AUTH PLAIN ")


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        (("AUTH PLAIN",), b"535 5.7.8 Wrong\r\n"),
        (("AUTH PLAIN",), b"454 4.7.0 Not now\r\n"),
        (("AUTH CRAM-MD5",), b"334 ///not-base64\r\n"),
        (("AUTH GSSAPI",), b""),
        ((), b""),
    ],
    ids=["wrong", "not-now", "bad-challenge", "no-common-method", "not-offered"],
)
async def test_a_failed_login_defers_and_alarms(authority, trusted, offers, answer) -> None:
    async with peer(trusted, script={"AUTH": answer}, offers=offers) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE, **LOGIN)
    assert distrusted(outcome, "4.7.8")
    assert "MAIL" not in " ".join(server.commands)


async def test_a_connection_lost_during_login_is_no_login_trouble(authority, trusted) -> None:
    async with peer(trusted, script={"AUTH": CLOSE}, offers=("AUTH PLAIN",)) as server:
        outcome = await attempt(server, authority, TlsPolicy.REQUIRE, **LOGIN)
    assert outcome == Deferred(reply=LOST, next_hop="127.0.0.1", down=True)

"""STARTTLS, implicit TLS and AUTH on the inbound edge."""

import asyncio
import base64
import contextlib
import ssl

import pytest
from structlog.testing import capture_logs

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.edges.smtpd_listener import Listener, TlsMode
from tests.wire.inbound import LETTER, QUEUED, Recorder, house, listener

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
EHLO = "EHLO poste.hopital.fr"
MARIE = Client(name="hopital", role=Role.ESTABLISHMENT)
LOGINS = {("marie", "sésame ouvre-toi"): MARIE}


def plain(login: str, password: str, authzid: str = "") -> str:
    return base64.b64encode(f"{authzid}\0{login}\0{password}".encode()).decode()


async def test_starttls_begins_everything_again(ours, trust):
    """What was said in clear is forgotten (RFC 3207 section 4.2), and STARTTLS is offered once."""
    async with house(tls=TlsMode.STARTTLS, context=ours) as home:
        peer = await home.meet(hello="")
        assert "250 STARTTLS" in await peer.ask(EHLO)
        await peer.envelope()
        await peer.starttls(trust)
        assert (await peer.ask("MAIL FROM:<dr@hopital.fr>"))[:9] == "503 5.5.1"
        assert "STARTTLS" not in await peer.ask(EHLO)
        assert (await peer.ask("STARTTLS"))[:9] == "503 5.5.1"
        assert (await peer.ask("DATA"))[:9] == "503 5.5.1"
        await peer.envelope()
        assert await peer.data() == str(QUEUED)
        origin = home.reception.kept[0].envelope.origin
        assert origin.protocol == "ESMTPS"
        assert origin.tls is not None
        assert origin.tls.startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize("behind", [b"EHLO forged\r\n", b"x", b"\x16\x03\x01"])
async def test_bytes_behind_starttls_are_refused_and_never_executed(ours, trust, behind):
    """An attacker on the way may put commands before the handshake (CVE-2011-0411)."""
    async with house(tls=TlsMode.STARTTLS, context=ours) as home:
        peer = await home.meet()
        await peer.send(b"STARTTLS\r\n" + behind)
        assert (await peer.hear())[:9] == "501 5.5.2"
        assert await peer.hear() == ""
        assert home.reception.senders == []


async def test_commands_that_arrive_after_our_220_and_before_the_handshake_are_never_executed(ours):
    """They are no ClientHello: the handshake fails."""
    async with house(tls=TlsMode.STARTTLS, context=ours) as home:
        peer = await home.meet()
        assert (await peer.ask("STARTTLS")).startswith("220 2.0.0 ")
        await peer.send(b"MAIL FROM:<forged@hopital.fr>\r\n")
        while await peer.reader.read(100):
            pass
        await home.quiet()
        assert home.reception.senders == []


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_a_peer_that_closes_with_the_last_octet_of_the_handshake_is_no_noise(ours, trust, caplog, tls):
    """Scanners and health checks do; asyncio would warn of it in the log, once for each connection."""
    async with house(tls=tls, context=ours) as home:
        if tls is TlsMode.STARTTLS:
            peer = await home.meet()
            assert (await peer.ask("STARTTLS")).startswith("220 2.0.0 ")
        else:
            peer = await home.connect()
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trust.wrap_bio(heard, said, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                await peer.send(said.read())
                heard.write(await peer.reader.read(65_536))
        with contextlib.suppress(ssl.SSLWantReadError):
            client.unwrap()
        await peer.send(said.read())  # Finished and close_notify together
        await home.quiet()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []


async def test_where_tls_is_required_nothing_is_said_before_it(ours, trust):
    """530 5.7.0 to all but EHLO, HELO, NOOP, QUIT and STARTTLS (TLS-1, WL-8)."""
    async with house(tls=TlsMode.STARTTLS, context=ours, require_tls=True) as home:
        peer = await home.meet()
        assert (await peer.ask("HELO a.fr"))[:3] == "250"
        assert (await peer.ask("NOOP"))[:9] == "250 2.0.0"
        for command in ("MAIL FROM:<dr@hopital.fr>", "RCPT TO:<a@b.fr>", "DATA", "VRFY a", "XCLIENT LOGIN=a", "RSET"):
            assert (await peer.ask(command))[:9] == "530 5.7.0"
        assert home.reception.senders == []
        await peer.ask(EHLO)
        await peer.starttls(trust)
        await peer.ask(EHLO)
        await peer.envelope()


async def test_implicit_tls_carries_large_letters(ours, trust):
    """TLS facts come from the transport; the pause and resume of a slow store work through TLS too."""
    gate = asyncio.Event()
    wire = b"".join(b"%060d\r\n" % n for n in range(100_000))
    recorder = Recorder(write_gate=gate)
    async with house(recorder, tls=TlsMode.IMPLICIT, context=ours, require_tls=True, size_limit=10_485_760) as home:
        peer = await home.meet(trust)
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        sending = asyncio.create_task(peer.send(wire + b".\r\nNOOP\r\n"))
        await asyncio.sleep(0.05)
        gate.set()
        await sending
        assert await peer.hear() == str(QUEUED)
        assert await peer.hear() == "250 2.0.0 OK"
        assert home.reception.kept[0].content == wire
        assert home.reception.kept[0].envelope.origin.protocol == "ESMTPS"


async def test_a_tls_client_that_closes_right_after_the_final_dot_loses_nothing(ours, trust):
    gate = asyncio.Event()
    async with house(Recorder(end_gate=gate), tls=TlsMode.IMPLICIT, context=ours) as home:
        peer = await home.meet(trust)
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(LETTER + b".\r\n")
        await peer.close()
        await asyncio.wait_for(home.reception.committing.wait(), 5)
        gate.set()
        await home.quiet()
        assert [letter.content for letter in home.reception.kept] == [LETTER]


async def test_a_tls_client_that_closes_in_the_middle_leaves_nothing(ours, trust):
    async with house(tls=TlsMode.IMPLICIT, context=ours) as home:
        peer = await home.meet(trust)
        await peer.envelope()
        assert (await peer.ask("DATA")).startswith("354 ")
        await peer.send(b"half")
        await peer.close()
        await home.quiet()
        assert home.reception.letters[0].end_called == ["abort"]


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_a_handshake_that_does_not_come_is_cut(ours, mode):
    with capture_logs() as logs:
        async with house(tls=mode, context=ours, handshake=0.05) as home:
            if mode is TlsMode.STARTTLS:
                peer = await home.meet()
                assert (await peer.ask("STARTTLS")).startswith("220 ")
            else:
                peer = await home.connect()
            assert await peer.reader.read() == b""
            await home.quiet()
    assert "smtp.tls.failed" in [line["event"] for line in logs]
    assert "smtp.error" not in [line["event"] for line in logs]


async def test_tls_1_1_is_refused(ours, trust):
    trust.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        trust.maximum_version = ssl.TLSVersion.TLSv1_1
    async with house(tls=TlsMode.IMPLICIT, context=ours) as home:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await home.connect(trust)
        await home.quiet()


async def test_auth_is_offered_over_tls_alone(ours, trust):
    async with house(tls=TlsMode.STARTTLS, context=ours, auth=True) as home:
        peer = await home.meet(hello="")
        assert "AUTH" not in await peer.ask(EHLO)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'x')}"))[:10] == "538 5.7.11"
        await peer.starttls(trust)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'x')}"))[:9] == "503 5.5.1"
        assert "250 AUTH PLAIN LOGIN" in await peer.ask(EHLO)


@pytest.mark.parametrize("how", ["initial", "plain", "login", "login-initial"])
async def test_a_person_logs_in_and_is_named(ours, trust, how):
    """SD-6, BAL-3: the login is the person; ESMTPSA (RFC 3848)."""
    login, password = (base64.b64encode(word.encode()).decode() for word in ("marie", "sésame ouvre-toi"))
    whole = plain("marie", "sésame ouvre-toi")
    said = {
        "initial": [f"auth plain {whole}"],
        "plain": ["AUTH PLAIN", whole],
        "login": ["AUTH LOGIN", login, password],
        "login-initial": [f"AUTH LOGIN {login}", password],
    }[how]
    async with house(Recorder(client=None, logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        for step in said[:-1]:
            assert (await peer.ask(step)).startswith("334 ")
        assert (await peer.ask(said[-1]))[:9] == "235 2.7.0"
        assert (await peer.ask(said[0]))[:9] == "503 5.5.1"
        await peer.envelope()
        assert await peer.data() == str(QUEUED)
        client, envelope, _ = home.reception.senders[0]
        assert client is MARIE
        assert (envelope.origin.person, envelope.origin.protocol) == ("marie", "ESMTPSA")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_password_may_come_in_the_character_set_of_windows(ours, trust, mechanism):
    """JavaMail and Outlook say it so: whoever has an accent in it could not log in."""
    login, password = (base64.b64encode(word.encode("cp1252")).decode() for word in ("marie", "sésame ouvre-toi"))
    whole = base64.b64encode("\0marie\0sésame ouvre-toi".encode("cp1252")).decode()
    async with house(Recorder(client=None, logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        if mechanism == "LOGIN":
            assert (await peer.ask(f"AUTH LOGIN {login}")).startswith("334 ")
        assert (await peer.ask(password if mechanism == "LOGIN" else f"AUTH PLAIN {whole}"))[:9] == "235 2.7.0"


@pytest.mark.parametrize("argument", ["PLAIN ****", "PLAIN AAAA", "PLAIN /////w==", "LOGIN *", "PLAIN " + "A" * 20_000])
async def test_credentials_that_cannot_be_read_are_a_refusal(ours, trust, argument):
    async with house(tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask(f"AUTH {argument}"))[:9] in ("501 5.5.2", "500 5.5.2")
        assert await peer.ask("NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("length", [20_000, 400_000])
async def test_a_password_too_long_for_a_line_is_a_refusal_and_no_defect_of_ours(ours, trust, length):
    """Anybody may send one: each was an error in the log, and an alarm at night."""
    with capture_logs() as logs:
        async with house(tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
            peer = await home.meet(trust)
            assert (await peer.ask("AUTH LOGIN bWFyaWU=")).startswith("334 ")
            assert (await peer.ask("A" * length))[:9] == "500 5.5.6"
            assert await peer.ask("NOOP") == "250 2.0.0 OK"
    assert "smtp.error" not in {line["event"] for line in logs}


async def test_a_wrong_password_is_refused_and_the_third_ends_the_connection(ours, trust):
    """No login and no password reaches the log."""
    with capture_logs() as logs:
        async with house(Recorder(logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
            peer = await home.meet(trust)
            for _ in range(2):
                assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'motdepasse')}"))[:9] == "535 5.7.8"
            assert (await peer.ask("AUTH GSSAPI"))[:9] == "504 5.5.4"
            assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'motdepasse')}"))[:9] == "421 4.7.0"
            assert await peer.hear() == ""
            await home.quiet()
    assert "marie" not in str(logs)
    assert "motdepasse" not in str(logs)


NARROWED = Client(name="hopital", role=Role.ESTABLISHMENT, addresses=frozenset({"marie@hopital.fr"}))


@pytest.mark.parametrize("after", [{}, {("marie", "nouveau"): MARIE}])
async def test_a_login_that_a_reload_withdrew_sends_nothing_more(ours, trust, after):
    """SD-5: nor one whose password changed, nor on the connection that it opened before, nor as its network's client;
    a letter that has begun is judged as it began."""
    async with house(Recorder(logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'sésame ouvre-toi')}"))[:9] == "235 2.7.0"
        await peer.envelope()
        home.reception.logins = after
        assert await peer.data() == str(QUEUED)
        assert (await peer.ask("MAIL FROM:<dr@hopital.fr>"))[:9] == "421 4.7.0"
        assert await peer.hear() == ""
        assert len(home.reception.senders) == 1


async def test_a_login_may_from_now_on_what_a_reload_says(ours, trust):
    """SD-5: with the same password it stays, with the addresses that it has now."""
    async with house(Recorder(client=None, logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'sésame ouvre-toi')}"))[:9] == "235 2.7.0"
        home.reception.logins = dict.fromkeys(LOGINS, NARROWED)
        await peer.envelope()
        assert home.reception.senders[0][0] is NARROWED


async def test_nobody_acts_for_somebody_else(ours, trust):
    """An authorization identity other than the login is refused, not ignored (RFC 4616)."""
    async with house(Recorder(logins=LOGINS), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'sésame ouvre-toi', 'paul')}"))[:9] == "501 5.5.2"
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'sésame ouvre-toi', 'marie')}"))[:9] == "235 2.7.0"


async def test_a_check_that_fails_is_454(ours, trust):
    async with house(Recorder(login_error=TimeoutError()), tls=TlsMode.IMPLICIT, context=ours, auth=True) as home:
        peer = await home.meet(trust)
        assert (await peer.ask(f"AUTH PLAIN {plain('marie', 'x')}"))[:9] == "454 4.7.0"


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": True, "role": Role.TRUST_SPACE, "tls": TlsMode.IMPLICIT, "context": CONTEXT},
        {"tls": TlsMode.STARTTLS},
        {"require_tls": True},
        {"auth": True},
        {"context": CONTEXT},
    ],
)
def test_a_listener_that_contradicts_itself_is_not_made(fields) -> None:
    with pytest.raises(ValueError, match="listener test"):
        listener(**fields)


def test_a_listener_is_a_value() -> None:
    assert listener() == listener()
    assert isinstance(listener(), Listener)

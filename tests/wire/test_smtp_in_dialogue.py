"""The inbound dialogue up to DATA: what is offered, what is taken, what is refused and how."""

import logging
import re
import socket

import pytest
from structlog.testing import capture_logs

from mssgw.core.clients import Client
from mssgw.core.envelope import Notify, Role
from mssgw.core.errors import StoreUnavailable
from mssgw.core.replies import Reply
from mssgw.edges.smtpd_voice import Voice
from tests.wire.inbound import HOSPITAL, LETTER, Recorder, house

EHLO = "EHLO serveur.hopital.fr"
PROXY = Client(name="proxy", role=Role.ESTABLISHMENT, xclient=True)
PATIENT = "279035121518989@patient.mssante.fr"


async def test_ehlo_offers_what_is_kept_and_no_second_way_to_end_a_message():
    """SIZE at the true limit; no CHUNKING, no STARTTLS without certificate, no AUTH in clear, no XCLIENT."""
    async with house(size_limit=10_485_760) as home:
        peer = await home.meet(hello="")
        offers = "SIZE 10485760|250-8BITMIME|250-SMTPUTF8|250-PIPELINING|250-ENHANCEDSTATUSCODES|250 DSN"
        assert await peer.ask(EHLO) == f"250-gw.example.fr|250-{offers}"


async def test_a_letter_is_taken_with_all_that_was_said_of_it():
    """Every parameter that EHLO offers reaches the envelope (RFC 1870, 6152, 6531, 3461)."""
    async with house() as home:
        peer = await home.meet()
        mail = "MAIL FROM:<dr@hopital.fr> SIZE=33 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314"
        await peer.envelope(mail, "RCPT TO:<pàtient@ville.fr> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;p@ville.fr")
        assert await peer.data() == "250 2.0.0 OK queued as 42"
        letter, envelope = home.reception.kept[0], home.reception.kept[0].envelope
        assert (letter.content, letter.size) == (LETTER, len(LETTER))
        assert envelope.reverse_path is not None
        assert envelope.reverse_path.text == "dr@hopital.fr"
        assert (envelope.eight_bit, envelope.smtputf8, envelope.ret, envelope.envid) == (True, True, "HDRS", "QQ314")
        path = envelope.forward_paths[0]
        assert path.address.text == "pàtient@ville.fr"
        assert (path.notify, path.orcpt) == ({Notify.SUCCESS, Notify.FAILURE}, "rfc822;p@ville.fr")
        assert home.reception.senders[0][2] == 33
        origin = envelope.origin
        assert (origin.client, origin.peer, origin.helo) == ("hopital", "127.0.0.1", "serveur.hopital.fr")
        assert (origin.role, origin.protocol, origin.tls, origin.person) == (Role.ESTABLISHMENT, "UTF8SMTP", None, None)


async def test_a_helo_client_sends_without_extensions():
    async with house() as home:
        peer = await home.meet(hello="HELO vieux.hopital.fr")
        assert (await peer.ask("MAIL FROM:<dr@hopital.fr> SIZE=3")).startswith("501 5.5.4 ")
        await peer.envelope()
        assert (await peer.data()).startswith("250 2.0.0 ")
        assert home.reception.kept[0].envelope.origin.protocol == "SMTP"


@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
@pytest.mark.parametrize(
    "name",
    ["SECRÉTARIAT".encode(), "SECRÉTARIAT".encode("cp1252"), b"SECR?TARIAT", b"[fe80::1%eth0]", b"poste#3/accueil"],
)
async def test_a_workstation_may_call_itself_what_is_no_host_name(verb, name):
    """Programs say the name of their Windows computer; what is no host name is kept nowhere."""
    async with house() as home:
        peer = await home.meet(hello="")
        await peer.send(verb.encode() + b" " + name + b"\r\n")
        assert (await peer.hear()).startswith("250")
        await peer.envelope()
        assert (await peer.data()).startswith("250 2.0.0 ")
        assert home.reception.kept[0].envelope.origin.helo == "unknown"


async def test_pipelined_commands_are_answered_in_order_and_in_one_write(monkeypatch):
    """RFC 2920; a refused recipient among them refuses only itself."""
    writes = []
    flush = Voice.flush
    monkeypatch.setattr(Voice, "flush", lambda self: (writes.append(len(self._out)), flush(self)))
    refused = Reply(550, "5.7.1", "Conversation close")
    async with house(Recorder(refuse_recipients={"b@ville.fr": refused})) as home:
        peer = await home.meet()
        rcpts = b"".join(b"RCPT TO:<%c@ville.fr>\r\n" % letter for letter in b"abc")
        await peer.send(b"MAIL FROM:<dr@hopital.fr>\r\n" + rcpts + b"DATA\r\n")
        writes.clear()
        heard = await peer.reader.readuntil(b"354 Terminez par <CR><LF>.<CR><LF>\r\n")
        assert writes == [5]
        assert [line[:9] for line in heard.splitlines()] == [
            b"250 2.1.0", b"250 2.1.5", b"550 5.7.1", b"250 2.1.5", b"354 Termi",
        ]  # fmt: skip
        await peer.send(b".\r\n")
        assert (await peer.hear()).startswith("250 2.0.0 ")
        assert [path.address.text for path in home.reception.kept[0].envelope.forward_paths] == [
            "a@ville.fr", "c@ville.fr",
        ]  # fmt: skip
        assert home.reception.kept[0].content == b""


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("MAIL FROM:<dr@hopital.fr> SIZE=10001", "552 5.3.4"),
        ("MAIL FROM:<dr@hopital.fr> SIZE=99999999999999999999", "552 5.3.4"),
        ("MAIL FROM:<dr@hopital.fr> MT-PRIORITY=3", "555 5.5.4"),
        ("MAIL FROM:<dr@@hopital.fr>", "553 5.1.7"),
        ("MAIL FROM:<dré@hopital.fr>", "553 5.6.7"),
        ("MAIL FROM:dr@hopital.fr", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("RCPT TO:<patient@ville.fr>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("AUTH PLAIN AGEAYg==", "502 5.5.1"),
        ("STARTTLS", "503 5.5.1"),
        ("XCLIENT LOGIN=marie", "550 5.7.0"),
        ("VRFY patient@ville.fr", "252 2.5.0"),
        ("EXPN liste", "502 5.5.1"),
        ("HELP", "214 2.0.0"),
        ("NOOP rien", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("BDAT 12 LAST", "500 5.5.2"),
        ("EHLO", "501 5.5.4"),
        ("EHLO (injection) by ailleurs", "501 5.5.4"),
        ("NOOP " + "x" * 5000, "500 5.5.2"),
        ("NOOP " + "x" * 50_000, "500 5.5.2"),
        ("QUIT", "221 2.0.0"),
    ],
)
async def test_every_reply_carries_an_enhanced_status_code(command, reply):
    """aiosmtpd's own replies included (RFC 2034); the dialogue goes on after a refusal."""
    async with house() as home:
        peer = await home.meet()
        assert (await peer.ask(command))[:9] == reply
        if command != "QUIT":
            assert await peer.ask("RSET") == "250 2.0.0 OK"
        assert home.reception.letters == []


@pytest.mark.parametrize(
    "line",
    [
        b"NOOP\n",
        b"NO\rOP\n",
        b"NOOP\rRSET\r\n",
        b"NOOP \0\r\n",
        b"NOOP \xe9\r\n",
        b"\xff\xfe\r\n",
        b"\r\n",
        b"MAIL\r\r\n",
    ],
)
async def test_a_malformed_command_line_is_refused_and_the_next_one_is_read(line):
    """Bare LF ends nothing, and neither does bare CR; NUL and what is not UTF-8 are no commands."""
    async with house() as home:
        peer = await home.meet()
        await peer.send(line)
        assert re.match(r"500 5\.5\.2 ", await peer.hear())
        assert await peer.ask("RSET") == "250 2.0.0 OK"


async def test_lines_of_garbage_end_the_connection():
    async with house() as home:
        peer = await home.meet()
        await peer.send(b"\xff\r\n" * 50)
        heard = [await peer.hear() for _ in range(12)]
        assert heard.count("") >= 1
        assert all(line.startswith("500 5.5.2") for line in heard if line)


async def test_unknown_verbs_end_the_connection_after_five():
    async with house() as home:
        peer = await home.meet()
        heard = [await peer.ask(f"FOO{n}") for n in range(5)]
        assert [line[:9] for line in heard] == ["500 5.5.2"] * 4 + ["502 5.5.1"]
        assert await peer.hear() == ""


async def test_a_browser_is_sent_away_at_once():
    """A web page can make a browser write mail commands into a POST."""
    async with house() as home:
        peer = await home.meet(hello="")
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO a\r\nMAIL FROM:<dr@hopital.fr>\r\n")
        assert (await peer.hear()).startswith("421 4.7.0 ")
        assert await peer.hear() == ""
        assert home.reception.senders == []


async def test_recipients_beyond_the_hundredth_wait_for_another_message():
    """Ten thousand recipients cost ten thousand short replies and one log line; the first hundred are kept."""
    with capture_logs() as logs:
        async with house() as home:
            peer = await home.meet()
            await peer.envelope()
            await peer.send(b"".join(b"RCPT TO:<p%d@ville.fr>\r\n" % n for n in range(9_999)))
            heard = [line[:9] for line in await peer.hear_all(9_999)]
            assert (heard.count("250 2.1.5"), heard.count("452 4.5.3")) == (99, 9_900)
            assert (await peer.data()).startswith("250 2.0.0 ")
            assert len(home.reception.kept[0].envelope.forward_paths) == 100
            assert len(home.reception.asked) == 100
    assert len([line for line in logs if line["event"] == "smtp.refused"]) == 1


async def test_refused_recipients_are_limited_too():
    """Nobody tries out addresses in one message."""
    async with house(Recorder(refuse_recipients={"x@ville.fr": Reply(550, "5.1.1", "Inconnu")})) as home:
        peer = await home.meet()
        assert (await peer.ask("MAIL FROM:<>")).startswith("250 ")
        await peer.send(b"RCPT TO:<x@ville.fr>\r\n" * 150)
        heard = [line[:3] for line in await peer.hear_all(150)]
        assert (heard.count("550"), heard.count("452")) == (100, 50)
        assert (await peer.ask("DATA"))[:9] == "554 5.5.1"


async def test_refusals_of_the_reception_are_passed_on():
    async with house(Recorder(refuse_sender=Reply(550, "5.7.1", "Domaine d'expediteur non autorise"))) as home:
        peer = await home.meet()
        assert await peer.ask("MAIL FROM:<dr@ailleurs.fr>") == "550 5.7.1 Domaine d'expediteur non autorise"
        assert (await peer.ask("RCPT TO:<a@b.fr>"))[:3] == "503"


async def test_a_client_that_is_not_known_is_refused_even_if_the_reception_forgets_to():
    async with house(Recorder(client=None)) as home:
        peer = await home.meet()
        assert (await peer.ask("MAIL FROM:<dr@hopital.fr>"))[:9] == "550 5.7.1"


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (StoreUnavailable(), "451 4.3.0"),
        (OSError(28, "No space left on device", PATIENT), "452 4.3.1"),
        (RuntimeError(f"no route for {PATIENT}"), "451 4.3.0"),
    ],
)
async def test_trouble_of_ours_is_transient_and_its_text_goes_nowhere(error, reply):
    """aiosmtpd would say 500 with the text of the exception, and Exchange would bounce the letter."""
    with capture_logs() as logs:
        async with house(Recorder(recipient_error=error)) as home:
            peer = await home.meet()
            assert (await peer.ask("MAIL FROM:<dr@hopital.fr>")).startswith("250 ")
            heard = await peer.ask(f"RCPT TO:<{PATIENT}>")
            assert heard[:9] == reply
            assert "2790" not in heard
    assert "2790" not in str(logs)
    assert [line["error"] for line in logs if line["event"] == "smtp.error"] == (
        [] if isinstance(error, StoreUnavailable) else [type(error).__name__]
    )


async def test_small_replies_leave_at_once():
    """Or each session waits 40 ms for its peer's delayed ACK (Nagle), at the second EHLO after STARTTLS for one."""
    async with house() as home:
        await home.meet()
        (dialogue,) = home.door._dialogues
        assert dialogue.transport is not None
        accepted = dialogue.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_xclient_names_the_person_behind_a_trusted_server():
    """SD-6; the dialogue starts again with a greeting, and other attributes are not taken."""
    async with house(Recorder(client=PROXY)) as home:
        peer = await home.meet(hello="")
        assert "|250 XCLIENT LOGIN" in await peer.ask(EHLO)
        assert (await peer.ask("XCLIENT ADDR=10.0.0.1"))[:9] == "501 5.5.4"
        assert (await peer.ask("XCLIENT LOGIN=marie+40hopital.fr")) == "220 gw.example.fr ESMTP"
        assert (await peer.ask("MAIL FROM:<dr@hopital.fr>"))[:9] == "503 5.5.1"
        await peer.ask(EHLO)
        await peer.envelope()
        assert (await peer.ask("XCLIENT LOGIN=paul"))[:9] == "503 5.5.1"
        await peer.data()
        assert home.reception.kept[0].envelope.origin.person == "marie@hopital.fr"


async def test_what_is_pipelined_behind_quit_is_not_done():
    async with house() as home:
        peer = await home.meet()
        await peer.send(b"QUIT\r\nRSET\r\nMAIL FROM:<dr@hopital.fr>\r\nRSET\r\n")
        assert await peer.hear() == "221 2.0.0 Au revoir"
        assert await peer.hear() == ""
        assert home.reception.senders == []


async def test_ehlo_and_rset_forget_the_transaction():
    async with house() as home:
        peer = await home.meet()
        for forget in (EHLO, "RSET"):
            await peer.envelope()
            assert (await peer.ask("MAIL FROM:<dr@hopital.fr>"))[:9] == "503 5.5.1"
            assert (await peer.ask(forget)).startswith("250")
            assert (await peer.ask("DATA"))[:9] == "503 5.5.1"


async def test_connections_beyond_the_limit_of_an_address_are_told_to_come_back():
    async with house(max_connections_per_ip=2) as home:
        first = await home.meet()
        await home.meet()
        third = await home.connect()
        assert await third.hear() == "421 4.7.0 Trop de connexions, reessayez plus tard"
        assert await third.hear() == ""
        assert await first.ask("QUIT") == "221 2.0.0 Au revoir"
        await home.quiet(1)
        await home.meet()


async def test_a_connection_taken_while_we_stop_is_told_so():
    """Between the signal and the end of listening one may still come in: nobody is to look for too many of them."""
    async with house() as home:
        home.door.closing = True
        assert await (await home.connect()).hear() == "421 4.3.2 Service en cours d'arret, reessayez plus tard"


async def test_strangers_cannot_take_all_connections():
    """A quarter is kept for the networks of our clients."""
    async with house(max_connections=4) as home:
        home.reception.client = None
        for _ in range(3):
            await home.meet()
        assert (await (await home.connect()).hear())[:9] == "421 4.7.0"
        home.reception.client = HOSPITAL
        await home.meet()
        assert (await (await home.connect()).hear())[:9] == "421 4.7.0"


async def test_an_idle_client_is_shown_out():
    async with house(idle=0.05) as home:
        peer = await home.meet()
        assert (await peer.hear())[:9] == "421 4.4.2"
        assert await peer.hear() == ""
        await home.quiet()


async def test_too_many_calls_of_one_command_end_the_connection():
    async with house(commands={"*": 3, "EHLO": 3}) as home:
        peer = await home.meet()
        heard = [(await peer.ask("NOOP"))[:9] for _ in range(4)]
        assert heard == ["250 2.0.0"] * 3 + ["421 4.7.0"]
        assert await peer.hear() == ""


async def test_the_log_tells_of_a_session_and_never_of_its_addresses(caplog):
    """aiosmtpd's logger would print RCPT TO."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        async with house(Recorder(refuse_recipients={PATIENT: Reply(550, "5.7.1", "Non")})) as home:
            peer = await home.meet()
            await peer.ask("MAIL FROM:<dr@hopital.fr>")
            await peer.ask(f"RCPT TO:<{PATIENT}>")
            await peer.ask(f"BOGUS {PATIENT}")
            await peer.ask("QUIT")
            await home.quiet()
    assert "mail.log" not in {record.name for record in caplog.records}
    assert "2790" not in str(logs)
    assert "hopital.fr" not in str(logs)
    events = [line["event"] for line in logs]
    # What policy refuses, policy logs, with its rule; the edge logs what it refuses by itself.
    assert events == ["smtp.session.opened", "smtp.refused", "smtp.session.closed"]
    refused = logs[1]
    assert (refused["listener"], refused["peer"], refused["client"]) == ("test", "127.0.0.1", HOSPITAL.name)
    assert (refused["code"], refused["status"]) == (500, "5.5.2")


@pytest.mark.parametrize("orderly", [True, False], ids=["closed", "reset"])
async def test_a_session_that_its_client_leaves_without_a_word_is_lost_however_he_left(orderly):
    """Many programs close after a refusal; the log has one word for that, and no name of an exception."""
    with capture_logs() as logs:
        async with house(Recorder(refuse_recipients={PATIENT: Reply(550, "5.7.1", "Non")})) as home:
            peer = await home.meet()
            await peer.ask("MAIL FROM:<dr@hopital.fr>")
            await peer.send(f"RCPT TO:<{PATIENT}>\r\nNOOP\r\n".encode())
            if orderly:
                peer.writer.close()
            else:
                peer.writer.transport.abort()
            await home.quiet()
    assert [line["why"] for line in logs if line["event"] == "smtp.session.closed"] == ["lost"]


async def test_who_is_only_refused_is_shown_out():
    """Every refusal may be a line in the journal, kept for a year: nobody fills it on one connection."""
    refusing = Recorder(refuse_recipients={PATIENT: Reply(550, "5.7.1", "Non")})
    async with house(refusing, max_refusals=3) as home:
        peer = await home.meet()
        await peer.ask("MAIL FROM:<dr@hopital.fr>")
        heard = [(await peer.ask(f"RCPT TO:<{PATIENT}>"))[:9] for _ in range(4)]
        assert heard == ["550 5.7.1"] * 3 + ["421 4.7.0"]
        assert await peer.hear() == ""


async def test_an_unknown_word_is_not_repeated():
    """A client that is out of step sends words of a letter, and its server logs our reply."""
    async with house() as home:
        peer = await home.meet()
        assert await peer.ask("279035121518989 est le patient") == "500 5.5.2 Commande inconnue"

"""Who may hand us mail: every way in which a certificate can be right or wrong, over real sockets (issue 4).

Each row says what the peer sees, what the log says, and that nothing of it was kept.
"""

import datetime
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mssgw.app.config.model import TrustSettings
from mssgw.app.trust import TrustAtWork
from mssgw.core.names import Name
from mssgw.core.trust import LIST_UNUSABLE, REVOCATION_UNKNOWN, REVOKED
from mssgw.edges import certificates
from mssgw.edges.clock import FixedClock
from mssgw.edges.smtpd_listener import TlsMode
from tests import white_lists
from tests.pki import BOTH, Identity, Issuer, TrustSpace, operator_dn, self_signed
from tests.stories.worlds import Events
from tests.trust.gate import DOCTOR, EHLO, OURS, Gate, dn, gate, letter, twin
from tests.trust.twin import TrustTwin
from tests.wire.inbound import Peer

HOST, OTHER, STRANGER = "mta.operateur.fr", "mta.autre.fr", "mta.inconnu.fr"
CLIENT = f"CN={HOST}"
OPERATOR, FOREIGN = "operateur.mssante.fr", "autre.mssante.fr"
MAIL, RCPT = f"MAIL FROM:<boite@{OPERATOR}>", f"RCPT TO:<{DOCTOR}>"
DAY = datetime.timedelta(days=1)
Made = Callable[[TrustSpace], Identity | None]


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
def trust() -> TrustTwin:
    """One operator with a domain of its own, another with another; both speak for one."""
    return twin({OPERATOR: [dn(HOST)], FOREIGN: [dn(OTHER)], "commun.mssante.fr": [dn(HOST), dn(OTHER)]})


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def listed(space: TrustSpace) -> Identity:
    return space.operator(HOST)


async def refused(peer: Peer, reply: str, mail: str = MAIL) -> None:
    """MAIL is answered so, and no message byte is asked for: neither RCPT nor DATA goes any further."""
    assert str(await peer.ask(mail)).startswith(reply)
    assert (await peer.ask(RCPT))[:3] != "250"
    assert (await peer.ask("DATA"))[:3] != "354"


# --- What the handshake refuses --------------------------------------------------------------------------------------


def signed_by_an_operator(space: TrustSpace) -> Identity:
    """An operator is no authority: what its key signs is worth nothing."""
    operator = space.operator(OTHER)
    forger = Issuer(dn(OTHER))
    forger.key, forger.certificate = operator.key, operator.certificate
    forged = forger.issue(dn(HOST), HOST)
    return Identity(forged.key, forged.certificate, (operator.certificate, *operator.intermediates))


@dataclass(frozen=True)
class Handshake:
    name: str
    made: Made
    alert: str
    reason: str
    version: ssl.TLSVersion | None = None


HANDSHAKES = [
    Handshake("another authority of the same name", lambda _: TrustSpace().operator(HOST), "UNKNOWN_CA", "issuer"),
    Handshake("self-signed", lambda _: self_signed(dn(HOST), HOST), "UNKNOWN_CA", "self-signed"),
    Handshake("signed by an operator", signed_by_an_operator, "UNKNOWN_CA", "CA"),
    Handshake("without its intermediate", lambda s: replace(listed(s), intermediates=()), "UNKNOWN_CA", "issuer"),
    Handshake("expired", lambda s: s.operator(HOST, not_after=now() - DAY), "CERTIFICATE_EXPIRED", "expired"),
    Handshake("not yet valid", lambda s: s.operator(HOST, not_before=now() + DAY), "BAD_CERTIFICATE", "not yet valid"),
    Handshake("for mail", lambda s: s.operator(HOST, purposes=("emailProtection",)), "UNSUPPORTED", "purpose"),
    Handshake("for servers only", lambda s: s.operator(HOST, purposes=("serverAuth",)), "UNSUPPORTED", "purpose"),
]
TLS_1_2 = [replace(row, name=f"{row.name}, TLS 1.2", version=ssl.TLSVersion.TLSv1_2) for row in HANDSHAKES]


@pytest.mark.parametrize("row", [*HANDSHAKES, *TLS_1_2], ids=lambda row: row.name)
async def test_a_flaw_in_chain_dates_or_purpose_ends_the_handshake(space, trust, tmp_path, row):
    """The peer sees a TLS alert; the log names the check and whose certificate it was (TLS-4, TLS-5)."""
    async with gate(space, tmp_path, trust) as here:
        identity = row.made(space)
        assert identity is not None
        assert row.alert in await here.alert(identity, version=row.version)
        line = here.line("trust.handshake_refused")
        assert (line["check"], line["listener"], line["peer"]) == ("chain", "outside", "127.0.0.1")
        assert row.reason in line["reason"]
        assert Name.parse(line["dn"]) == Name.of(dn(HOST))
        assert line["serial"] == f"{identity.serial:x}"
        assert here.kept_nothing()


@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2], ids=["TLS 1.3", "TLS 1.2"])
async def test_a_huge_certificate_that_is_refused_is_not_read(space, trust, tmp_path, version):
    """A stranger can make one of any size: the log says how large it was, and nothing of it is kept."""
    before = certificates._kept.cache_info()
    async with gate(space, tmp_path, trust) as here:
        huge = TrustSpace().intermediate.issue(dn(HOST), *(f"{n:04}.fr" for n in range(2000)))
        assert "UNKNOWN_CA" in await here.alert(huge, version=version)
        line = here.line("trust.handshake_refused")
        assert (line["octets"], "dn" in line) == (len(huge.der), False)
        await here.alert(TrustSpace().operator(HOST), version=version)
    assert certificates._kept.cache_info() == before


async def test_a_huge_certificate_of_an_operator_is_refused_too(space, trust, tmp_path):
    """What it costs is bounded, whoever signed it."""
    async with gate(space, tmp_path, trust) as here:
        huge = space.intermediate.issue(dn(HOST), *(f"{n:04}.fr" for n in range(2000)))
        peer = await here.meet(huge)
        await refused(peer, "554 5.7.1")
        await peer.close()
        assert here.line("trust.subject_unreadable")["dn"] == "the certificate has more than 16384 octets"
        assert here.kept_nothing()


async def test_a_persons_certificate_is_refused_without_a_name_in_the_log(space, trust, tmp_path):
    """Cards of professionals come from the same roots; ``detail`` quotes DNs too."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(
            space.intermediate.issue((("CN", "8997"), ("SN", "DUPONT"), ("O", "GIP")), purposes=None)
        )
        await refused(peer, "554 5.7.1")
        await peer.close()
        line = here.line("trust.operator_unlisted")
        assert (line["dn"], line["detail"]) == ("O=gip", "")
        assert not any("dupont" in str(each).lower() or "8997" in str(each) for each in here.log)


async def test_tls_1_1_is_refused(space, trust, tmp_path):
    """TLS-2."""
    async with gate(space, tmp_path, trust) as here:
        reason = await here.alert(listed(space), version=ssl.TLSVersion.TLSv1_1)
        assert "PROTOCOL_VERSION" in reason
        assert here.line("smtp.tls.failed")["reason"] == "UNSUPPORTED_PROTOCOL"
        assert here.kept_nothing()


async def test_without_starttls_nothing_is_said(space, trust, tmp_path):
    """530 5.7.0, whatever network it comes from (TLS-1, WL-8)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.connect()
        for command in (MAIL, RCPT, "DATA", "VRFY a", "RSET"):
            assert (await peer.ask(command))[:9] == "530 5.7.0"
        await peer.close()
        assert here.line("smtp.refused")["status"] == "5.7.0"
        assert here.kept_nothing()


async def test_bytes_behind_starttls_are_never_executed(space, trust, tmp_path):
    """501 and the end, as without certificates."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.connect()
        await peer.send(f"STARTTLS\r\n{MAIL}\r\n".encode())
        assert (await peer.hear())[:9] == "501 5.5.2"
        assert await peer.hear() == ""
        assert here.line("smtp.refused")["code"] == 501
        assert here.kept_nothing()


# --- What SMTP refuses -----------------------------------------------------------------------------------------------


def subject(*pairs: tuple[str, str]) -> Made:
    return lambda space: space.intermediate.issue(pairs, HOST)


REST = operator_dn(HOST)[1:]


@dataclass(frozen=True)
class Row:
    name: str
    made: Made
    reply: str
    event: str
    check: str
    mail: str = MAIL


UNREADABLE = "554 5.7.1 Certificat refuse : son nom"
ROWS = [
    Row("no certificate", lambda _: None, "554 5.7.1 Certificat client", "trust.no_certificate", "certificate"),
    Row("unlisted", lambda s: s.operator(STRANGER), "554 5.7.1 Ce certificat", "trust.operator_unlisted", "operator"),
    Row(
        "unlisted, <>",
        lambda s: s.operator(STRANGER),
        "554 5.7.1 ",
        "trust.operator_unlisted",
        "operator",
        "MAIL FROM:<>",
    ),
    Row("no certificate, <>", lambda _: None, "554 5.7.1 ", "trust.no_certificate", "certificate", "MAIL FROM:<>"),
    Row("no CN", subject(*REST), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row("no subject at all", subject(), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row("two CNs", subject(("CN", HOST), ("CN", OTHER), *REST), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row("wildcard", subject(("CN", "*.operateur.fr"), *REST), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row("NUL", subject(("CN", f"{HOST}\0.pirate.fr"), *REST), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row("line break", subject(("CN", f"{HOST}\r\nx"), *REST), UNREADABLE, "trust.subject_unreadable", "subject"),
    Row(
        "other unit",
        subject(("CN", HOST), ("OU", "1"), *REST[1:]),
        "554 5.7.1 Ce",
        "trust.operator_unlisted",
        "operator",
    ),
    Row("one attribute less", subject(("CN", HOST), *REST[:-1]), "554 5.7.1 Ce", "trust.operator_unlisted", "operator"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_certificate_that_is_no_operators_gets_its_reply_at_mail(space, trust, tmp_path, row):
    """554 5.7.1 and a log line of its own for each check (WL-8, TLS-6)."""
    async with gate(space, tmp_path, trust) as here:
        identity = row.made(space)
        peer = await here.meet(identity)
        await refused(peer, row.reply, row.mail)
        await peer.close()
        line = here.line(row.event)
        assert (line["check"], line["code"], line["listener"]) == (row.check, 554, "outside")
        assert line.get("serial") == (f"{identity.serial:x}" if identity else None)
        assert here.kept_nothing()
        assert not here.store._has.journal


async def test_who_is_not_trusted_may_greet_and_go_and_nothing_else(space, trust, tmp_path):
    """No octet of a letter is read, however it is sent (TLS-7)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(space.operator(STRANGER))
        for command in ("NOOP", "RSET", EHLO, "HELO a.fr"):
            assert (await peer.ask(command))[:3] == "250"
        for command in (MAIL, RCPT, "DATA", "VRFY a", "EXPN a", "HELP", "AUTH PLAIN", "XCLIENT LOGIN=a"):
            assert (await peer.ask(command))[:9] == "554 5.7.1", command
        assert (await peer.ask("QUIT"))[:3] == "221"
        assert here.kept_nothing()
        assert here.told.count("trust.operator_unlisted") == 1, "one line, however often it tries"


async def test_what_is_pipelined_behind_a_refused_mail_is_no_letter(space, trust, tmp_path):
    """Sent in one go, in the hope that somebody reads it."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(None)
        await peer.send(f"{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode() + letter(f"boite@{OPERATOR}") + b".\r\nQUIT\r\n")
        heard = [await peer.hear() for _ in range(3)]
        assert [each[:9] for each in heard] == ["554 5.7.1"] * 3
        await peer.close()
        assert here.kept_nothing()


# --- Domains ---------------------------------------------------------------------------------------------------------


async def test_a_listed_operator_hands_us_mail(space, trust, tmp_path):
    """250, kept with what is needed to replay the decision, and the log says who it was."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        peer = await here.meet(identity)
        await peer.envelope(MAIL, RCPT)
        assert (await peer.data(letter(f"boite@{OPERATOR}")))[:3] == "250"
        assert (await peer.ask("QUIT"))[:3] == "221"
        await here.quiet()
        [stored] = here.store._has.messages.values()
        assert stored.facts.client.name == CLIENT
        assert stored.facts.client.domains == {OPERATOR}, "not all that the operator may use"
        assert stored.envelope.origin.client == CLIENT
        assert stored.envelope.origin.protocol == "ESMTPS"
        closed = here.line("smtp.session.closed")
        assert closed["client"] == CLIENT
        assert closed["serial"] == f"{identity.serial:x}"
        assert Name.parse(closed["dn"]) == Name.of(dn(HOST))
        assert len(closed["fingerprint"]) == 64
        assert closed["tls"].startswith("TLSv1.3")


@dataclass(frozen=True)
class Sender:
    name: str
    mail: str
    reply: str
    rule: str = "sender-is-the-clients-own"


SENDERS = [
    Sender("the domain of another operator", f"boite@{FOREIGN}", "554 5.7.1 Ce certificat n'est pas celui"),
    Sender("a domain in nobody's list", "boite@gmail.example", "550 5.7.1 Domaine absent"),
    Sender("below its own domain", f"boite@sous.{OPERATOR}", "550 5.7.1 Domaine absent"),
    Sender("one of ours", DOCTOR, "550 5.7.1 Domaine expediteur"),
    Sender("a patient", "279035121518989@patient.mssante.fr", "550 5.7.1 Domaine absent"),
]


@pytest.mark.parametrize("row", SENDERS, ids=lambda row: row.name)
async def test_an_operator_speaks_for_its_own_domains_only(space, trust, tmp_path, row):
    """554 when the list gives the domain to others, 550 when it does not name it (WL-8, TLS-6, SD-5)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await refused(peer, row.reply, f"MAIL FROM:<{row.mail}>")
        await peer.close()
        [fields] = [fields for name, fields in here.events.seen if name == "letter.refused"]
        assert (fields["rule"], fields["client"]) == (row.rule, CLIENT)
        assert fields["domain"] == row.mail.partition("@")[2]
        assert here.kept_nothing()


async def test_nobody_speaks_for_us_even_where_the_list_says_so(space, trust, tmp_path):
    """An operator who once carried our domain, or a mistake in the list, must not bring colleagues' mail (SD-5)."""
    trust.listed_names[OURS] = {Name.of(dn(HOST))}
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await refused(peer, "550 5.7.1", f"MAIL FROM:<{DOCTOR}>")
        await peer.envelope(MAIL, RCPT)
        assert (await peer.data(letter(DOCTOR)))[:9] == "550 5.7.1"
        await peer.close()
        assert here.kept_nothing()


@pytest.mark.parametrize("count", [2, 3, 4, 5])
async def test_a_domain_may_have_several_certificates(space, tmp_path, count):
    """Each of them will do, and no other (WL-4)."""
    hosts = [f"mta{n}.operateur.fr" for n in range(count)]
    trust = twin({OPERATOR: [dn(each) for each in hosts], FOREIGN: [dn(OTHER)]})
    async with gate(space, tmp_path, trust) as here:
        for host in hosts:
            peer = await here.meet(space.operator(host))
            await peer.envelope(MAIL, RCPT)
            await peer.close()
        peer = await here.meet(space.operator(OTHER))
        await refused(peer, "554 5.7.1 Ce certificat n'est pas celui")
        await peer.close()
        assert here.kept_nothing()


@pytest.mark.parametrize(
    ("list_name", "sender"),
    [
        ("operateur.mssante.fr", "boite@OPERATEUR.MSSante.FR"),
        ("OPERATEUR.mssante.fr", "boite@operateur.mssante.fr"),
        ("hôpital.mssante.fr", "boite@xn--hpital-ixa.mssante.fr"),
        ("xn--hpital-ixa.mssante.fr", "boite@hôpital.mssante.fr"),
        ("HÔPITAL.mssante.fr", "boite@hôpital.mssante.fr"),
    ],
)
async def test_case_and_script_of_a_domain_do_not_matter(space, tmp_path, list_name, sender):
    """The list has one in upper case; IDNs are compared as A-labels (WL-4)."""
    async with gate(space, tmp_path, twin({list_name: [dn(HOST)]})) as here:
        peer = await here.meet(listed(space))
        await peer.send(f"MAIL FROM:<{sender}> SMTPUTF8\r\n".encode())
        assert (await peer.hear())[:3] == "250"
        assert (await peer.ask(RCPT))[:3] == "250"
        assert (await peer.data(letter(sender)))[:3] == "250"
        await peer.close()
        assert len(here.store._has.messages) == 1


async def test_operators_reach_us_and_nobody_else_through_us(space, trust, tmp_path):
    """No open relay between operators (WHO-9)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL))[:3] == "250"
        assert (await peer.ask(f"RCPT TO:<boite@{FOREIGN}>"))[:9] == "550 5.7.1"
        assert (await peer.ask("RCPT TO:<boite@gmail.example>"))[:9] == "550 5.7.1"
        await peer.close()
        assert here.kept_nothing()


# --- From: and the null sender ---------------------------------------------------------------------------------------

NOTICE = "Auto-Submitted: auto-replied"


@pytest.mark.parametrize(
    ("mail", "author", "reply"),
    [
        (f"<boite@{OPERATOR}>", f"autre@{OPERATOR}", "250"),
        (f"<boite@{OPERATOR}>", "autre@commun.mssante.fr", "250"),
        (f"<boite@{OPERATOR}>", f"boite@{FOREIGN}", "550 5.7.1"),
        (f"<boite@{OPERATOR}>", "boite@gmail.example", "550 5.7.1"),
        ("<>", f"mailer-daemon@{OPERATOR}", "250"),
        ("<>", "mailer-daemon@mta.operateur.fr", "250"),
        ("<>", f"mailer-daemon@{FOREIGN}", "550 5.7.1"),
        ("<>", f"mailer-daemon@mta.{FOREIGN}", "550 5.7.1"),
        ("<>", f"mailer-daemon@{OURS}", "550 5.7.1"),
        ("<>", "noreply@patient.mssante.fr", "550 5.7.1"),
    ],
)
async def test_the_author_that_a_letter_shows_is_the_operators_own(space, trust, tmp_path, mail, author, reply):
    """From: is what people read. A notice may come from a host name that the list gives to nobody else (SD-5)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await peer.envelope(f"MAIL FROM:{mail}", RCPT)
        assert (await peer.data(letter(author, DOCTOR, NOTICE))).startswith(reply)
        await peer.close()
        assert here.kept_nothing() is (reply != "250")


# --- Purposes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purposes", [BOTH, ("serverAuth",), ("clientAuth",), None], ids=str)
async def test_certificates_of_servers_are_taken_where_the_setting_says_so(space, trust, tmp_path, purposes):
    """Nobody here knows whether those of SERV SSL say clientAuth (threats finding 4)."""
    async with gate(space, tmp_path, trust, purposes=BOTH) as here:
        peer = await here.meet(space.operator(HOST, purposes=purposes))
        await peer.envelope(MAIL, RCPT)
        await peer.close()


@pytest.mark.parametrize(
    ("accepted", "purposes"), [(BOTH, ("emailProtection",)), (("serverAuth",), ("clientAuth",))], ids=str
)
async def test_a_certificate_for_something_else_is_refused_in_smtp_then(space, trust, tmp_path, accepted, purposes):
    """OpenSSL then looks at no purpose, so we do."""
    async with gate(space, tmp_path, trust, purposes=accepted) as here:
        peer = await here.meet(space.operator(HOST, purposes=purposes))
        await refused(peer, "554 5.7.1 Certificat refuse : il n'est pas fait")
        await peer.close()
        assert here.line("trust.certificate_unfit")["check"] == "chain"
        assert here.kept_nothing()


@pytest.mark.parametrize("row", [row for row in HANDSHAKES if row.reason != "purpose"], ids=lambda row: row.name)
async def test_chain_and_dates_are_checked_whatever_the_purposes(space, trust, tmp_path, row):
    """The setting is about one check and loosens no other."""
    async with gate(space, tmp_path, trust, purposes=BOTH) as here:
        assert row.alert in await here.alert(row.made(space), version=row.version)
        assert here.kept_nothing()


# --- Revocation ------------------------------------------------------------------------------------------------------


async def test_a_revoked_certificate_is_refused(space, trust, tmp_path):
    """554 5.7.1 (TLS-5)."""
    identity = listed(space)
    trust.revoked.add(identity.serial)
    async with gate(space, tmp_path, trust) as here:
        await _refused_for(here, identity, str(REVOKED), "trust.certificate_revoked", "revocation")


async def test_what_a_revoked_intermediate_signed_is_refused(space, trust, tmp_path):
    """Leaf and intermediates, all below the anchor."""
    trust.revoked.add(space.intermediate.serial)
    async with gate(space, tmp_path, trust) as here:
        await _refused_for(here, listed(space), str(REVOKED), "trust.certificate_revoked", "revocation")


async def test_without_a_usable_crl_mail_waits(space, trust, tmp_path):
    """451 4.7.1: never accepted, never lost."""
    trust.revoked = None
    async with gate(space, tmp_path, trust) as here:
        await _refused_for(here, listed(space), str(REVOCATION_UNKNOWN), "trust.revocation_unknown", "revocation")


async def test_without_a_usable_list_mail_waits(space, trust, tmp_path):
    """451 4.7.1, also when it is missing from the start (WL-7)."""
    trust.listed_names = None
    async with gate(space, tmp_path, trust) as here:
        await _refused_for(here, listed(space), str(LIST_UNUSABLE), "trust.list_unusable", "white-list")


async def _refused_for(here: Gate, identity: Identity, reply: str, event: str, check: str) -> None:
    peer = await here.meet(identity)
    await refused(peer, reply)
    await peer.close()
    assert here.line(event)["check"] == check
    assert here.kept_nothing()


async def test_a_revocation_takes_effect_on_an_open_connection(space, trust, tmp_path):
    """At the next letter, and in the middle of one."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        between, within = await here.meet(identity), await here.meet(identity)
        await between.envelope(MAIL, RCPT)
        assert (await between.data(letter(f"boite@{OPERATOR}")))[:3] == "250"
        await within.envelope(MAIL, RCPT)
        trust.revoked.add(identity.serial)
        assert await between.ask(MAIL) == str(REVOKED)
        assert await within.ask("DATA") == str(REVOKED)
        for peer in (between, within):
            await peer.close()
        assert len(here.store._has.messages) == 1
        assert here.told.count("trust.certificate_revoked") == 2


async def test_a_new_list_takes_effect_on_an_open_connection(space, trust, tmp_path):
    """And when the operator is listed again, the connection goes on."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        names = trust.listed_names.pop(OPERATOR)
        assert (await peer.ask(MAIL))[:9] == "550 5.7.1"
        trust.listed_names[OPERATOR] = names
        await peer.envelope(MAIL, RCPT)
        await peer.close()
        assert here.kept_nothing()


@pytest.mark.parametrize("known", [True, False], ids=["revoked", "unknown"])
async def test_a_revocation_within_data_takes_effect_at_the_final_dot(space, trust, tmp_path, known):
    """DATA may last half an hour: what was received is not kept, and the connection goes on (TLS-5, TLS-7)."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        peer = await here.meet(identity)
        await peer.envelope(MAIL, RCPT)
        assert (await peer.ask("DATA"))[:3] == "354"
        trust.revoked = {identity.serial} if known else None
        await peer.send(letter(f"boite@{OPERATOR}") + b".\r\n")
        assert await peer.hear() == str(REVOKED if known else REVOCATION_UNKNOWN)
        assert (await peer.ask("NOOP"))[:3] == "250"
        await peer.close()
        assert here.line("trust.certificate_revoked" if known else "trust.revocation_unknown")
        assert here.kept_nothing()
        assert not here.handed_on


async def test_a_list_that_is_lost_within_a_letter_defers_it(space, trust, tmp_path):
    """Between DATA and the final dot, too: 451, nothing kept."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await peer.envelope("MAIL FROM:<>", RCPT)
        assert (await peer.ask("DATA"))[:3] == "354"
        trust.listed_names = None
        await peer.send(letter("mailer-daemon@mta.operateur.fr", DOCTOR, NOTICE) + b".\r\n")
        assert (await peer.hear())[:9] == "451 4.7.1"
        await peer.close()
        assert here.kept_nothing()


@pytest.mark.parametrize("revoked", [False, True], ids=["valid", "revoked"])
async def test_a_resumed_session_is_checked_like_any_other(space, trust, tmp_path, revoked):
    """TLS 1.2 resumes by session id, which OpenSSL offers without tickets; TLS 1.3 not at all (threats finding 5)."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        context = here.client_context(identity, version=ssl.TLSVersion.TLSv1_2)
        first, session = await _over(here, context, None)
        assert (await first.ask("QUIT"))[:3] == "221"
        await first.close()
        await here.quiet()
        if revoked:
            trust.revoked.add(identity.serial)
        again, resumed = await _over(here, context, session)
        assert resumed.id == session.id, "it was resumed"
        assert (await again.ask(MAIL)).startswith(str(REVOKED) if revoked else "250")
        await again.close()
        assert here.kept_nothing()


async def test_tls_1_3_offers_no_session_to_resume(space, trust, tmp_path):
    """No tickets: every connection shows its certificate anew."""
    async with gate(space, tmp_path, trust) as here:
        peer, session = await _over(here, here.client_context(listed(space)), None)
        assert not session.has_ticket
        await peer.close()


async def _over(here: Gate, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[Peer, ssl.SSLSession]:
    """A connection with that session to resume, and the session that it has."""

    class Resuming(ssl.SSLObject):
        def do_handshake(self) -> None:
            if session is not None and self.session is None:
                self.session = session
            super().do_handshake()

    context.sslobject_class = Resuming
    peer = await here.connect()
    await peer.starttls(context)
    assert (await peer.ask(EHLO)).startswith("250")
    return peer, peer.writer.get_extra_info("ssl_object").session


# --- Other ways in ---------------------------------------------------------------------------------------------------


async def test_implicit_tls_asks_for_certificates_as_well(space, trust, tmp_path):
    """TLS from the first byte."""
    async with gate(space, tmp_path, trust, tls=TlsMode.IMPLICIT) as here:
        for identity, reply in ((listed(space), "250"), (space.operator(STRANGER), "554 5.7.1"), (None, "554 5.7.1")):
            peer = await here.knock(here.client_context(identity))
            assert (await peer.hear()).startswith("220")
            assert "STARTTLS" not in await peer.ask(EHLO)
            assert (await peer.ask(MAIL)).startswith(reply)
            await peer.close()
        assert here.kept_nothing()


async def test_a_thousand_domains_of_one_operator_are_not_kept_with_its_letters(space, tmp_path):
    """In the real list one DN speaks for thousands."""
    names = {f"d{n}.mssante.fr": [dn(HOST)] for n in range(2_000)} | {OPERATOR: [dn(HOST)]}
    async with gate(space, tmp_path, twin(names)) as here:
        peer = await here.meet(listed(space))
        await peer.envelope(MAIL, RCPT)
        content = letter("boite@d7.mssante.fr", DOCTOR, "Reply-To: <retour@d9.mssante.fr>")
        assert (await peer.data(content))[:3] == "250"
        await peer.close()
        [stored] = here.store._has.messages.values()
        assert stored.facts.client.domains == {OPERATOR, "d7.mssante.fr", "d9.mssante.fr"}


# --- The real list and revocation lists, as they age -----------------------------------------------------------------

HOUR = datetime.timedelta(hours=1)


class Published:
    """A list and CRLs in files, and what this gateway makes of them; the clock is the test's."""

    def __init__(self, space: TrustSpace, folder: Path, grace: datetime.timedelta | None = None) -> None:
        self.clock, self.events = FixedClock(now()), Events()
        self.folder = folder
        root, intermediate = space.write_crls(folder, next_update=now() + 100 * HOUR)
        certificate, key = space.operator("localhost").write_apart(folder, "published")
        self.list_file, self.crl_file = folder / "list.xml", intermediate
        self.publish((OPERATOR, white_lists.dn(HOST)), (FOREIGN, white_lists.dn(OTHER)))
        files = {"anchors": space.write_anchors(folder), "certificate": certificate, "key": key}
        settings = TrustSettings.model_validate(
            {name: str(path) for name, path in files.items()}
            | {"white_list": str(self.list_file), "crls": [str(root), str(intermediate)]}
            | ({"crl_grace": grace} if grace else {})
        )
        self.at_work = TrustAtWork(
            settings, folder / "trust", clock=self.clock, telemetry=self.events, aloud=self.events, ours=lambda: {OURS}
        )

    def publish(self, *entries: tuple[str, str], day: int = 5) -> None:
        others = [(f"d{n}.mssante.fr", white_lists.dn(f"mta{n}.fr")) for n in range(20)]  # changes are small then
        entries = (*entries, *others)
        self.list_file.write_bytes(white_lists.white_list(entries, generated=f"2026-01-{day:02d}T08:00:00Z"))

    async def settle(self) -> None:
        """Read what is published, as the tasks do from time to time."""
        await self.at_work.start()
        await self.at_work.white_list.refresh()
        for feed in self.at_work.crls._feeds:
            await self.at_work.crls._ask(feed)

    @property
    def ready(self) -> dict[str, bool]:
        return {check.name: check.ok for check in self.at_work.checks()}


@asynccontextmanager
async def published(
    space: TrustSpace, folder: Path, grace: datetime.timedelta | None = None
) -> AsyncIterator[tuple[Gate, Published]]:
    source = Published(space, folder, grace)
    async with gate(space, folder, source.at_work.space) as here:
        yield here, source


async def test_before_the_first_list_and_crl_mail_waits_and_then_comes_in(space, tmp_path):
    """451 4.7.1 and not ready; never an open door, never a letter refused for good (WL-7, WL-8)."""
    async with published(space, tmp_path) as (here, source):
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL))[:9] == "451 4.7.1"
        assert source.ready == {"white_list": False, "revocation": False}
        await source.settle()
        assert source.ready == {"white_list": True, "revocation": True}
        await peer.envelope(MAIL, RCPT)
        assert (await peer.data(letter(f"boite@{OPERATOR}")))[:3] == "250"
        await peer.close()


@pytest.mark.parametrize(("hours", "reply"), [(25, "250"), (71, "250"), (73, "451 4.7.1")])
async def test_a_list_that_is_not_heard_of_any_more_serves_for_three_days(space, tmp_path, hours, reply):
    """Then mail waits (WL-7)."""
    async with published(space, tmp_path) as (here, source):
        await source.settle()
        source.clock.pass_(hours=hours)
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL)).startswith(reply)
        await peer.close()
        assert source.ready["white_list"] is (reply == "250")
        assert ("trust.list_unusable" in here.told) is (reply != "250")
        assert here.kept_nothing()


@pytest.mark.parametrize(
    ("grace", "hours", "reply"),
    [(None, 99, "250"), (None, 101, "451 4.7.1"), (4 * HOUR, 103, "250"), (4 * HOUR, 105, "451 4.7.1")],
)
async def test_an_expired_crl_counts_as_long_as_grace_says(space, tmp_path, grace, hours, reply):
    """Without grace not a moment longer (TLS-5); the white list is kept young meanwhile."""
    async with published(space, tmp_path, grace) as (here, source):
        await source.settle()
        source.clock.pass_(hours=hours)
        renewed = source.clock.now().timestamp()
        os.utime(source.list_file, (renewed, renewed))  # a file is as old as it says
        await source.at_work.white_list.refresh()
        identity = space.operator(HOST, not_after=now() + 30 * DAY)
        peer = await here.meet(identity)
        assert (await peer.ask(MAIL)).startswith(reply)
        await peer.close()
        assert source.ready["revocation"] is (reply == "250")
        assert ("trust.revocation_unknown" in here.told) is (reply != "250")
        assert here.kept_nothing()


async def test_a_new_crl_revokes_on_an_open_connection(space, tmp_path):
    """As soon as it is read."""
    async with published(space, tmp_path) as (here, source):
        await source.settle()
        identity = listed(space)
        peer = await here.meet(identity)
        await peer.envelope(MAIL, RCPT)
        source.crl_file.write_bytes(space.intermediate.crl(identity.serial))
        await source.settle()
        assert await peer.ask("DATA") == str(REVOKED)
        await peer.close()
        assert here.line("trust.certificate_revoked")["serial"] == f"{identity.serial:x}"
        assert here.kept_nothing()


@pytest.mark.parametrize(
    "content", [b"", b"<html/>", b"<?xml version='1.0'?><!DOCTYPE a><a/>"], ids=["empty", "html", "dtd"]
)
async def test_a_bad_list_opens_and_closes_nothing(space, tmp_path, content):
    """Refused with an alarm, and the good one stays in force."""
    async with published(space, tmp_path) as (here, source):
        await source.settle()
        source.list_file.write_bytes(content)
        await source.settle()
        assert "trust.list_refused" in [name for name, _ in source.events.seen]
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL))[:3] == "250"
        await refused(await here.meet(space.operator(STRANGER)), "554 5.7.1")
        await peer.close()
        assert here.kept_nothing()


async def test_a_list_rolled_back_does_not_bring_an_operator_back(space, tmp_path):
    """An older DateDeGeneration is refused (WL-7)."""
    async with published(space, tmp_path) as (here, source):
        await source.settle()
        source.publish((OPERATOR, white_lists.dn(OTHER)), (FOREIGN, white_lists.dn(OTHER)), day=6)
        await source.settle()
        source.publish((OPERATOR, white_lists.dn(HOST)), (FOREIGN, white_lists.dn(OTHER)), day=5)
        await source.settle()
        peer = await here.meet(listed(space))
        await refused(peer, "554 5.7.1")
        await peer.close()
        assert here.kept_nothing()

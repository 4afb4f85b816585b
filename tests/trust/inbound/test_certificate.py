"""What SMTP refuses: certificates that are no operator's, or not made for what they are shown for (WL-8, TLS-6)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from mssgw.edges.clock import FixedClock
from tests.pki import BOTH, operator_dn
from tests.trust.gate import EHLO, dn, gate, letter
from tests.trust.inbound.rows import HOST, MAIL, OPERATOR, OTHER, RCPT, STRANGER, Made, accepted, refused


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
        assert here.line("trust.no_certificate")["code"] == 554
        assert here.kept_nothing()


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
        assert here.kept_nothing()
        assert not any("dupont" in str(each).lower() or "8997" in str(each) for each in here.log)


@pytest.mark.parametrize("hours", [-48, 48])
async def test_certificates_are_dated_by_the_machines_time_and_not_by_that_of_leases(space, trust, tmp_path, hours):
    """That one follows slowly where the clock was put right, after hours of suspension, say; the handshake at once.

    An operator who has just renewed was refused for good.
    """
    now = datetime.now(UTC)
    identity = space.operator(HOST, not_before=now - timedelta(hours=1), not_after=now + timedelta(hours=1))
    async with gate(space, tmp_path, trust, clock=FixedClock(now + timedelta(hours=hours))) as here:
        await accepted(here, await here.meet(identity))


# What certificates are made for


@pytest.mark.parametrize("purposes", [BOTH, ("serverAuth",), ("clientAuth",), None], ids=str)
async def test_certificates_of_servers_are_taken_where_the_setting_says_so(space, trust, tmp_path, purposes):
    """Nobody here knows whether those of SERV SSL say clientAuth (threats finding 4)."""
    async with gate(space, tmp_path, trust, purposes=BOTH) as here:
        await accepted(here, await here.meet(space.operator(HOST, purposes=purposes)))


@pytest.mark.parametrize(
    ("accepted", "purposes"), [(BOTH, ("emailProtection",)), (("serverAuth",), ("clientAuth",))], ids=str
)
async def test_a_certificate_for_something_else_is_refused_in_smtp_then(space, trust, tmp_path, accepted, purposes):
    """OpenSSL then looks at no purpose, so we do."""
    async with gate(space, tmp_path, trust, purposes=accepted) as here:
        peer = await here.meet(space.operator(HOST, purposes=purposes))
        await refused(peer, "554 5.7.1 Certificat refuse : il n'est pas fait")
        await peer.close()
        line = here.line("trust.certificate_unfit")
        assert (line["check"], line["code"]) == ("chain", 554)
        assert here.kept_nothing()

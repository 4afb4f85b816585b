"""Delivery notices: for a person and for a machine, and harmless whatever the letter held."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.app.backoffice import BY_HAND
from mssgw.core.addresses import Address
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import MalformedAddress
from mssgw.core.message import Content
from mssgw.core.replies import Reply
from mssgw.formats.dsn import Action, Fate, NoticeOf, Written, returns_whole, write_notice
from mssgw.formats.own_reports import WHOLE_LIMIT
from mssgw.formats.wire import stuffed
from tests.unit.formats.reading import read

PATIENT = "279035121518989@patient.mssante.fr"
ARRIVED = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
LETTER = b"Subject: canary-subject\r\nFrom: dr@hopital.fr\r\n\r\nBonjour\r\n.\r\n"
NO_USER = Reply(550, "5.1.1", "No such user")


def fate(
    address: str = PATIENT, reply: Reply | None = NO_USER, *, orcpt: str | None = None, hop: str = "mx.mes.example"
) -> Fate:
    path = ForwardPath(address=Address.parse(address), orcpt=orcpt)
    return Fate(forward_path=path, reply=reply, next_hop=hop, attempted_at=ARRIVED + timedelta(minutes=1))


def notice(*fates: Fate, action: Action = Action.FAILED, sender: str = "dr@hopital.fr", **changes: object) -> NoticeOf:
    fates = fates or (fate(),)
    envelope = Envelope(
        reverse_path=Address.parse(sender),
        forward_paths=tuple(each.forward_path for each in fates),
        origin=Origin(role=Role.ESTABLISHMENT, client="hopital"),
        ret=changes.pop("ret", None),  # type: ignore[arg-type]
        envid=changes.pop("envid", None),  # type: ignore[arg-type]
    )
    given = {"original_message_id": "<1@hopital.fr>", "original": LETTER, "message_id": "<n1@gw.example>"} | changes
    return NoticeOf(
        action=action,
        fates=fates,
        envelope=envelope,
        spool_id="Q1",
        hostname="gw.example",
        arrived_at=ARRIVED,
        written_at=ARRIVED + timedelta(hours=4),
        **given,  # type: ignore[arg-type]
    )


def parsed(written: Written) -> EmailMessage:
    return message_from_bytes(written.content, policy=policy.SMTP)  # type: ignore[return-value]


def human(written: Written) -> str:
    return parsed(written).get_payload(0).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]


def machine(written: Written) -> list[dict[str, str]]:
    groups = parsed(written).get_payload(1).get_payload()  # type: ignore[union-attr]
    return [dict(group.items()) for group in groups]


def test_who_wrote_to_a_patient_is_not_sent_to_the_directory():
    """Patients are in none: their addresses are checked against their files."""
    assert "celle d'un patient, dans son dossier" in human(write_notice(notice(fate(PATIENT))))


def test_a_failure_notice_is_a_report_that_answers_the_letter():
    """RFC 3464, RFC 3834; the subject never repeats the letter's."""
    message = parsed(write_notice(notice()))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert message["To"] == "dr@hopital.fr"
    assert message["From"].addresses[0].addr_spec == "MAILER-DAEMON@gw.example"
    assert message["Subject"] == "Message non distribué (référence Q1)"
    assert (message["Message-ID"], message["In-Reply-To"], message["References"]) == (
        "<n1@gw.example>",
        "<1@hopital.fr>",
        "<1@hopital.fr>",
    )
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime == ARRIVED + timedelta(hours=4)
    assert not message.defects


def test_the_machine_part_says_what_became_of_each_recipient():
    second = fate("b@y.fr", Reply(552, "", "too big"), orcpt="rfc822;b+2B1@y.fr")
    letter, first, other = machine(write_notice(notice(fate(), second, envid="ABC+3D12")))
    assert letter == {
        "Reporting-MTA": "dns; gw.example",
        "Original-Envelope-Id": "ABC=12",
        "X-Mssgw-Queue-Id": "Q1",
        "Arrival-Date": "Wed, 01 Jul 2026 10:30:00 +0000",
    }
    assert first == {
        "Final-Recipient": f"rfc822; {PATIENT}",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.mes.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": "Wed, 01 Jul 2026 10:31:00 +0000",
    }
    assert other["Original-Recipient"] == "rfc822; b+1@y.fr"
    assert other["Status"] == "5.0.0"


@pytest.mark.parametrize(
    ("action", "reply", "status"),
    [
        (Action.FAILED, Reply(451, "4.3.0", "later"), "4.4.7"),  # tried until the time was up
        (Action.FAILED, None, "4.4.7"),
        (Action.FAILED, Reply(554, "2.0.0", "confused peer"), "5.0.0"),
        (Action.DELAYED, Reply(451, "4.3.0", "later"), "4.3.0"),
        (Action.DELAYED, None, "4.0.0"),
        (Action.RELAYED, Reply(250, "2.1.5", "ok"), "2.1.5"),
        (Action.DELIVERED, Reply(250, "", "ok"), "2.0.0"),
    ],
)
def test_the_status_fits_the_action(action, reply, status):
    """RFC 3464 section 2.3.4."""
    assert machine(write_notice(notice(fate(reply=reply), action=action)))[1]["Status"] == status


def test_our_own_reply_is_not_put_into_the_mouth_of_a_server():
    fields = machine(write_notice(notice(fate(hop=""))))[1]
    assert fields["Diagnostic-Code"] == "x-mssgw; 550 5.1.1 No such user"
    assert "Remote-MTA" not in fields


@pytest.mark.parametrize(
    ("reply", "hop", "why", "detail"),
    [
        (
            BY_HAND,
            "",
            "La passerelle n'a pas remis le message : son administrateur l'a retiré de la file d'attente.",
            "Précision de la passerelle : 550 5.7.0 Message retiré de la file par l'administrateur de la passerelle",
        ),
        (
            Reply(550, "5.7.1", "Le serveur suivant n'est pas de confiance : son certificat est revoque"),
            "mx.x.fr",
            "La passerelle n'a pas remis le message : le serveur du destinataire n'a pas pu prouver son identité.",
            "Précision de la passerelle, à propos de mx.x.fr : 550 5.7.1 Le serveur suivant n'est pas de confiance : "
            "son certificat est révoqué",
        ),
        (
            Reply(550, "5.7.1", "Connexion au serveur suivant impossible : 554 5.3.2 Not here"),
            "mx.x.fr",
            "La passerelle n'a pas remis le message : elle n'a pas pu se connecter au serveur du destinataire.",
            "Précision de la passerelle, à propos de mx.x.fr : 550 5.7.1 Connexion au serveur suivant impossible : "
            "554 5.3.2 Not here",
        ),
        (
            Reply(550, "5.7.1", "Domaine retire de la liste blanche MSSante"),
            "",
            "La passerelle n'a pas remis le message : le domaine du destinataire n'est plus dans la liste blanche "
            "MSSanté.",
            "Précision de la passerelle : 550 5.7.1 Domaine retiré de la liste blanche MSSanté",
        ),
        (
            Reply(550, "5.7.9", "Ce que personne n'a prevu"),
            "",
            "La passerelle n'a pas remis le message.",
            "Précision de la passerelle : 550 5.7.9 Ce que personne n'a prevu",
        ),
        (
            Reply(451, "4.4.2", "Le serveur suivant n'a pas repondu a temps"),
            "mx.x.fr",
            "malgré plusieurs essais",
            "Précision de la passerelle, à propos de mx.x.fr : 451 4.4.2 Le serveur suivant n'a pas répondu à temps",
        ),
    ],
)
def test_what_we_decided_is_not_told_as_what_a_server_said(reply, hop, why, detail):
    """The doctor would call the wrong people."""
    written = write_notice(notice(fate(reply=reply, hop=hop)))
    text, fields = human(written), machine(written)[1]
    assert f"Motif : {why}" in text or why in text.partition("Motif : ")[2].partition("\n")[0]
    assert f"  {detail}\n" in text
    assert "Dernière réponse" not in text
    assert fields["Diagnostic-Code"].startswith("x-mssgw; ")
    assert "Remote-MTA" not in fields


def test_a_delay_that_is_our_decision_is_told_as_ours():
    distrusted = Reply(454, "4.7.5", "Le serveur suivant n'est plus de confiance")
    text = human(write_notice(notice(fate(reply=distrusted), action=Action.DELAYED)))
    assert "la passerelle n'a pas encore remis le message : le serveur du destinataire n'a pas pu prouver" in text
    assert "indisponible" not in text


def test_the_words_of_another_gateway_like_this_one_stay_its_own():
    text = human(write_notice(notice(fate(reply=Reply(553, "5.1.3", MalformedAddress.reply.text)))))
    assert "Dernière réponse de mx.mes.example : 553 5.1.3 Adresse invalide" in text


def test_the_text_says_who_was_not_reached_and_why_and_what_to_do():
    text = human(write_notice(notice()))
    assert f"Votre message n'a PAS pu être remis à :\n\n  {PATIENT}\n" in text
    assert "Motif : Cette adresse n'existe pas." in text
    assert "Que faire : Vérifiez l'adresse" in text
    assert "mx.mes.example : 550 5.1.1 No such user" in text
    assert "Référence du message : Q1" in text
    assert "01/07/2026 à 12:30 (UTC+02:00)" in text or "(UTC+00:00)" in text


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(552, "5.3.4", "x"), "trop volumineux"),
        (Reply(552, "5.2.2", "x"), "pleine"),
        (Reply(550, "5.1.99", "x"), "pose problème"),
        (Reply(550, "5.7.1", "x"), "n'autorise pas"),
        (Reply(550, "5.7.9", "x"), "sécurité"),
        (Reply(554, "5.6.3", "x"), "format"),
        (Reply(550, "", "x"), "sans en préciser la raison"),
        (Reply(451, "4.4.1", "x"), "malgré plusieurs essais"),
    ],
)
def test_each_kind_of_failure_has_its_words(reply, why):
    assert why in human(write_notice(notice(fate(reply=reply))))


def test_a_delay_warning_says_that_nothing_has_to_be_done():
    until = ARRIVED + timedelta(hours=48)
    written = write_notice(notice(fate(reply=Reply(451, "4.3.0", "x")), action=Action.DELAYED, retry_until=until))
    assert "ne renvoyez pas le message" in human(written)
    assert machine(written)[1]["Will-Retry-Until"] == "Fri, 03 Jul 2026 10:30:00 +0000"
    assert parsed(written)["Subject"].startswith("Message retardé")


def test_a_relay_notice_promises_no_reading():
    written = write_notice(notice(fate(reply=Reply(250, "2.0.0", "ok")), action=Action.RELAYED))
    assert machine(written)[1]["Action"] == "relayed"
    assert "ne garantit pas que le message a été lu" in human(written)


def test_the_header_is_returned_unless_all_was_asked_for():
    """RET (RFC 3461), SD-1."""
    header = parsed(write_notice(notice())).get_payload(2).get_content()  # type: ignore[union-attr]
    assert header.splitlines() == ["Subject: canary-subject", "From: dr@hopital.fr"]
    returned = parsed(write_notice(notice(ret="FULL"))).get_payload(2)
    assert returned.get_content_type() == "message/rfc822"  # type: ignore[union-attr]
    assert LETTER in write_notice(notice(ret="FULL")).content


@pytest.mark.parametrize(
    ("action", "ret", "size", "whole"),
    [
        (Action.FAILED, "FULL", WHOLE_LIMIT, True),
        (Action.FAILED, "FULL", WHOLE_LIMIT + 1, False),
        (Action.FAILED, "HDRS", 10, False),
        (Action.FAILED, None, 10, False),
        (Action.DELAYED, "FULL", 10, False),
        (Action.RELAYED, "FULL", 10, False),
    ],
)
def test_a_letter_is_returned_whole_on_demand_for_a_failure_up_to_one_mib(action, ret, size, whole):
    assert returns_whole(action, notice(ret=ret).envelope, size) is whole


@pytest.mark.parametrize(
    ("original", "kind", "eight_bit"),
    [
        ("Subject: x\r\n\r\nété\r\n".encode(), "message/rfc822", True),
        ("Subject: été\r\n\r\nx\r\n".encode(), "text/rfc822-headers", False),
        (b"Subject: \xe9\r\n\r\nx\r\n", "text/rfc822-headers", False),
        (b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n", "text/rfc822-headers", False),
        (b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n", "message/rfc822", False),
        (b"Subject: x\r\n\r\nbare\nline\r\n", "text/rfc822-headers", False),
        (b"Subject: " + b"x" * 70_000 + b"\r\n\r\n", "text/rfc822-headers", False),
    ],
)
def test_a_letter_that_cannot_stand_in_a_notice_leaves_its_header_only(original, kind, eight_bit):
    written = write_notice(notice(ret="FULL", original=original))
    assert parsed(written).get_payload(2).get_content_type() == kind  # type: ignore[union-attr]
    assert written.eight_bit is eight_bit is (not written.content.isascii())
    assert (parsed(written)["Content-Transfer-Encoding"] == "8bit") is eight_bit
    assert max(map(len, written.content.split(b"\r\n"))) <= 998


def test_an_internationalised_recipient_is_written_in_ascii():
    """RFC 6533."""
    written = write_notice(notice(fate("zoé@y.fr")))
    assert machine(written)[1]["Final-Recipient"] == r"utf-8; zo\x{E9}@y.fr"
    assert "zoé@y.fr" in human(written)
    assert not written.smtputf8


def test_an_internationalised_sender_needs_smtputf8():
    written = write_notice(notice(sender="zoé@y.fr"))
    assert written.smtputf8
    assert "To: <zoé@y.fr>\r\n".encode() in written.content


def test_our_scanner_knows_our_notice():
    head = read(stuffed(write_notice(notice(ret="FULL")).content))
    assert (head.content, head.auto_submitted, head.unreadable) == (Content.DSN, "auto-replied", ())


HOSTILE = st.text("\r\n\0\x7f :é=?a<>", max_size=40)


@given(
    envid=HOSTILE,
    orcpt=HOSTILE,
    message_id=HOSTILE,
    original_id=HOSTILE,
    hop=HOSTILE,
    text=HOSTILE,
    original=st.binary(max_size=200),
)
def test_no_value_begins_a_line_of_its_own(envid, orcpt, message_id, original_id, hop, text, original):
    """CR, LF and NUL in what peers sent stay out of header and fields."""
    fate_ = fate(reply=Reply(550, "5.1.1", text), orcpt="rfc822;" + orcpt, hop=hop)
    written = write_notice(
        notice(
            fate_, envid=envid, message_id=message_id, original_message_id=original_id, original=original, ret="FULL"
        )
    )
    names = [line.partition(b":")[0] for line in written.content.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    expected = [b"From", b" <MAILER-DAEMON@gw.example>", b"To", b"Subject", b"Date", b"Message-ID"]
    if b"In-Reply-To" in names:
        expected += [b"In-Reply-To", b"References"]
    assert names[: len(expected)] == expected
    assert len(names) == len(expected) + 5
    assert b"\0" not in written.content
    assert written.content.count(b"\r") == written.content.count(b"\n") == written.content.count(b"\r\n")
    assert [part.get_content_maintype() for part in parsed(written).get_payload()][:2] == ["text", "message"]  # type: ignore[union-attr]
    assert len(machine(written)) == 2


def test_a_boundary_that_the_letter_foresaw_is_not_used():
    first = write_notice(notice(ret="FULL"))
    boundary = parsed(first).get_boundary()
    assert boundary is not None
    attack = LETTER + b"--" + boundary.encode() + b"--\r\n"
    message = parsed(write_notice(notice(ret="FULL", original=attack)))
    assert message.get_boundary() != boundary
    assert len(list(message.iter_parts())) == 3

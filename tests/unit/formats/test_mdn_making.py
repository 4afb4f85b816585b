"""Read receipts as we write them: readers know them again, and nothing in a letter can become a line of ours."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.addresses import Address
from mssgw.core.message import Content
from mssgw.formats.mdn_making import Disposition, Receipt, personal_name, write_receipt
from mssgw.formats.mime import Scanner
from mssgw.formats.own_reports import WHOLE_LIMIT
from mssgw.formats.wire import stuffed

PATIENT = Address.parse("279035121518989@patient.mssante.fr")
DOCTOR = Address.parse("dr.alpha@ch-test.mssante.fr")
AT = datetime(2026, 11, 21, 19, 4, tzinfo=UTC)
LETTER = b"From: <dr.alpha@ch-test.mssante.fr>\r\nSubject: r\xc3\xa9sultats\r\n\r\nBonjour\r\n"


def receipt(original: bytes = LETTER, *, said: Disposition = Disposition.DISPLAYED, subject: str = "essai") -> Receipt:
    return Receipt(
        disposition=said,
        reader=PATIENT,
        to=DOCTOR,
        subject=subject,
        sent_at=AT,
        original_message_id="<l1@ch-test.mssante.fr>",
        message_id="<q1@gw.example>",
        written_at=AT,
        hostname="gw.example",
        original=original,
        whole=True,
        product="NIL-0000-01",
    )


def test_a_patients_receipt_says_what_mon_espace_sante_says() -> None:
    """Word for word (MDN-3), with day, month and hour."""
    message = message_from_bytes(write_receipt(receipt()).content, policy=policy.default)
    text = next(iter(message.iter_parts())).get_content()
    assert text.splitlines() == [
        "Le message que vous avez envoyé le 21 novembre 19:04 a bien été ouvert par votre destinataire "
        f"{PATIENT.text}.",
        "Cela ne garantit pas la bonne prise de connaissance de son contenu.",
        "Merci de ne pas répondre à ce message.",
    ]


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        (f"Mme Odile EXEMPLE <{PATIENT.text}>", "Mme Odile EXEMPLE"),
        (f'Dr Alpha <a@b.fr>, "EXEMPLE, Odile" <{PATIENT.text.upper()}>', "EXEMPLE, Odile"),
        (f"=?utf-8?q?Odile_=C3=89LAN?= <{PATIENT.text}>", "Odile ÉLAN"),
        (f"=?utf-8?q?a=0D=0AX:_b?= <{PATIENT.text}>", "a X: b"),
        (f"<{PATIENT.text}>", ""),
        (PATIENT.text, ""),
        ("Dr Alpha <a@b.fr>", ""),
        (f"Dr Alpha <a@b.fr>, <{PATIENT.text}>", ""),
        ("x" * 300 + f" <{PATIENT.text}>", "x" * 100),
    ],
)
def test_the_reader_is_called_as_the_letter_called_him(listed: str, name: str) -> None:
    """MDN-3: the address and its personal name; nothing in it ends a line."""
    assert personal_name(["nobody@x.fr", listed], PATIENT) == name


@given(st.text(max_size=60))
def test_any_list_is_read(text: str) -> None:
    found = personal_name([f"{text} <{PATIENT.text}>"], PATIENT)
    assert len(found) <= 100
    assert len(found.splitlines()) <= 1


def test_it_has_the_three_parts_of_rfc_8098() -> None:
    """MDN-5; sent by the reader, and found again by our own reading (MDN-6)."""
    written = write_receipt(receipt(b"X-Mssgw-Id: Q.0\r\nReturn-Path: <a@b.fr>\r\nSubject: a\r\n\r\nBonjour\r\n"))
    message = message_from_bytes(written.content, policy=policy.default)
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "disposition-notification"
    assert kinds == ["text/plain", "message/disposition-notification", "message/rfc822"]
    assert b"X-Mssgw-Id" not in written.content, "what we put above the letter is nobody else's business"
    head = head_of(written.content)
    assert (head.content, head.from_, head.auto_submitted) == (Content.MDN, (PATIENT,), "auto-replied")
    assert head.mdn is not None
    assert head.mss.product == "NIL-0000-01"  # FMT-9: on every letter
    assert (head.mdn.original_message_id, head.mdn.disposition) == ("<l1@ch-test.mssante.fr>", "displayed")
    assert f"\r\nFinal-Recipient: rfc822; {PATIENT.text}\r\n".encode() in written.content


def test_a_programs_receipt_says_that_nobody_has_read_it() -> None:
    """MDN-7: processed, by an automatic action."""
    content = write_receipt(receipt(said=Disposition.PROCESSED)).content
    assert b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n" in content
    mdn = head_of(content).mdn
    assert mdn is not None
    assert (mdn.disposition, mdn.error) == ("processed", None)


def test_a_programs_receipt_is_no_read_receipt_in_its_subject_either() -> None:
    """A secretary who sees the list of her letters only would take the letter for read."""
    message = message_from_bytes(write_receipt(receipt(said=Disposition.PROCESSED)).content, policy=policy.default)
    text = next(iter(message.iter_parts())).get_content()
    assert message["Subject"] == "Accusé de traitement : essai"
    assert text.startswith("Le message que vous avez envoyé le 21 novembre à 19:04 a été intégré par l'application")
    read = message_from_bytes(write_receipt(receipt()).content, policy=policy.default)
    assert read["Subject"] == "Accusé de lecture : essai"


def test_a_long_letter_comes_back_as_its_header() -> None:
    """A receipt passes wherever letters do (SD-1)."""
    content = write_receipt(receipt(LETTER + b"x" * 70 * WHOLE_LIMIT)).content
    assert len(content) < 10_000
    assert b"text/rfc822-headers" in content


def test_a_header_in_latin_1_comes_back_readable() -> None:
    """As in a failure notice; taken for UTF-8, its accents would be lost."""
    content = write_receipt(receipt(b"Subject: R\xe9sultats\r\n\r\nBonjour\r\n")).content
    assert b"charset=iso-8859-1" in content
    assert b"R=E9sultats" in content


@given(st.text(), st.binary())
def test_nothing_in_a_letter_breaks_its_receipt(subject: str, letter: bytes) -> None:
    """Whatever it holds: three parts, one From, the right letter."""
    head = head_of(write_receipt(receipt(letter, subject=subject)).content)
    assert (head.from_fields, head.receipt_to, head.content) == (1, (), Content.MDN)
    assert head.mdn is not None
    assert head.mdn.original_message_id == "<l1@ch-test.mssante.fr>"


def head_of(content: bytes):  # type: ignore[no-untyped-def]
    scanner = Scanner()
    scanner.feed(stuffed(content))
    return scanner.finish()

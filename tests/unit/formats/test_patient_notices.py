"""The notices of a patient space of ours: Mon espace santé's words, known again by whoever receives them."""

from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import default as readable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.addresses import Address
from mssgw.core.message import AccountState, Content
from mssgw.formats.mime import Scanner
from mssgw.formats.own_parts import Written
from mssgw.formats.patient_notices import NotDelivered, write_not_delivered, write_something_waits
from mssgw.formats.wire import stuffed
from tests.canaries import MATRICULES, SUBJECTS, leaks

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
PATIENT = f"{MATRICULES[0]}@patient.mssante.fr"
ROBOT = Address.parse("mailer-daemon@patient.mssante.fr")
DOCTOR = Address.parse("dr.exemple@ch-test.mssante.fr")
ID = "<1@gw.mssgw.invalid>"


def notice(
    account: AccountState = AccountState.CLOSED,
    *,
    about: str = PATIENT,
    subject: str = SUBJECTS[1],
    original: str | None = "<lettre@ch-test.invalid>",
) -> Written:
    return write_not_delivered(
        NotDelivered(
            account=account,
            about=Address.parse(about),
            robot=ROBOT,
            to=DOCTOR,
            subject=subject,
            original_message_id=original,
            message_id=ID,
            written_at=AT,
            product="NIL-0000-01",
        )
    )


def text_of(written: Written) -> str:
    return str(BytesParser(policy=readable).parsebytes(written.content).get_content())


@pytest.mark.parametrize(
    ("account", "because"),
    [
        (AccountState.NOT_CREATED, "cette adresse Mon espace santé n'existe pas."),
        (AccountState.CLOSED, "la messagerie Mon espace santé de votre destinataire est clôturée."),
        (AccountState.BAD_ADDRESS, "cette adresse Mon espace santé est invalide."),
    ],
)
def test_the_sentence_is_mon_espace_santes_to_the_letter(account: AccountState, because: str) -> None:
    """NDR-2, NDR-3, NDR-4: and nothing else is in the text."""
    said = f"Le message que vous avez envoyé à l'adresse \"{PATIENT}\" n'a pas pu être distribué, car {because}"
    assert text_of(notice(account)).replace("\r\n", "\n") == f"{said}\n"


def test_its_header_tells_whose_notice_it_is_about_which_letter() -> None:
    """NDR-1, NDR-7; an automatic answer, to which none is due (RFC 3834)."""
    parsed = BytesParser(policy=readable).parsebytes(notice().content)
    assert parsed["from"] == "mailer-daemon@patient.mssante.fr"
    assert parsed["subject"] == f"MESSAGE NON DISTRIBUE: {SUBJECTS[1]}"
    assert parsed["in-reply-to"] == parsed["references"] == "<lettre@ch-test.invalid>"
    assert parsed["auto-submitted"] == "auto-replied"
    assert parsed["x-mss-nil"] == "NIL-0000-01"
    assert parsed["date"].datetime == AT


@given(
    account=st.sampled_from(AccountState),
    subject=st.text(max_size=600),
    about=st.sampled_from([PATIENT, "123@patient.mssante.fr", '"a b"@patient.mssante.fr', "é@patient.mssante.fr"]),
)
def test_a_gateway_knows_it_again_whatever_the_subject(account: AccountState, subject: str, about: str) -> None:
    """Ours and others' read account and thread from it; no subject adds a header field or a line that is too long."""
    written = notice(account, about=about, subject=subject)
    scanner = Scanner(hostname="gw.mssgw.invalid")
    scanner.feed(stuffed(written.content))
    head = scanner.finish()
    assert head.notice is not None
    assert head.notice.account is account
    named = about[0].isdigit()  # what readers could not take for one word is not named
    assert head.notice.about == (Address.parse(about) if named else None)
    assert head.from_ == (ROBOT,)
    assert head.thread == ("<lettre@ch-test.invalid>",)
    assert (head.content, head.auto_submitted, head.unreadable) == (Content.ORDINARY, "auto-replied", ())
    assert max(map(len, written.content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("original", [None, "<é@ailleurs>", "<" + "x" * 1000 + "@ailleurs>"])
def test_a_letter_without_a_message_id_to_cite_gets_its_notice_all_the_same(original: str | None) -> None:
    """Then subject and address link it (NDR-7)."""
    parsed = BytesParser(policy=readable).parsebytes(notice(original=original).content)
    assert parsed["in-reply-to"] is None
    assert "clôturée" in parsed.get_content()


def test_what_tells_a_patient_that_something_waits_tells_nothing_else() -> None:
    """It crosses ordinary mail: no INS, no name, no subject, no address but those of its envelope."""
    sender, to = Address.parse("ne-pas-repondre@gw.mssgw.invalid"), Address.parse("moi@fai.invalid")
    written = write_something_waits(sender=sender, to=to, message_id=ID, written_at=AT)
    parsed = BytesParser(policy=readable).parsebytes(written.content)
    assert (parsed["from"], parsed["to"]) == (sender.text, to.text)
    assert parsed["auto-submitted"] == "auto-generated"
    assert "Un nouveau message vous attend" in parsed["subject"]
    assert {name.lower() for name in parsed} == {
        *("from", "to", "subject", "date", "message-id", "auto-submitted"),
        *("mime-version", "content-type", "content-transfer-encoding"),
    }
    assert not leaks(written.content)

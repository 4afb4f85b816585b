"""A patient and a pharmacy: the ordonnance comes into its mailbox, it is told, it answers, it closes (WHO-3, SD-3)."""

from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default as readable

from tests.canaries import leaks
from tests.corpus import PATIENTS
from tests.mailbox_stories.box import until
from tests.mailbox_stories.house import COUNTER, COUNTER_INBOX, DOCTOR, NIGHT, OFFICINE, PHARMACY, House
from tests.mailbox_stories.letters import digests, document, letter, pdf, photo

AT_MOST = timedelta(seconds=5)


def test_an_ordonnance_lies_in_the_pharmacys_mailbox_as_it_left_the_patient(house: House) -> None:
    """PDF, photo and CDA, each with the SHA-256 it was sent with; unread; within five seconds of the 250."""
    sent = letter(PATIENTS[0], OFFICINE, attached=[pdf(), photo(), document(PATIENTS[0])])
    queue_id = house.accepted(sent)
    lies = house.boxes[OFFICINE].came(sent)
    assert digests(lies) == digests(sent.content)
    assert len(digests(lies)) == 3
    assert lies.endswith(sent.content), "no octet of it changed"
    assert f"X-Mssgw-Id: {queue_id}.0\r\n".encode() in lies
    assert r"\Seen" not in house.boxes[OFFICINE].flags()
    _, times = house.trace(queue_id)
    accepted, delivered = (datetime.fromisoformat(times[each]) for each in ("accepted", "delivered"))
    assert delivered - accepted <= AT_MOST


def test_whoever_reads_the_mailbox_is_told_and_nothing_of_the_patient_is(house: House) -> None:
    """By ordinary mail and by a webhook: that one letter waits, and where; no INS, no name, no subject."""
    for mailbox in (COUNTER, NIGHT):
        sent = letter(PATIENTS[0], mailbox, attached=[pdf()])
        house.accepted(sent)
        house.boxes[mailbox].came(sent)
    (notice,) = until(lambda: house.elsewhere.to(COUNTER_INBOX))
    assert until(house.hook.told) == [{"mailbox": NIGHT, "waiting": 1}]
    text = message_from_bytes(notice.content, policy=readable).get_content()
    assert f"Un nouveau message attend dans la boîte MSSanté {COUNTER}." in text
    assert not leaks(notice.content + text.encode() + b"".join(house.hook.posted))


def test_who_asks_for_it_is_told_that_his_letter_lies_in_the_mailbox(house: House) -> None:
    """No server comes after us that might say more of it (DSN-1, RFC 3464 section 2.3.3)."""
    plain = letter(PATIENTS[0], OFFICINE)
    sent = replace(plain, content=f"Return-Receipt-To: <{PATIENTS[0]}>\r\n".encode() + plain.content)
    house.accepted(sent)
    house.boxes[OFFICINE].came(sent)
    notice = message_from_bytes(house.elsewhere.came(sent.message_id).content, policy=readable)
    assert notice["Subject"].startswith("Message distribué")
    text, fields, _ = notice.iter_parts()
    assert "Votre message a été remis à :" in text.get_content()
    assert "Déposé dans la boîte aux lettres" in text.get_content()
    assert "\nAction: delivered\n" in fields.as_string()


def test_the_pharmacy_answers_and_closes_and_the_next_ordonnance_opens_again(house: House) -> None:
    """After [FIN] a reply to the closed thread is refused, and a new letter is not (SD-3)."""
    patient, box = PATIENTS[1], house.boxes[OFFICINE]
    ordonnance = letter(patient, OFFICINE, attached=[pdf()])
    house.accepted(ordonnance)
    box.came(ordonnance)
    answer = letter(OFFICINE, patient, subject="Re", answers=ordonnance)
    end = letter(OFFICINE, patient, subject="[FIN]")
    for each in (answer, end):
        house.accepted(each)
        came = house.elsewhere.came(each.message_id)
        assert (came.sender, came.to) == (OFFICINE, [patient])
    refused = house.send(letter(patient, OFFICINE, answers=answer))
    assert refused.startswith("550 5.7.1")
    assert "ecrivez un nouveau message" in refused
    renewal = letter(patient, OFFICINE, attached=[photo()])
    house.accepted(renewal)
    box.came(renewal)
    again = letter(patient, OFFICINE, answers=renewal)
    house.accepted(again)
    box.came(again)
    assert sum(patient.encode() in each for each in box.letters()) == 3, "what was refused is not there"


def test_the_same_patient_may_not_write_to_a_doctor_first(house: House) -> None:
    """Nor to a pharmacist's own mailbox: 550 before a single octet of the letter (WHO-3)."""
    for doctor in (DOCTOR, f"pharmacien@{PHARMACY}"):
        answer = house.send(letter(PATIENTS[0], doctor, attached=[pdf()]))
        assert answer.startswith("550 5.7.1"), answer
        assert answer.endswith("at RCPT")

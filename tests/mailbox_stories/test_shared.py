"""A ward's shared mailbox: several people, one address, one exchange with each patient (BAL-3, SD-6, WHO-2)."""

from tests.corpus import PATIENTS
from tests.mailbox_stories.box import until
from tests.mailbox_stories.house import DOCTOR, NURSES, WARD, House
from tests.mailbox_stories.letters import Letter, letter


def opened(house: House, patient: str) -> Letter:
    """The first nurse has written to the patient."""
    first = letter(WARD, patient)
    house.accepted(first, login=NURSES[0])
    return first


def test_one_of_several_answers_and_the_journal_knows_who(house: House) -> None:
    """The patient's letter is there once, for all; who has read it is seen by all; the other nurse answers."""
    patient, box = PATIENTS[2], house.boxes[WARD]
    first = opened(house, patient)
    asks = letter(patient, WARD, answers=first)
    house.accepted(asks)
    box.came(asks)
    with house.server.client(box.account) as agathe, house.server.client(box.account) as benoit:
        for client in (agathe, benoit):
            assert client.select("INBOX")[1] == [b"1"]
        agathe.store("1", "+FLAGS", r"(\Seen)")
        assert until(lambda: benoit.noop() and rb"\Seen" in benoit.fetch("1", "(FLAGS)")[1][0])
    answer = letter(WARD, patient, answers=asks)
    house.accepted(answer, login=NURSES[1])
    assert house.elsewhere.came(answer.message_id).to == [patient]
    for sent, nurse in ((first, NURSES[0]), (answer, NURSES[1])):
        lines, _ = house.trace(sent.message_id)
        assert [line["person"] for line in lines if line["event"] == "accepted"] == [nurse]


def test_the_exchange_is_the_wards_not_that_of_one_of_them(house: House) -> None:
    """What one opens, another closes; the doctor of the ward has one of his own, which that does not touch."""
    patient = PATIENTS[3]
    opened(house, patient)
    house.accepted(letter(DOCTOR, patient))
    house.accepted(letter(WARD, patient, subject="[FIN]"), login=NURSES[1])
    assert house.send(letter(patient, WARD)).startswith("550 5.7.1 Echange clos")
    to_doctor = letter(patient, DOCTOR)
    house.accepted(to_doctor)
    house.boxes[DOCTOR].came(to_doctor)
    states = {line["bal"]: line["state"] for line in house.lines("conversation", "list", "--patient", patient)}
    assert states == {WARD: "closed", DOCTOR: "open"}
    opened(house, patient)
    again = letter(patient, WARD)
    house.accepted(again)
    house.boxes[WARD].came(again)

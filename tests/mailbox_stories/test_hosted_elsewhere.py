"""BALs that another operator hosts: what comes there is fetched, and goes the way of all letters."""

from email import message_from_bytes

from tests.canaries import leaks
from tests.clinical_letters import HARMFUL
from tests.collecting import DONE
from tests.corpus import PATIENTS
from tests.mailbox_stories.box import until
from tests.mailbox_stories.house import HOSTED, House
from tests.mailbox_stories.letters import digests, document, letter, pdf, photo
from tests.peers.mail_store import HOST

REFUSED = "Refus passerelle"


def test_what_a_patient_sends_there_is_announced_by_idle_and_comes_into_our_mailbox(house: House) -> None:
    """Judged, kept, delivered, then moved; the journal says by whom it was fetched and from where."""
    there, here = house.hosted["ville"], house.boxes[HOSTED["ville"]]
    sent = letter(PATIENTS[0], "officine@operateur.mssante.fr", attached=[pdf(), photo(), document(PATIENTS[0])])
    there.put(sent)
    lies = here.came(sent)
    assert digests(lies) == digests(sent.content)
    assert len(digests(lies)) == 3
    assert there.came(sent, DONE) == sent.collected
    assert there.letters() == []
    lines, times = house.trace(sent.message_id)
    (accepted,) = [line for line in lines if line["event"] == "accepted"]
    assert (accepted["client"], accepted["peer"]) == ("ville", HOST)
    assert times["delivered"]


def test_a_harmful_document_lies_aside_there_with_the_reason(house: House) -> None:
    """Nothing is deleted and nobody loses it; the note names the rule and nobody."""
    there, here = house.hosted["ville"], house.boxes[HOSTED["ville"]]
    sent = letter(PATIENTS[0], "officine@operateur.mssante.fr", attached=[document(PATIENTS[0], edit=HARMFUL)])
    there.put(sent)
    note, kept = until(lambda: len(found := there.letters(REFUSED)) == 2 and found)
    assert kept == sent.collected
    said = message_from_bytes(note).get_payload(decode=True)
    assert b"Motif : 554 5.6.0 Document refuse" in said
    assert not leaks(note)
    assert not any(sent.message_id.encode() in each for each in here.letters())


def test_where_answers_do_not_pass_through_us_exchanges_are_only_observed(house: House) -> None:
    """A patient writes first to a ward: we cannot know whether it wrote to him (would-refuse)."""
    sent = letter(PATIENTS[0], "reeducation@operateur.mssante.fr")
    house.hosted["observed"].put(sent)
    house.boxes[HOSTED["observed"]].came(sent)
    lines, _ = house.trace(sent.message_id)
    (accepted,) = [line for line in lines if line["event"] == "accepted"]
    assert "would-refuse" in str(accepted)


def test_where_they_do_the_rules_hold_and_a_letter_may_be_put_back(house: House) -> None:
    """Refused until the ward has written to the patient; then the very letter is taken."""
    there, here = house.hosted["enforced"], house.boxes[HOSTED["enforced"]]
    sent = letter(PATIENTS[0], "urgences@operateur.mssante.fr")
    there.put(sent)
    note, _ = until(lambda: len(found := there.letters(REFUSED)) == 2 and found)
    assert b"Motif : 550 5.7.1 Seul un professionnel peut ouvrir un echange" in note
    house.accepted(letter(HOSTED["enforced"], PATIENTS[0]))
    there.move("INBOX", out_of=REFUSED, which="2")
    here.came(sent)

"""Scenes with mailboxes in a real IMAP store: a pharmacy's, and that of a program which confirms what it takes in."""

import time

from demo import mail, people
from demo.acting import ARRIVAL, Acting

_PROCESSED = b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n"


async def pharmacy(play: Acting) -> None:
    """A patient writes first; the letter is put into the pharmacy's mailbox, it is told so, and it answers."""
    ordonnance = mail.ordonnance(people.PHARMACY)
    bal, what = play.stage.officine, "a patient writes first to a pharmacy, with a PDF: an ordonnance"
    await play.arrives(play.mes, bal, ordonnance, what)
    told = await play.pharmacy.such(lambda letter: letter.recipients == (people.COUNTER,), ARRIVAL)
    content = told.content.lower() if told is not None else b""
    named = [word for word in people.PERSONAL if word != "officine@" and word.encode() in content]
    if told is not None:
        play.expected_arrivals.add(told.message_id)
    said = f"the pharmacy is told at <{people.COUNTER}>" if told is not None else "nobody was told"
    play.timeline.check(told is not None and not named, said, "that something waits, and nothing of the patient")
    answer = mail.answer_of_pharmacy(ordonnance)
    await play.arrives(play.pharmacy, play.mes, answer, "the pharmacy answers")


async def program(play: Acting) -> None:
    """A program's receipt: when it has taken the letter in, and never on delivery (MDN-7)."""
    order, bal = mail.order(), play.stage.laboratory
    what = "a doctor writes to the laboratory's program and asks to be told when it has taken that in"
    await play.arrives(play.hospital, bal, order, what)
    early = [letter for letter in play.hospital.letters if _PROCESSED in letter.content]
    play.timeline.check(not early, "no receipt yet", "delivered is not taken in")
    play.timeline.scene("Laboratory's program", bal.name, f"has taken it in, and moves it to {people.TAKEN}")
    began = time.monotonic()
    await bal.move_all(people.TAKEN)
    receipt = await play.hospital.such(lambda letter: _PROCESSED in letter.content, 2 * ARRIVAL)
    if receipt is not None:
        play.expected_arrivals.add(receipt.message_id)
    came = f"the receipt is at {play.hospital.name} {time.monotonic() - began:.2f} s later: processed"
    told = came if receipt is not None else "no receipt came"
    play.timeline.check(receipt is not None and receipt.sender == "", told, "from <>, once the program confirms")

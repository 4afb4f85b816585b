"""Was it read? What a program confirms, and when; what the trace tells; what nobody has read for a week (MDN-7)."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

from tests.corpus import PATIENTS
from tests.mailbox_stories.box import until
from tests.mailbox_stories.house import DOCTOR, KEYWORD, LAB, RECORDS, TAKEN, House
from tests.mailbox_stories.letters import Letter, letter, opened, pdf

PROCESSED = b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n"


def receipts(house: House, of: Letter) -> list[bytes]:
    """What came into the doctor's mailbox about that letter."""
    mark = f"Original-Message-ID: {of.message_id}\r\n".encode()
    return [each for each in house.boxes[DOCTOR].letters() if mark in each]


def test_a_program_confirms_by_moving_the_letter_and_never_before(house: House) -> None:
    """One receipt, however often it is moved; the trace tells when it was accepted, delivered, read."""
    box = house.boxes[LAB]
    sent = letter(DOCTOR, LAB, receipt=True, attached=[pdf()])
    queue_id = house.accepted(sent)
    box.came(sent)
    box.flag(r"\Seen")  # somebody has looked, no program has taken it
    assert receipts(house, sent) == []
    box.move(TAKEN)
    (receipt,) = until(lambda: receipts(house, sent))
    assert PROCESSED in receipt
    box.move("INBOX", out_of=TAKEN)
    box.move(TAKEN)
    another = letter(DOCTOR, LAB, receipt=True)
    house.accepted(another)
    box.came(another)
    box.move(TAKEN)
    until(lambda: receipts(house, another))  # by then the folder was looked at again
    assert len(receipts(house, sent)) == 1
    _, summary = house.trace(queue_id)
    times = [datetime.fromisoformat(summary[each]) for each in ("accepted", "delivered", "receipt_at")]
    assert times == sorted(times)
    assert summary["receipt"] == "processed"


def test_or_by_a_keyword_where_the_store_keeps_them(house: House) -> None:
    """pymap does not: an alarm says that no receipt will go out."""
    box = house.boxes[RECORDS]
    sent = letter(DOCTOR, RECORDS, receipt=True)
    house.accepted(sent)
    box.came(sent)
    if house.server.name == "pymap":
        until(lambda: '"receipts.no_keywords"' in house.gateway.log())
        return
    assert receipts(house, sent) == []
    box.flag(KEYWORD)
    (receipt,) = until(lambda: receipts(house, sent))
    assert PROCESSED in receipt


def test_a_letter_that_nobody_has_read_for_a_week_is_reported_until_it_is(house: House) -> None:
    """Asked to be acknowledged, and delivered: `mssgw report unread --older 7d` lists it."""
    sent = letter(DOCTOR, PATIENTS[4], receipt=True)
    queue_id = house.accepted(sent)
    house.elsewhere.came(sent.message_id)
    assert queue_id not in unread(house)
    a_week_passes(house)
    assert queue_id in unread(house)
    house.accepted(opened(sent))
    assert queue_id not in unread(house)
    _, summary = house.trace(queue_id)
    assert (summary["receipt"], bool(summary["read"])) == ("displayed", True)


def unread(house: House) -> list[str]:
    """Queue ids of what nobody has read for a week."""
    return [line["id"] for line in house.lines("report", "unread", "--older", "7d")]


def a_week_passes(house: House) -> None:
    """For the letters that were sent so far: no clock of a process can be set."""
    with closing(sqlite3.connect(house.gateway.state_dir / "mssgw.db", timeout=20)) as database, database:
        micros = timedelta(days=8) // timedelta(microseconds=1)
        database.execute("UPDATE letters SET seen_at = seen_at - ?", (micros,))

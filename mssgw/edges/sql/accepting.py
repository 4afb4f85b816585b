"""What one Acceptance writes: the steps of its unit, and how a receipt or notice finds the letter it answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from mssgw.core.conversation import TRANSITIONS, Event, Move, Pair, State
from mssgw.core.errors import Gone
from mssgw.core.journal import Entry, JournalEvent
from mssgw.edges.codec import micros
from mssgw.edges.linking import disposition_code
from mssgw.edges.spool_disk import SEGMENT
from mssgw.edges.sql.pseudonyms import digests
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.statements import Statements
from mssgw.edges.sql.tables import body_segments, conversations, letters
from mssgw.edges.sql.units import Step, Unit
from mssgw.ports import Acceptance, AlreadyCollected, Body, Conflict, NoticeSeen, ReceiptSeen

# Events that are legal in every state, with the one state they lead to: an upsert needs not know the present one.
# The others (a patient's letter on an open pair) change nothing, and must still be legal at the commit.
UNCONDITIONAL: dict[Event, State] = {
    event: TRANSITIONS[State.ABSENT, event]
    for event in Event
    if len({TRANSITIONS.get((state, event)) for state in State}) == 1
}


class Accepting:
    """Turns acceptances and moves into steps."""

    def __init__(self, statements: Statements, records: Records, *, keeps_bodies: bool) -> None:
        self._keeps_bodies = keeps_bodies
        self._do = statements
        self._records = records

    def unit(self, acceptance: Acceptance) -> Unit[None]:
        """Everything of one 250, in one unit."""
        do, records = self._do, self._records
        at = micros(acceptance.facts.taken_at)
        steps = [
            Step(do.message, records.message(acceptance)),
            Step(do.data_key, records.data_key(acceptance.body)),
        ]
        steps += [Step(do.delivery, records.delivery(each, acceptance)) for each in acceptance.deliveries]
        steps += [
            Step(do.letter, records.letter(letter, acceptance.body.spool_id, at)) for letter in acceptance.letters
        ]
        steps += self.moves(acceptance.moves, at)
        steps += self.closings([letter.pair for letter in acceptance.letters if letter.closes])
        steps += self.entries(acceptance.entries)
        if acceptance.collected is not None:
            steps.append(Step(do.collected, records.collected(acceptance.collected, at), AlreadyCollected()))
        wakes = acceptance.lease is None
        conditional = tuple(move for move in acceptance.moves if move.event not in UNCONDITIONAL)
        linked = acceptance.receipt is not None or acceptance.notice is not None
        if not (conditional or linked or self._rests_here(acceptance)):
            return Unit(steps, wakes=wakes)
        return Unit(steps, lambda connection: self._link(connection, acceptance, conditional), wakes)

    def _rests_here(self, acceptance: Acceptance) -> bool:
        return self._keeps_bodies and acceptance.body.inline is None

    def entries(self, entries: tuple[Entry, ...]) -> list[Step]:
        return [Step(self._do.journal, self._records.entry(entry)) for entry in entries]

    def moves(self, moves: tuple[Move, ...], at: int) -> list[Step]:
        """Idempotent upserts; a professional's FIN also closes the threads of the pair (SD-3)."""
        steps = [
            Step(self._do.move, self._records.conversation(move.pair, UNCONDITIONAL[move.event], at))
            for move in moves
            if move.event in UNCONDITIONAL
        ]
        return steps + self.closings([move.pair for move in moves if move.event is Event.PROFESSIONAL_CLOSED])

    def closings(self, pairs: list[Pair]) -> list[Step]:
        return [Step(self._do.close_letters, self._records.closing(pair)) for pair in pairs]

    def _link(self, connection: Connection, acceptance: Acceptance, conditional: tuple[Move, ...]) -> None:
        self.require_legal(connection, conditional)
        if self._rests_here(acceptance):
            self._require_body(connection, acceptance.body)
        self.link(connection, acceptance.receipt, acceptance.notice, acceptance.facts.taken_at)

    def link(
        self, connection: Connection, receipt: ReceiptSeen | None, notice: NoticeSeen | None, at: datetime
    ) -> None:
        """Count a receipt, heed a notice. Raises Conflict, see ports.Store.accept."""
        if receipt is not None:
            self._receipt(connection, receipt, at)
        if notice is not None:
            self._notice(connection, notice, at)

    def require_legal(self, connection: Connection, moves: Sequence[Move]) -> None:  # req: WHO-2, FIN-7
        """A [FIN] may have been committed while this letter was judged: raises Conflict. Where another node commits
        one, wait for it."""
        for move in moves:
            if move.event in UNCONDITIONAL:
                continue
            pair = conversations.c.pair == self._records.pair(move.pair)
            state = connection.execute(select(conversations.c.state).where(pair).with_for_update(read=True)).scalar()
            if (State(state or State.ABSENT), move.event) not in TRANSITIONS:
                raise Conflict("the conversation was closed meanwhile")

    def _require_body(self, connection: Connection, body: Body) -> None:
        """A failover may have lost what a server that is gone had called durable: better no 250 than no letter.

        What is there stays until the commit has ended: while it is in doubt the body looks like garbage.
        """
        segments = select(body_segments.c.number).where(body_segments.c.spool_id == body.spool_id)
        there = segments.with_for_update(read=True, key_share=True)
        if len(connection.execute(there).all()) != -(-body.wire_size // SEGMENT):
            raise Gone("the body of the letter is not in the database any more")

    def _receipt(self, connection: Connection, receipt: ReceiptSeen, at: datetime) -> None:
        """Count the receipt, once a letter and patient (SD-4). A letter forgotten meanwhile is no conflict."""
        cited = (
            letters.c.message_id == self._records.message_id(receipt.original_message_id),
            letters.c.patient == self._records.address(receipt.patient),
        )
        told = {self._records.address(each) for each in receipt.told}
        asked = select(letters.c.spool_id, letters.c.receipt_at, letters.c.receipt_to).where(*cited)
        rows = connection.execute(asked.order_by(letters.c.id.desc())).all()
        seen = [row for row in rows if not told or not told.isdisjoint(digests(row.receipt_to))]
        open_ = [row for row in seen if row.receipt_at is None]
        if not seen:
            return
        these = (*cited, letters.c.receipt_to.in_({row.receipt_to for row in open_}), letters.c.receipt_at.is_(None))
        counted = update(letters).where(*these).values(receipt_at=micros(at))
        if not open_ or connection.execute(counted).rowcount == 0:  # 0: another node counted it just now
            raise Conflict("the receipt was already counted")
        self._journal(
            connection,
            Entry(
                at=at,
                event=JournalEvent.READ,
                spool_id=open_[0].spool_id,
                message_id=receipt.original_message_id,
                recipient=receipt.patient,
                detail=disposition_code(receipt.disposition),
            ),
        )

    def _notice(self, connection: Connection, notice: NoticeSeen, at: datetime) -> None:
        """Link by thread, else by subject and patient (NDR-7), and remember what it says of the account."""
        letter = self._answered(connection, notice)
        patient = self._records.address(notice.patient) if notice.patient else letter and letter.patient
        if patient:
            self._do.account.run(connection, [(patient, notice.account.value, micros(at))])
        if letter is not None:
            self._journal(
                connection,
                Entry(
                    at=at,
                    event=JournalEvent.ACCOUNT,
                    spool_id=letter.spool_id,
                    recipient=notice.patient,
                    detail=notice.account.value,
                ),
            )

    def _answered(self, connection: Connection, notice: NoticeSeen) -> Any:
        """The latest letter that the notice can be about, or None."""
        of_patient = [letters.c.patient == self._records.address(notice.patient)] if notice.patient else []
        latest = select(letters.c.spool_id, letters.c.patient).order_by(letters.c.id.desc()).limit(1)
        found = None
        if notice.thread:
            cited = [self._records.message_id(each) for each in notice.thread]
            found = connection.execute(latest.where(letters.c.message_id.in_(cited), *of_patient)).first()
        subject = self._records.subject(notice.subject)
        if found is None and of_patient and subject is not None:
            found = connection.execute(latest.where(letters.c.subject == subject, *of_patient)).first()
        return found

    def _journal(self, connection: Connection, entry: Entry) -> None:
        self._do.journal.run(connection, [self._records.entry(entry)])

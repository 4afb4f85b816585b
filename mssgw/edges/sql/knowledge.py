"""What is known of pairs, for many letters by one look-up."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from mssgw.core.bal import BalKind
from mssgw.core.conversation import Conversation, Pair, State, answers_what_was_closed
from mssgw.core.directory import NOTHING, Listing, Word
from mssgw.core.message import AccountState
from mssgw.edges.codec import moment
from mssgw.edges.sql.lookups import Lookup, Lookups
from mssgw.edges.sql.pseudonyms import digests
from mssgw.edges.sql.records import Records
from mssgw.edges.sql.tables import (
    accounts,
    blocks,
    conversations,
    directory_editions,
    directory_mailboxes,
    directory_overrides,
    letters,
)
from mssgw.ports import Known, Question

_ABOUT_PAIRS = Lookups(
    Lookup(conversations.c.pair, conversations.c.state, conversations.c.since, key=conversations.c.pair),
    Lookup(blocks.c.patient, blocks.c.bal, key=blocks.c.patient),
    Lookup(accounts.c.patient, accounts.c.state, key=accounts.c.patient),
)
_LETTERS = Lookup(
    letters.c.message_id,
    letters.c.pair,
    letters.c.patient,
    letters.c.closed,
    letters.c.receipt_to,
    letters.c.receipt_at,
    key=letters.c.message_id,
)
IN_FORCE = "in-force"
_EDITION = Lookup(directory_editions.c.generation, directory_editions.c.made_at, key=directory_editions.c.standing)
_MAILBOXES = Lookup(
    *(directory_mailboxes.c[name] for name in ("mailbox", "kind", "pharmacy")),
    key=directory_mailboxes.c.mailbox,
    of=directory_mailboxes.c.generation,
)
_OVERRIDES = Lookup(*directory_overrides.c, key=directory_overrides.c.mailbox)


def know(connection: Connection, records: Records, questions: Sequence[Question]) -> list[list[Known]]:
    """The answers, in the order asked; one list a question, one Known a pair."""
    pairs = {pair for question in questions for pair in question.pairs}
    patients = {records.address(pair.patient) for pair in pairs}
    cited = {records.message_id(cited) for question in questions for cited in _cited(question)}
    about = _ABOUT_PAIRS.rows(connection, {records.pair(pair) for pair in pairs}, patients, patients)
    table = _Table(
        records,
        about,
        letters=_LETTERS.rows(connection, cited),
        words=_words(
            connection, {pair.bal.key for question in questions if question.directory for pair in question.pairs}
        ),
    )
    return [[table.known(question, pair) for pair in question.pairs] for question in questions]


def _words(connection: Connection, mailboxes: set[str]) -> dict[str, Word]:
    """What is said of these mailboxes: by hand, else in the edition in force."""
    if not mailboxes:
        return {}
    listings: dict[str, Listing] = {}
    made_at = None
    for edition in _EDITION.rows(connection, [IN_FORCE]):
        made_at = moment(edition.made_at)
        rows = _MAILBOXES.rows(connection, mailboxes, edition.generation)
        listings |= {row.mailbox: _listing(row, by_hand=False) for row in rows}
    listings |= {row.mailbox: _listing(row, by_hand=True) for row in _OVERRIDES.rows(connection, mailboxes)}
    return {mailbox: Word(listing=listings.get(mailbox), made_at=made_at) for mailbox in mailboxes}


def _listing(row: Any, *, by_hand: bool) -> Listing:
    return Listing(mailbox=row.mailbox, kind=BalKind(row.kind), pharmacy=bool(row.pharmacy), by_hand=by_hand)


def _cited(question: Question) -> Iterable[str]:
    yield from question.thread
    if question.receipt_for:
        yield question.receipt_for


class _Table:
    """The rows of one look-up, by key. ``about``: those of _ABOUT_PAIRS."""

    def __init__(
        self,
        records: Records,
        about: Sequence[list[Any]],
        *,
        letters: list[Any],
        words: dict[str, Word],
    ) -> None:
        self._records, self._words = records, words
        of_pairs, opposed, of_patients = about
        self._conversations = {row.pair: row for row in of_pairs}
        self._blocks = {(row.patient, row.bal) for row in opposed}
        self._accounts = {row.patient: AccountState(row.state) for row in of_patients}
        self._letters: dict[bytes, list[Any]] = {}
        for row in letters:
            self._letters.setdefault(row.message_id, []).append(row)

    def known(self, question: Question, pair: Pair) -> Known:
        patient = self._records.address(pair.patient)
        conversation = self._conversation(pair, patient)
        return Known(
            conversation=conversation,
            in_closed_thread=answers_what_was_closed(conversation.state, self._cited_of(question, pair)),
            receipt_due=self._receipt_due(question, patient, self._records.address(pair.bal)),
            account=self._accounts.get(patient),
            word=self._words.get(pair.bal.key, NOTHING) if question.directory else None,
        )

    def _conversation(self, pair: Pair, patient: bytes) -> Conversation:
        blocked = bool({(patient, b""), (patient, self._records.address(pair.bal))} & self._blocks)  # req: SD-12
        row = self._conversations.get(self._records.pair(pair))
        if row is None:
            return Conversation(blocked=blocked)
        return Conversation(state=State(row.state), since=moment(row.since), blocked=blocked)

    def _cited_of(self, question: Question, pair: Pair) -> list[bool]:  # req: SD-3
        """Of each letter of the pair in the thread, whether a FIN closed it."""
        mine = self._records.pair(pair)
        return [bool(row.closed) for cited in question.thread for row in self._citing(cited) if row.pair == mine]

    def _receipt_due(self, question: Question, patient: bytes, bal: bytes) -> bool:  # req: SD-4
        """By patient, not by pair: a service may ask to be told of a letter that another mailbox sent (SD-13)."""
        return question.receipt_for is not None and any(
            row.patient == patient and row.receipt_at is None and bal in digests(row.receipt_to)
            for row in self._citing(question.receipt_for)
        )

    def _citing(self, message_id: str) -> list[Any]:
        return self._letters.get(self._records.message_id(message_id), [])

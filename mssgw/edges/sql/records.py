"""Core values to rows and back: what is sealed, what is hashed (pseudonyms.py), what stays in clear."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.delivery import Delivery
from mssgw.core.delivery import State as DeliveryState
from mssgw.core.envelope import Envelope
from mssgw.core.errors import Undecryptable
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.notifying import Notification
from mssgw.core.replies import Reply
from mssgw.core.unopened import Unopened
from mssgw.core.verdict import Finding, Verdict
from mssgw.edges.codec import Codec, dumps, micros, moment
from mssgw.edges.sql.pseudonyms import Pseudonyms
from mssgw.edges.sql.rows import Row
from mssgw.edges.vault import MessageCipher
from mssgw.ports import Acceptance, Body, Collected, Letter, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What a journal line holds sealed."""

    message_id: str | None = None
    sender: Address | None = None
    recipient: Address | None = None
    person: str | None = None
    reply_text: str = ""
    findings: tuple[Finding, ...] = ()


_FACTS, _VERDICT, _ENVELOPE = Codec(Facts), Codec(Verdict), Codec(Envelope)
_HIDDEN = Codec(Hidden)
_UNREADABLE = (Undecryptable, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)

_EVENTS = frozenset(event.value for event in JournalEvent)
_FAR = 2**53  # microseconds: the year 2255


class Records(Pseudonyms):
    """Builds and reads rows with the keys of one vault."""

    # Rows to write, in the order of the tables' columns

    def message(self, acceptance: Acceptance) -> Row:
        body, cipher = acceptance.body, MessageCipher(acceptance.body.key, acceptance.body.spool_id)
        letter = dumps([_FACTS.to_plain(acceptance.facts), _VERDICT.to_plain(acceptance.verdict)])
        inline = None if body.inline is None else cipher.seal(b"body", body.inline)
        created_at = micros(acceptance.facts.taken_at)
        return body.spool_id, created_at, body.size, body.wire_size, cipher.seal(b"letter", letter), inline

    def data_key(self, body: Body) -> Row:
        return body.spool_id, self.vault.wrap(body.key, body.spool_id)

    def delivery(self, delivery: Delivery, acceptance: Acceptance) -> Row:
        lease = acceptance.lease if delivery.state is DeliveryState.QUEUED else None
        return (
            delivery.spool_id,
            delivery.number,
            delivery.domain,
            delivery.state.value,
            micros(delivery.created_at),
            micros(delivery.due_at),
            delivery.attempts,
            int(delivery.warned),
            lease.token if lease else None,
            micros(lease.until) if lease else None,
            self.sealed_reply(delivery.last_reply),
            acceptance.holding_rule if delivery.state is DeliveryState.HELD else "",
        )

    def settled(self, after: Delivery, token: str) -> Row:
        state, due_at = after.state.value, micros(after.due_at)
        reply = self.sealed_reply(after.last_reply)
        return after.spool_id, after.number, token, state, due_at, after.attempts, int(after.warned), reply

    def letter(self, letter: Letter, spool_id: str, seen_at: int) -> Row:
        return (
            self.pair(letter.pair),
            self.address(letter.pair.patient),
            self.message_id(letter.message_id) if letter.message_id else None,
            self.subject(letter.subject),
            b"".join(self.vault.digest("address", key) for key in letter.receipt_to),
            spool_id,
            seen_at,
            0,  # a FIN closes in a second statement, together with what came before it
            None,
        )

    def conversation(self, pair: Pair, state: State, since: int) -> Row:
        return (
            self.pair(pair),
            self.address(pair.patient),
            self.address(pair.bal),
            self.sealed_address(pair.patient),
            self.sealed_address(pair.bal),
            state.value,
            since,
        )

    def notification(self, due: Notification) -> Row:
        mailbox, sealed = self.address(due.mailbox), self.sealed_address(due.mailbox)
        return mailbox, sealed, due.waiting, micros(due.since), micros(due.since), due.attempts

    def unopened(self, letter: Unopened) -> Row:
        place = letter.place or (None, None)
        return letter.spool_id, letter.number, self.matricule(letter.patient), micros(letter.delivered_at), *place

    def collected(self, message: Collected, seen_at: int) -> Row:
        where = (self.place(message.where), message.uid_validity, message.uid)
        message_id = self.message_id(message.message_id) if message.message_id else None
        return *where, message_id, self.content(message), seen_at

    def closing(self, pair: Pair) -> Row:
        return self.address(pair.patient), self.pair(pair)

    def entry(self, entry: Entry) -> Row:
        reply = entry.reply
        hidden = _HIDDEN.to_plain(
            Hidden(
                message_id=entry.message_id,
                sender=entry.sender,
                recipient=entry.recipient,
                person=entry.person,
                reply_text=reply.text if reply else "",  # a peer may repeat the address in it
                findings=entry.findings,
            )
        )
        return (
            micros(entry.at),
            entry.event.value,
            entry.spool_id,
            self.message_id(entry.message_id) if entry.message_id else None,
            self.address(entry.sender) if entry.sender else None,
            self.address(entry.recipient) if entry.recipient else None,
            entry.client,
            entry.peer,
            entry.operator,
            entry.size,
            reply.code if reply else None,
            reply.status if reply else "",
            entry.next_hop,
            entry.detail,
            " ".join(finding.rule for finding in entry.findings),
            self.vault.seal("journal", dumps(hidden).decode(errors="surrogatepass")) if hidden else None,
        )

    # Rows that were read

    def read_entry(self, row: Any) -> Entry:
        """A journal line; of a damaged one, what is in clear."""
        hidden = Hidden()
        if row.sealed is not None:
            with contextlib.suppress(*_UNREADABLE):
                plain = self.vault.unseal("journal", row.sealed)
                hidden = _HIDDEN.decode(plain.encode(errors="surrogatepass"))
        reply = None
        if row.reply_code is not None:
            reply = Reply(row.reply_code, row.reply_status, hidden.reply_text)
        return Entry(
            at=moment(row.at),
            event=JournalEvent(row.event) if row.event in _EVENTS else JournalEvent.UNKNOWN,
            spool_id=row.spool_id,
            message_id=hidden.message_id,
            sender=hidden.sender,
            recipient=hidden.recipient,
            client=row.client,
            peer=row.peer,
            person=hidden.person,
            operator=row.operator,
            size=row.size,
            reply=reply,
            next_hop=row.next_hop,
            detail=row.detail,
            findings=hidden.findings,
        )

    def journal_domains(self, sealed: bytes | None) -> tuple[str, str]:
        """The domains of a journal line's sender and recipient; "" where there is none, or none that can be read."""
        try:
            plain = json.loads(self.vault.unseal("journal", sealed)) if sealed is not None else {}
            return tuple(str(plain[name][2]) if name in plain else "" for name in ("sender", "recipient"))  # type: ignore[return-value]
        except _UNREADABLE:
            return "", ""

    def read_envelope(self, spool_id: str, wrapped: bytes | None, sealed: bytes) -> Envelope:
        """The envelope alone, for a claim. Raises Undecryptable."""
        try:
            cipher = MessageCipher(self._data_key(spool_id, wrapped), spool_id)
            facts_plain, _ = json.loads(cipher.unseal(b"letter", sealed))
            envelope: Envelope = _ENVELOPE.from_plain(facts_plain["envelope"])
        except _UNREADABLE:
            raise Undecryptable("the envelope of a stored message cannot be read") from None
        return envelope

    def read_delivery(self, row: Any, envelope: Envelope) -> Delivery:
        """Raises Undecryptable."""
        try:
            return Delivery(
                spool_id=row.spool_id,
                number=row.number,
                forward_path=envelope.forward_paths[row.number],
                domain=row.domain,
                created_at=moment(row.created_at),
                due_at=moment(row.due_at),
                state=DeliveryState(row.state),
                attempts=row.attempts,
                warned=bool(row.warned),
                last_reply=self.unsealed_reply(row.last_reply),
            )
        except _UNREADABLE:
            raise Undecryptable("a stored delivery cannot be read") from None

    def read_damaged(self, row: Any, envelope: Envelope) -> Delivery:
        """What an operator can be shown of a delivery that read_delivery() refuses: a time that is none is 1970."""
        created_at, due_at = (at if isinstance(at, int) else 0 for at in (row.created_at, row.due_at))
        return Delivery(
            spool_id=row.spool_id,
            number=row.number,
            forward_path=envelope.forward_paths[0],
            domain=row.domain,
            created_at=moment(created_at if created_at < _FAR else 0),
            due_at=moment(due_at if due_at < _FAR else 0),
            state=DeliveryState(row.state),
        )

    def read_message(self, row: Any) -> Stored:
        """Raises Undecryptable."""
        try:
            key = self._data_key(row.spool_id, row.wrapped)
            cipher = MessageCipher(key, row.spool_id)
            facts_plain, verdict_plain = json.loads(cipher.unseal(b"letter", row.sealed))
            facts: Facts = _FACTS.from_plain(facts_plain)
            inline = None if row.inline is None else cipher.unseal(b"body", row.inline)
            body = Body(spool_id=row.spool_id, key=key, size=row.size, wire_size=row.wire_size, inline=inline)
            verdict: Verdict = _VERDICT.from_plain(verdict_plain)
            return Stored(
                spool_id=row.spool_id,
                envelope=facts.envelope,
                facts=facts,
                verdict=verdict,
                body=body,
                accepted_at=moment(row.created_at),
            )
        except _UNREADABLE:
            raise Undecryptable("a stored message cannot be read") from None

    def _data_key(self, spool_id: str, wrapped: bytes | None) -> bytes:
        if wrapped is None:
            raise Undecryptable("the data key of the message is missing")
        return self.vault.unwrap(wrapped, spool_id)

"""What one acceptance or refusal leaves behind: deliveries, letters to remember, journal lines. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.closing import ON_SEND
from mssgw.core.conversation import Event, Pair
from mssgw.core.conversation import State as PairState
from mssgw.core.delivery import Delivery, State
from mssgw.core.envelope import Envelope, Notify
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.message import MessageHead
from mssgw.core.replies import Reply
from mssgw.core.rules.documents import is_about_documents
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, strictest
from mssgw.formats.headers import comparable
from mssgw.ports import Letter, NoticeSeen, ReceiptSeen


def deliveries(spool_id: str, facts: Facts, verdict: Admit | Hold, now: datetime) -> tuple[Delivery, ...]:
    """One for each forward-path, due now, or held."""
    state = State.QUEUED if isinstance(verdict, Admit) else State.HELD
    return tuple(
        Delivery(
            spool_id=spool_id,
            number=number,
            forward_path=path,
            domain=path.address.domain,
            created_at=now,
            due_at=now,
            state=state,
        )
        for number, path in enumerate(facts.envelope.forward_paths)
    )


def with_receipt_translated(envelope: Envelope, head: MessageHead) -> Envelope:  # req: DSN-1
    """Return-Receipt-To asks in an old way for what NOTIFY=SUCCESS asks; an explicit NOTIFY is never overruled."""
    if not head.return_receipt_to or envelope.reverse_path is None:
        return envelope
    asked = frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY})
    paths = tuple(path if path.notify is not None else replace(path, notify=asked) for path in envelope.forward_paths)
    return replace(envelope, forward_paths=paths)


def letters(facts: Facts) -> tuple[Letter, ...]:
    """The letter as each pair remembers it, for replies (SD-3), receipts (SD-4) and notices (NDR-7)."""
    head = facts.head
    assert head is not None
    from_professional = facts.sender_party is Party.PROFESSIONAL
    return tuple(
        Letter(
            pair=pair,
            message_id=comparable(head.message_id) if head.message_id else None,
            subject=head.subject,
            receipt_to=tuple(address.key for address in head.receipt_to) if from_professional else (),
            closes=from_professional and head.closes,
        )
        for pair in _pairs(facts, head)
    )


def _pairs(facts: Facts, head: MessageHead) -> Sequence[Pair]:
    """The pairs on which a letter is remembered: each exchange's, who signs, and a Reply-To that counts (SD-8)."""
    pairs = [exchange.pair for exchange in facts.exchanges if exchange.pair is not None]
    if facts.sender_party is not Party.PATIENT:
        named = [bal for bal in (*head.from_, *head.reply_to) if facts.client.may_send_as(bal)]
        pairs += [Pair(pair.patient, bal) for pair in tuple(pairs) for bal in named]
    return list(dict.fromkeys(pairs))


def receipt_seen(facts: Facts) -> ReceiptSeen | None:
    """The receipt that this message is, if it answers a letter of ours (MDN-6, SD-4)."""
    head = facts.head
    if head is None or head.mdn is None or head.mdn.original_message_id is None or facts.sender is None:
        return None
    due = [exchange.pair.bal for exchange in facts.exchanges if exchange.receipt_due and exchange.pair is not None]
    if not due:
        return None
    return ReceiptSeen(
        patient=facts.sender,
        original_message_id=head.mdn.original_message_id,
        disposition=head.mdn.outcome,
        told=tuple(due),
    )


def notice_seen(facts: Facts) -> NoticeSeen | None:
    """The notice that this message is; believed only from the patient space's own robots (NDR-2 to NDR-7, SD-4)."""
    head = facts.head
    if head is None or head.notice is None or facts.sender_party is not Party.PATIENT_SPACE:
        return None
    return NoticeSeen(account=head.notice.account, patient=head.notice.about, thread=head.thread, subject=head.subject)


def same_letter(facts: Facts) -> str:  # req: SD-10, FMT-7
    """By what the attempts to send one letter are known: its Message-ID, else who, to whom, on what, how long, today.

    Not by its octets: programs that forget the Message-ID often build the letter anew for each attempt, with another
    Date and boundary, and would get 451 for ever. By the day, so that a robot's nightly letters, all alike, do not
    add up. Two letters that are taken for one are held the sooner for a person: neither is lost.
    """
    head = facts.head
    if head is None or head.message_id is not None:
        return (head and head.message_id) or ""
    parties = [*head.from_, facts.sender, *(path.address for path in facts.envelope.forward_paths)]
    known = [f"{facts.taken_at:%Y-%m-%d}", str(facts.size), head.subject, *(who.key for who in parties if who)]
    # With the lengths, no two lists of words are one; no angle brackets, so it is nobody's Message-ID.
    return "".join(f"{len(each)}:{each}," for each in known)


def accepted(spool_id: str, facts: Facts, verdict: Admit | Hold, now: datetime) -> tuple[Entry, ...]:
    """One line for each recipient, so that ``trace`` finds the letter by any of them (TRC-1)."""
    event = JournalEvent.ACCEPTED if isinstance(verdict, Admit) else JournalEvent.HELD
    reply = Reply(250, "2.0.0", "queued")
    return _lines(spool_id, event, facts.envelope, facts, reply, verdict.findings, now)


def closed_on_send(spool_id: str, facts: Facts, verdict: Admit | Hold, now: datetime) -> tuple[Entry, ...]:
    """A line for each open exchange that this letter of an APP mailbox closes by itself (FIN-4)."""
    closing = facts.sender_bal.closes_on_send or facts.author_bal.closes_on_send
    if facts.head is None or facts.head.closes or not closing:
        return ()
    closed = {exchange.pair for exchange in facts.exchanges if exchange.conversation.state is PairState.CLOSED}
    signed = (exchange.pair.patient for exchange in facts.exchanges if exchange.pair and exchange.author_closed)
    closed |= {Pair(patient, author) for patient in signed for author in facts.head.from_}
    pairs = (move.pair for move in verdict.moves if move.event is Event.PROFESSIONAL_CLOSED)
    event = JournalEvent.CONVERSATION
    return tuple(
        Entry(at=now, event=event, spool_id=spool_id, sender=pair.bal, recipient=pair.patient, detail=ON_SEND)
        for pair in pairs
        if pair not in closed
    )


def refused(
    spool_id: str,
    envelope: Envelope,
    facts: Facts | None,
    reply: Reply,
    findings: tuple[Finding, ...],
    now: datetime,
) -> tuple[Entry, ...]:
    """A refusal keeps its journal lines: rule ids and codes, no bytes and no values (SD-10)."""
    return _lines(spool_id, JournalEvent.REFUSED, envelope, facts, reply, findings, now)


def told(verdict: Refuse, facts: Facts, spool_id: str) -> Reply:
    """The refusal as the sender reads it: to how many (SD-7), and which id the report on its documents has."""
    reply, worst = verdict.reply, strictest(verdict.findings)
    text = f"{reply.text} Rapport {spool_id}" if worst is not None and is_about_documents(facts, worst) else reply.text
    if len(facts.exchanges) > 1:
        text = f"Message refuse pour tous ses destinataires. {text}"
    return Reply(reply.code, reply.status, text)


def patient_of(facts: Facts) -> Address | None:
    """The patient that a letter is to or from, for the log's alias."""
    if facts.sender_party is Party.PATIENT:
        return facts.sender
    return next((x.forward_path.address for x in facts.exchanges if x.party is Party.PATIENT), None)


def person_of(envelope: Envelope, facts: Facts | None) -> str | None:
    """The natural person behind the sender: SASL or XCLIENT first, then what the header tells (SD-6)."""
    return envelope.origin.person or (facts.head.person if facts and facts.head else None)


def _lines(
    spool_id: str,
    event: JournalEvent,
    envelope: Envelope,
    facts: Facts | None,
    reply: Reply,
    findings: tuple[Finding, ...],
    now: datetime,
) -> tuple[Entry, ...]:
    worst = strictest(findings)
    return tuple(
        Entry(
            at=now,
            event=event,
            spool_id=spool_id,
            message_id=facts.head.message_id if facts and facts.head else None,
            sender=facts.sender if facts else envelope.reverse_path,
            recipient=path.address,
            client=envelope.origin.client,
            peer=envelope.origin.peer,
            person=person_of(envelope, facts),
            size=facts.size if facts else 0,
            reply=reply,
            detail=worst.rule if worst else "",
            findings=tuple(finding for finding in findings if finding.recipient in (None, number)),
        )
        for number, path in enumerate(envelope.forward_paths)
    )

"""What an attempt changes: the delivery as it is from now on, and the journal line that tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome, RetryPolicy, State
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.ports import Settlement, Stored

EVENTS = {Delivered: JournalEvent.DELIVERED, Deferred: JournalEvent.DEFERRED, Bounced: JournalEvent.BOUNCED}


def after_attempt(
    delivery: Delivery, outcome: Outcome, retry: RetryPolicy, now: datetime, dice: float
) -> tuple[Delivery, Outcome]:
    """The delivery after this outcome; a deferral that comes too late becomes a bounce. ``dice``: see retry_at."""
    after = partial(replace, delivery, attempts=delivery.attempts + 1, last_reply=outcome.reply, fresh=False)
    match outcome:
        case Delivered():
            return after(state=State.DELIVERED), outcome
        case Bounced():
            return after(state=State.BOUNCED), outcome
        case Deferred(reply=reply, next_hop=hop, alarm=alarm):
            if not retry.is_hopeless(delivery, outcome, now):
                return after(due_at=retry.retry_at(delivery.attempts + 1, now, dice)), outcome
            # Time is spent. The notice shows the last word; trust trouble is a failure of its own.  req: WL-8
            last = Reply(550, "5.7.1", reply.text) if alarm else reply
            return after(state=State.BOUNCED), Bounced(reply=last, next_hop=hop)


def waits_with(number: int, outcomes: Mapping[int, Outcome]) -> int | tuple[int, str]:
    """Which recipients of one attempt are tried again at the same moment: those for whom this gives the same.

    As a rule all who had the same answer, or each would have a transaction and a delay notice of its own. Alone is who
    may have been deferred for another's sake: some servers take so many recipients at a time, or none beside one whom
    they cannot stand. Nor does anybody wait with one who had another answer: some take those of one domain at a time,
    that of the first one, and his mailbox may stay full.
    """
    outcome = outcomes[number]
    alone = isinstance(outcome, Deferred) and outcome.collective
    if alone or any(isinstance(each, Delivered) for each in outcomes.values()):
        return number
    return outcome.reply.code, outcome.reply.status


def journal_line(stored: Stored, after: Delivery, outcome: Outcome, now: datetime) -> Entry:
    """One line for one recipient (TRC-1), without the peer's words: they may quote an address."""
    head = stored.facts.head
    return Entry(
        at=now,
        event=EVENTS[type(outcome)],
        spool_id=after.spool_id,
        message_id=head.message_id if head else None,
        sender=stored.facts.sender,
        recipient=after.forward_path.address,
        reply=Reply(outcome.reply.code, outcome.reply.status, ""),
        next_hop=outcome.next_hop,
        detail=f"attempt-{after.attempts}",
    )


def are_last_words(stored: Stored, settlements: Sequence[Settlement]) -> bool:
    """Whether these outcomes are final, and for all recipients of the letter."""
    return len(settlements) == len(stored.envelope.forward_paths) and all(s.after.state.final for s in settlements)

"""Which notice or receipt a sender is due (DSN-1, RFC 3461; SD-13; backscatter: RFC 3834)."""

from mssgw.core.addresses import Address
from mssgw.core.bal import Party
from mssgw.core.delivery import Bounced, Deferred, Delivered, Delivery, Outcome
from mssgw.core.envelope import Notify
from mssgw.core.facts import Facts
from mssgw.core.message import Content, MessageHead
from mssgw.core.patients import ROBOT


def may_be_answered(facts: Facts) -> bool:
    """Never a notice to ``<>``, about a notice, a receipt or an automatic answer.

    What a program sends of its own accord (``auto-generated``) is a letter like any other here, whichever mailbox it
    comes from: a result that did not arrive must not be lost without a word (RFC 5321 section 6.1). But not what it
    sends to a server's own name: many programs say so of an answer, here to a notice, and would answer the next one.
    """
    if facts.envelope.reverse_path is None or facts.sender_party is Party.PATIENT_SPACE:  # req: NDR-7
        return False
    head = facts.head
    if head is None:
        return True
    if head.content is not Content.ORDINARY or head.auto_submitted == "auto-replied":
        return False
    to_a_server = any(path.address.key.partition("@")[0] == ROBOT for path in facts.envelope.forward_paths)
    return head.auto_submitted == "no" or not to_a_server


def told_of_opening(head: MessageHead | None, back: Address | None) -> Address | None:  # req: MDN-2, MDN-4, SD-13
    """Who is told when a patient opens this letter: one address, in the domain that the letter returns to, ``back``."""
    if head is None or head.content is not Content.ORDINARY or head.message_id is None or len(head.receipt_to) != 1:
        return None
    (to,) = head.receipt_to
    return to if back is not None and to.domain == back.domain else None


def notice_due(delivery: Delivery, outcome: Outcome, *, is_late: bool) -> Notify | None:
    """What the sender is to be told of this outcome: FAILURE, DELAY, SUCCESS (relayed, or delivered), or nothing."""
    path = delivery.forward_path
    match outcome:
        case Bounced() if path.wants(Notify.FAILURE):
            return Notify.FAILURE
        case Deferred() if is_late and not delivery.warned and path.wants(Notify.DELAY):
            return Notify.DELAY
        case Delivered(dsn_passed_on=False) if path.wants(Notify.SUCCESS):
            return Notify.SUCCESS
        case _:
            return None

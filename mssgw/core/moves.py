"""Which conversations a letter moves, and how (SD-4, SD-7, SD-8)."""

from collections.abc import Iterator

from mssgw.core.addresses import Address
from mssgw.core.bal import BalKind, Party
from mssgw.core.conversation import Event, Move, Pair, State
from mssgw.core.facts import Exchange, Facts
from mssgw.core.message import Content


def moves(facts: Facts) -> tuple[Move, ...]:
    """The moves of an admitted letter, at most one for each pair. Needs ``facts.head``."""
    found = {move.pair: move for exchange in facts.exchanges for move in _of_exchange(facts, exchange)}
    return tuple(found.values())


def counts_as_letter(facts: Facts) -> bool:  # req: SD-4
    """Automatic mail moves nothing, except the auto-generated letter of an APP mailbox."""
    if not facts.automatic:
        return True
    return (
        facts.envelope.reverse_path is not None
        and BalKind.APP in (facts.sender_bal.kind, facts.author_bal.kind)
        and facts.head is not None
        and facts.head.auto_submitted == "auto-generated"
        and facts.head.content is Content.ORDINARY  # its receipts say the same of themselves, and are none
    )


def closes_at_once(facts: Facts, move: Move) -> bool:  # req: SD-10
    """Whether the move is made even while the letter is held: a FIN's, not that of a mailbox which closes by itself."""
    return move.event is Event.PROFESSIONAL_CLOSED and facts.head is not None and facts.head.closes


def ends_exchange(facts: Facts, patient: Address) -> bool:  # req: FIN-1, FIN-2, FIN-4
    """Whether this letter leaves the patient nobody to answer: it closes, and opens no other mailbox to him."""
    return {move.event for move in moves(facts) if move.pair.patient == patient} == {Event.PROFESSIONAL_CLOSED}


def _of_exchange(facts: Facts, exchange: Exchange) -> Iterator[Move]:
    pair = exchange.pair
    if pair is None or facts.head is None:
        return
    if facts.sender_party is Party.PATIENT:
        yield from _patient_writes(facts, exchange, pair)
    elif exchange.party is Party.PATIENT:
        yield from _professional_writes(facts, pair)


def _professional_writes(facts: Facts, pair: Pair) -> Iterator[Move]:  # req: FIN-1, FIN-2, WHO-7, SD-8
    head = facts.head
    assert head is not None
    # Who signs and Reply-To count only where this client may speak.
    signed, named = (
        [Pair(pair.patient, bal) for bal in bals if facts.client.may_send_as(bal)]
        for bals in (head.from_, head.reply_to)
    )
    if head.closes:
        # The person who signs means his own exchange, whichever mailbox his software sends from.
        for closed in (pair, *signed, *named):
            yield Move(closed, Event.PROFESSIONAL_CLOSED)
    elif counts_as_letter(facts):
        # Its own exchange only: who else is named has said nothing.  req: FIN-4
        closing = [pair] if facts.sender_bal.closes_on_send else []
        closing += signed if facts.author_bal.closes_on_send else []
        # The patient's answers go to Reply-To: that mailbox becomes authorised, the sender's does not. Without one they
        # go to who signs: Exchange sends on behalf of somebody, and much software, by another mailbox (WHO-2).
        for opened in named or ([pair] if closing else [pair, *signed]):
            yield Move(opened, Event.PROFESSIONAL_WROTE)
        for closed in closing:
            yield Move(closed, Event.PROFESSIONAL_CLOSED)


def _patient_writes(facts: Facts, exchange: Exchange, pair: Pair) -> Iterator[Move]:  # req: WHO-2, WHO-3, SD-9
    if facts.automatic or facts.client.answers_unseen:
        return
    if exchange.bal.takes_first_letters:
        yield Move(pair, Event.PATIENT_OPENED)
    elif exchange.conversation.state is State.OPEN:
        yield Move(pair, Event.PATIENT_WROTE)
    # Otherwise it is here by "observe": what that admits moves nothing.

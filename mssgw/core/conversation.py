"""The state of the exchange between one patient and one mailbox (WHO-2, FIN-5, FIN-6).

The table is the documentation: ``python -m mssgw.core.conversation`` prints it for docs/flow.md.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.core.errors import IllegalMove


class State(StrEnum):
    ABSENT = "absent"
    OPEN = "open"
    CLOSED = "closed"


class Event(StrEnum):
    PROFESSIONAL_WROTE = "professional-wrote"
    PROFESSIONAL_CLOSED = "professional-closed"
    PATIENT_OPENED = "patient-opened"  # to a pharmacy's ORG mailbox only (WHO-3, SD-3)
    PATIENT_WROTE = "patient-wrote"


TRANSITIONS: dict[tuple[State, Event], State] = {
    # A professional may always write, and writing re-opens.  req: WHO-1, FIN-5
    (State.ABSENT, Event.PROFESSIONAL_WROTE): State.OPEN,
    (State.OPEN, Event.PROFESSIONAL_WROTE): State.OPEN,
    (State.CLOSED, Event.PROFESSIONAL_WROTE): State.OPEN,
    # [FIN] or X-MSS-MES: FIN, even on a first letter (one-way).  req: FIN-1, FIN-2
    (State.ABSENT, Event.PROFESSIONAL_CLOSED): State.CLOSED,
    (State.OPEN, Event.PROFESSIONAL_CLOSED): State.CLOSED,
    (State.CLOSED, Event.PROFESSIONAL_CLOSED): State.CLOSED,
    # A patient's new letter to a pharmacy.  req: WHO-3, FIN-6
    (State.ABSENT, Event.PATIENT_OPENED): State.OPEN,
    (State.OPEN, Event.PATIENT_OPENED): State.OPEN,
    (State.CLOSED, Event.PATIENT_OPENED): State.OPEN,
    # Elsewhere a patient writes only where a professional opened.  req: WHO-2, FIN-7
    (State.OPEN, Event.PATIENT_WROTE): State.OPEN,
}


def after(state: State, event: Event) -> State:
    """The state that follows. Raises IllegalMove for a pair that the table does not hold."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalMove(f"{event} while {state}") from None


@dataclass(frozen=True, slots=True)
class Pair:
    """A patient and the mailbox that exchanges with him: what a conversation belongs to."""

    patient: Address
    bal: Address


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one conversation, recorded in the commit that admits the letter (SD-7: at most one a pair)."""

    pair: Pair
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the store knows of a pair. ``blocked``: an opposition (SD-12) of the patient, to all or to this mailbox."""

    state: State = State.ABSENT
    since: datetime | None = None
    blocked: bool = False


def answers_what_was_closed(state: State, cited: Collection[bool]) -> bool:  # req: SD-3, FIN-5
    """Whether a letter is a reply to a closed thread of its pair, which is in this state.

    ``cited``: of each letter of the pair that it names, whether that was seen before the last FIN. Once the pair is
    open again, what was written since may be answered: programs name all of the thread beside it.
    """
    return any(cited) and (state is not State.OPEN or all(cited))


def table() -> str:
    """The transition table as Markdown: one row a state, one column an event."""
    rows = [f"| state | {' | '.join(Event)} |", f"|---|{'---|' * len(Event)}"]
    for state in State:
        cells = (TRANSITIONS.get((state, event)) or "refused" for event in Event)
        rows.append(f"| {state} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201 - printing is what this module does when run

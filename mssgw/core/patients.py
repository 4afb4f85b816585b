"""Patients whose mailboxes we keep ourselves: the state of a profile, and what becomes of a letter to it (WHO-5).

Who steps from which state into which is a table; ``python -m mssgw.core.patients`` prints it for docs/flow.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.core.errors import GatewayError, IllegalMove
from mssgw.core.ins import Matricule
from mssgw.core.message import AccountState
from mssgw.core.replies import Reply

HOUSEHOLD = "patient-space"  # in journal and log: the client behind whatever patients send
ROBOT = "mailer-daemon"  # its local part: from here come our notices (SD-4)


class PatientState(StrEnum):
    """What there is of a patient (WHO-5). Nobody of that number in the registry: unknown."""

    CREATED = "created"  # made for him, and not activated: it receives, nobody reads
    ACTIVE = "active"
    OPPOSED = "opposed"  # he objected to its being made
    CLOSED = "closed"


# Where a profile goes on to from each state. Who has activated his profile does not oppose it: he closes it.
FOLLOWS: Mapping[PatientState, frozenset[PatientState]] = {
    PatientState.CREATED: frozenset({PatientState.ACTIVE, PatientState.OPPOSED, PatientState.CLOSED}),
    PatientState.ACTIVE: frozenset({PatientState.CLOSED}),
    PatientState.OPPOSED: frozenset({PatientState.CREATED, PatientState.ACTIVE}),  # he thought better of it
    PatientState.CLOSED: frozenset({PatientState.CREATED, PatientState.ACTIVE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A line of the registry. ``email``: where he hears that something waits, None: nowhere. ``since``: of the state.

    ``has_password``: he can log in once the profile is active.
    """

    matricule: Matricule
    state: PatientState = PatientState.CREATED
    email: Address | None = None
    since: datetime
    has_password: bool = False

    def address(self, domain: str) -> Address:
        """His mailbox in that patient domain (INS-1)."""
        return mailbox_of(self.matricule, domain)


def mailbox_of(matricule: Matricule, domain: str) -> Address:
    """The mailbox of a patient in that patient domain (INS-1)."""
    return Address.parse(f"{matricule.value}@{domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a patient shall stand in the registry: what an operator says, or one line of an import.

    ``state`` None: as it is, CREATED for somebody new. ``email`` None takes the address away.
    """

    matricule: Matricule
    state: PatientState | None = None
    email: Address | None = None
    keeps_email: bool = False  # then ``email`` says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A patient with the hash that his password is checked against; None: he has none yet."""

    patient: Patient
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an import came to, in patients."""

    added: int = 0
    changed: int = 0
    same: int = 0


class IllegalWishes(GatewayError):
    """Some patients cannot go on to the state that was asked for: nothing was changed.

    ``wrong``: positions in what was asked, with why.
    """

    def __init__(self, wrong: Mapping[int, str]) -> None:
        super().__init__(f"{len(wrong)} of the changes are none that the table of states allows")
        self.wrong = wrong


def granted(known: Patient | None, wish: Wish, now: datetime) -> Patient:
    """The patient as the wish leaves him; the same value when it changes nothing.

    Raises IllegalMove for a step that the table does not hold.
    """
    if known is None:
        return Patient(matricule=wish.matricule, state=wish.state or PatientState.CREATED, email=wish.email, since=now)
    state = wish.state or known.state
    if state is not known.state and state not in FOLLOWS[known.state]:
        raise IllegalMove(f"{state} while {known.state}")
    return Patient(
        matricule=known.matricule,
        state=state,
        email=known.email if wish.keeps_email else wish.email,
        since=known.since if state is known.state else now,
        has_password=known.has_password,
    )


def granted_all(known: Sequence[Patient | None], wishes: Sequence[Wish], now: datetime) -> list[Patient]:
    """``granted`` for each, or IllegalWishes with what is wrong with those that cannot be."""
    after: list[Patient] = []
    wrong: dict[int, str] = {}
    for position, (patient, wish) in enumerate(zip(known, wishes, strict=True)):
        try:
            after.append(granted(patient, wish, now))
        except IllegalMove as error:
            wrong[position] = str(error)
    if wrong:
        raise IllegalWishes(wrong)
    return after


def refusal(patient: Patient | None) -> AccountState | None:  # req: WHO-5, NDR-2, NDR-3
    """What the sender of a letter to this mailbox is told; None: it is delivered, activated or not.

    Who is opposed and who was never there look alike from outside.
    """
    match patient.state if patient is not None else None:
        case PatientState.CREATED | PatientState.ACTIVE:
            return None
        case PatientState.CLOSED:
            return AccountState.CLOSED
        case PatientState.OPPOSED | None:
            return AccountState.NOT_CREATED


# How the end of a delivery that a notice answers stands in the journal. No peer hears it: the letter was accepted.
ENDINGS: Mapping[AccountState, Reply] = {
    AccountState.NOT_CREATED: Reply(550, "5.1.1", "Cette adresse de l'espace patient n'existe pas"),
    AccountState.CLOSED: Reply(550, "5.2.1", "La messagerie de ce patient est cloturee"),
    AccountState.BAD_ADDRESS: Reply(553, "5.1.3", "Cette adresse de l'espace patient est invalide"),
}

_NOT_ACTIVE: Mapping[PatientState, Reply] = {
    PatientState.CREATED: Reply(535, "5.7.8", "Activez d'abord votre messagerie"),
    PatientState.OPPOSED: Reply(535, "5.7.8", "Vous vous etes oppose a l'ouverture de cette messagerie"),
    PatientState.CLOSED: Reply(535, "5.7.8", "Votre messagerie est cloturee"),
}


def may_log_in(patient: Patient) -> Reply | None:  # req: WHO-3
    """Why he may not write, though his password is right; None: he may."""
    return _NOT_ACTIVE.get(patient.state)


def table() -> str:
    """Which state follows which, as Markdown: one row a state."""
    rows = [f"| state | {' | '.join(PatientState)} |", f"|---|{'---|' * len(PatientState)}"]
    for state in PatientState:
        cells = ("-" if to is state else "yes" if to in FOLLOWS[state] else "no" for to in PatientState)
        rows.append(f"| {state} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201 - printing is what this module does when run

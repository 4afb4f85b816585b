"""Mailboxes of the trust space (BAL) and who stands behind an address."""

from dataclasses import dataclass
from enum import StrEnum

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedMatricule
from mssgw.core.ins import LENGTH, Matricule


class BalKind(StrEnum):
    """Kinds of mailbox as the Annuaire Santé names them (BAL-1)."""

    PER = "PER"
    ORG = "ORG"
    APP = "APP"
    CAB = "CAB"
    UNKNOWN = "unknown"  # not configured: never a pharmacy


@dataclass(frozen=True, slots=True, kw_only=True)
class Bal:
    """What the configuration says of one mailbox.

    ``pharmacy`` is true for an ORG mailbox of a pharmacy: the only kind that a patient may write to first (WHO-3).
    ``responsible`` is the professional who answers for an ORG or APP mailbox (BAL-4), "" when not given.
    ``closes_on_send``: every letter of this APP mailbox closes its exchange with the patient (FIN-4).
    """

    kind: BalKind = BalKind.UNKNOWN
    pharmacy: bool = False
    responsible: str = ""
    closes_on_send: bool = False

    @property
    def takes_first_letters(self) -> bool:
        """True when a patient may open an exchange with it (WHO-3)."""
        return self.pharmacy and self.kind is BalKind.ORG


class Party(StrEnum):
    """Who stands behind an address."""

    PROFESSIONAL = "professional"
    PATIENT = "patient"  # a matricule, or a configured exception (INS-10)
    PATIENT_SPACE = "patient-space"  # the patient domain's own robots: MAILER-DAEMON, noreply (SD-4)
    NOBODY = "nobody"  # the null reverse-path


@dataclass(frozen=True, slots=True)
class PatientSpace:
    """The patient domain and the addresses in it that are no matricule on purpose (INS-1, INS-10).

    ``exceptions`` are whole addresses as Address keys. ``takes_any``: letters to malformed addresses are taken too, and
    answered by a notice (NDR-4): so does a gateway that serves the domain itself, where it is configured to.
    """

    domain: str = "patient.mssante.fr"
    exceptions: frozenset[str] = frozenset({"reponse.automatique-test@patient.mssante.fr"})
    takes_any: bool = False

    def is_patient(self, address: Address) -> bool:
        """Whether the address is meant to be a patient's, well-formed or not."""
        return address.domain == self.domain and address.key not in self.exceptions

    def recipient(self, address: Address) -> Party:
        """Who receives at this address. Raises MalformedMatricule for a bad patient address (INS-1, NDR-8)."""
        if address.domain != self.domain:
            return Party.PROFESSIONAL
        if not self.takes_any:
            self.matricule(address)
        return Party.PATIENT

    def matricule(self, address: Address) -> Matricule | None:
        """The number of a patient's address; None for an exception, which has none. Raises MalformedMatricule."""
        return None if address.key in self.exceptions else Matricule.parse(address.local)

    def is_nobodys(self, address: Address) -> bool:
        """Whether it is a patient's address by its domain, and malformed: no exchange can be with it."""
        if not self.is_patient(address):
            return False
        try:
            self.matricule(address)
        except MalformedMatricule:
            return True
        return False

    def sender(self, address: Address | None) -> Party:
        """Who writes from this address; None is the null reverse-path.

        Raises MalformedMatricule for a local part that was meant to be a matricule: 15 characters beginning with a
        digit, or a matricule with more around it. Other local parts of the patient domain belong to its robots (SD-4).
        """
        if address is None:
            return Party.NOBODY
        if address.domain != self.domain:
            return Party.PROFESSIONAL
        if address.key in self.exceptions:
            return Party.PATIENT
        local = _bare_local(address)
        if (len(local) == LENGTH and local[0].isdigit()) or _holds_a_matricule(local):
            Matricule.parse(local)
            return Party.PATIENT
        return Party.PATIENT_SPACE


def resembles_a_patient(address: Address) -> bool:
    """Whether readers would take it for a patient's, whatever its domain: a matricule stands in its local part."""
    return _holds_a_matricule(_bare_local(address))


def _bare_local(address: Address) -> str:
    """As it is compared; a matricule could hide in quotation marks."""
    return address.key.rpartition("@")[0].strip('"')


def _holds_a_matricule(local: str) -> bool:
    """``matricule+tag``, ``x.matricule`` are no robot's names: what robots may send would be open to patients."""
    return any(_is_a_matricule(local[at : at + LENGTH]) for at in range(len(local) - LENGTH + 1))


def _is_a_matricule(text: str) -> bool:
    try:
        Matricule.parse(text)
    except MalformedMatricule:
        return False
    return True

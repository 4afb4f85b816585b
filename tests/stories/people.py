"""Who appears in stories, all invented, by the names that stories call them."""

import re
from collections.abc import Mapping

from tests.canaries import DOCTOR, MATRICULES, SUBJECTS, Kind, plant

PEOPLE = {
    "doctor": f"{DOCTOR}@ch-test.mssante.fr",
    "colleague": f"{plant(Kind.NAME, 'ines.tourterolle')}@ch-test.mssante.fr",
    "ward": "soins@ch-test.mssante.fr",  # ORG: a ward's shared mailbox
    "lab": "labo@ch-test.mssante.fr",  # APP: a program's mailbox
    "officine": "officine@pharma-test.mssante.fr",  # ORG of a pharmacy
    "pharmacist": f"{plant(Kind.NAME, 'luc.martinettu')}@pharma-test.mssante.fr",  # PER
    "surgeon": f"{plant(Kind.NAME, 'eve.cormorandel')}@clinique-test.mssante.fr",  # at another operator
    "patient": f"{MATRICULES[0]}@patient.mssante.fr",
    "neighbour": f"{MATRICULES[1]}@patient.mssante.fr",  # another patient
    "corsican": f"{MATRICULES[2]}@patient.mssante.fr",
    "robot": "mailer-daemon@patient.mssante.fr",  # Mon espace santé itself
    "inbox": f"{plant(Kind.NAME, 'une.personne.becfigue')}@fai.invalid",  # a patient's ordinary address
    "mallory": f"{plant(Kind.NAME, 'mallory.coucoupe')}@ailleurs.invalid",  # of no domain that anybody lists
}
NAMES = {address: name for name, address in PEOPLE.items()}
SUBJECT = SUBJECTS[0]  # of letters whose subject does not matter
NURSE = plant(Kind.NAME, "agathe.rossignou")  # never an address: who stands behind the ward's mailbox

PASSWORD = plant(Kind.NAME, "perruche-ondulee-42")  # of every patient who has one

# Who speaks: the loopback address it comes from and the listener it uses.
PEERS = {
    "hospital": ("127.0.0.2", "establishment"),
    "pharmacy": ("127.0.0.3", "establishment"),
    "mes": ("127.0.0.4", "trust-space"),  # Mon espace santé
    "clinic": ("127.0.0.5", "trust-space"),  # another operator
    "home": ("127.0.0.6", "patient-space"),  # a patient of ours, who logs in
    "stranger": ("127.0.0.9", "trust-space"),
    "outsider": ("127.0.0.9", "establishment"),
}
HOME = {
    "ch-test.mssante.fr": "hospital",
    "pharma-test.mssante.fr": "pharmacy",
    "patient.mssante.fr": "mes",
    "mes.mssante.fr": "mes",
    "clinique-test.mssante.fr": "clinic",
}


def address(who: str) -> str:
    """The address of somebody; what is no name stands for itself."""
    return PEOPLE.get(who, who)


def name(of: str) -> str:
    """The name of an address, exactly as it is written, or the address; the null reverse-path is ``<>``."""
    return NAMES.get(of, of) or "<>"


def filled(text: str, more: Mapping[str, str] | None = None) -> str:
    """``{doctor}`` becomes the doctor's address; braces around anything unknown stay as they are."""
    known = PEOPLE | {"nurse": NURSE} | dict(more or {})
    return re.sub(r"\{([\w-]+)\}", lambda found: known.get(found[1], found[0]), text)

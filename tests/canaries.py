"""Planted values that must never leave a letter: every INS, name, subject and file name of the tests' letters.

Test people are invented. A test that writes a letter takes its values from here, or plants its own with ``plant()``
before the letter leaves; whoever ran a gateway then asks ``leaks()`` about its logs, its database and its spool.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    INS = "INS"
    NAME = "name"
    SUBJECT = "subject"
    FILE_NAME = "file name"


MATRICULES = (
    "279035121518989",
    "146026322000196",
    "177012A12345670",
    "288112B98765431",
    "179039935012397",
    "199017505604201",
)
BAD_MATRICULES = ("289456789012345", "288091234567823", "253097812634581")  # wrong keys are personal data too

_planted: dict[str, Kind] = dict.fromkeys((*MATRICULES, *BAD_MATRICULES), Kind.INS)


def plant(kind: Kind, value: str) -> str:
    """Remember a value as one that may show nowhere, and give it back. At least 8 characters, or chance finds it."""
    assert len(value) >= 8, "a canary that short would be found by chance"
    _planted[value] = kind
    return value


DOCTOR = plant(Kind.NAME, "paul.canarini")  # local part of the doctor's address
DOCTOR_NAME = plant(Kind.NAME, "CANARINI Paul-Zéphyrin")
PATIENT_NAME = plant(Kind.NAME, "SERINDOUX Célestine")
SUBJECTS = tuple(
    plant(Kind.SUBJECT, text)
    for text in (
        "Compte rendu de rossignolite",
        "Bilan mésange charbonnière",
        "Ordonnance chardonneret 500 mg",
    )
)
FILE_NAMES = tuple(
    plant(Kind.FILE_NAME, text)
    for text in ("cr_serindoux_bouvreuil.pdf", "IHE_XDM_pinsonnet.zip", "bilan_loriotine.xml")
)


def planted() -> dict[str, Kind]:
    """All values planted so far."""
    return dict(_planted)


def _forms(value: str) -> set[bytes]:
    """The ways a value could be written down: as it is, folded, escaped, encoded. All lower case."""
    raw = value.encode()
    forms = {
        raw,
        value.lower().encode(),
        value.upper().encode(),
        value.encode("latin-1", "ignore"),
        json.dumps(value)[1:-1].encode(),
        repr(raw)[2:-1].encode(),
        urllib.parse.quote(value).encode(),
    }
    forms = {form.lower() for form in forms}
    # The middle of any base64 text that holds the value: one for each of the three alignments.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        inner = encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4]
        if len(inner) >= 8:
            forms.add(inner.lower())
    return forms


def leaks(content: bytes) -> dict[str, Kind]:
    """The planted values found in those bytes, in whatever case or escape. Base64 compares without case too."""
    folded = content.lower()
    return {value: kind for value, kind in _planted.items() if any(form in folded for form in _forms(value))}


def assert_no_leak(paths: Iterable[Path]) -> None:
    """Fail, naming file and value, when a planted value stands in one of the files. Missing files are no leak."""
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        found = leaks(content)
        assert not found, f"{path.name} holds in clear: " + ", ".join(
            f"{kind} {value}" for value, kind in found.items()
        )

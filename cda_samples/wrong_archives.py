"""Archives that are wrong, and letters that go to the wrong reader."""

from collections.abc import Iterator

from cda_samples import edits, orders, people
from cda_samples.faults import Fault, advice, fault
from cda_samples.letters import bare, letter
from cda_samples.wrong_documents import LETTER, PROGRAM, REPORT
from mssgw.core.clinical import Mark
from mssgw.formats.cda.making import make
from mssgw.formats.xdm_making import zipped

_LUCIE = f"{people.LUCIE.matricule.value}@{orders.PATIENTS}"
_JEANNE = f"{people.JEANNE.matricule.value}@{orders.PATIENTS}"


def wrong_archives() -> Iterator[Fault]:
    """All of them."""
    yield from _metadata()
    yield from _archives()
    yield from _letters()


def _metadata() -> Iterator[Fault]:
    described, content = edits.described, make(LETTER)
    patient, other = "279035121518989^^^&amp;1.2.250.1.213.1.4.10", "288112B98765431^^^&amp;1.2.250.1.213.1.4.10"
    heading = LETTER.heading.replace("'", "&#x27;")
    yield fault(
        "xdm-empreinte.zip",
        "L'empreinte annoncée n'est pas celle du document.",
        edits.archived(LETTER, document=content.replace(b"PARIS", b"LILLE")),
        "XDM-DOC-003",
    )
    yield fault(
        "xdm-taille.zip",
        "La taille annoncée n'est pas celle du document.",
        described(LETTER, f"<Value>{len(content)}</Value>", f"<Value>{len(content) + 1}</Value>"),
        "XDM-DOC-004",
    )
    yield fault(
        "xdm-sans-document.zip",
        "Le document annoncé n'est pas dans l'archive.",
        edits.archived(LETTER, document=None),
        "XDM-DOC-001",
    )
    yield fault(
        "xdm-sans-metadata.zip",
        "METADATA.XML manque.",
        edits.archived(LETTER, metadata=None),
        "XDM-ARC-001",
        "XDM-ARC-004",
    )
    yield fault(
        "xdm-autre-patient.zip",
        "METADATA.XML annonce un autre patient que le document.",
        described(LETTER, f'value="{patient}', f'value="{other}', 2),
        "CDA-COH-004",
        "XDM-DOC-008",
    )
    yield fault(
        "xdm-lot-d-un-autre.zip",
        "Le lot et la fiche ne sont pas du même patient.",
        lambda: _set_of(patient, other),
        "CDA-COH-004",
        "XDM-MET-004",
    )
    yield fault(
        "xdm-autre-identifiant.zip",
        "uniqueId n'est pas l'identifiant du document.",
        described(LETTER, f'value="{LETTER.oid("document")}"', 'value="2.25.1"'),
        "XDM-DOC-011",
    )
    yield fault(
        "xdm-autre-type.zip",
        "typeCode n'est pas le type du document.",
        described(LETTER, 'nodeRepresentation="11490-0"', 'nodeRepresentation="11502-2"'),
        "XDM-DOC-012",
    )
    yield fault(
        "xdm-mime-pdf.zip",
        "Le document se dit PDF et est un CDA.",
        described(LETTER, 'mimeType="text/xml"', 'mimeType="application/pdf"'),
        "XDM-DOC-005",
    )
    yield advice(
        "xdm-autre-titre.zip",
        "Le titre n'est pas celui du document.",
        described(LETTER, f'<LocalizedString value="{heading}"', '<LocalizedString value="Autre"', 2),
        "XDM-DOC-026",
    )
    yield advice(
        "xdm-heure-locale.zip",
        "Les heures sont locales et non en UTC.",
        described(LETTER, "20251103133000", "20251103143000", 3),
        "XDM-DOC-028",
        "XDM-DOC-029",
    )
    yield advice(
        "xdm-autre-format.zip",
        "formatCode annonce un document structuré.",
        described(LETTER, "urn:ihe:iti:xds-sd:pdf:2008", "urn:asip:ci-sis:ldl-ses:2017"),
        "XDM-DOC-021",
    )
    yield fault(
        "xdm-doctype.zip",
        "METADATA.XML a un DOCTYPE.",
        described(LETTER, "<lcm:Submit", "<!DOCTYPE a>\n<lcm:Submit"),
        "GRD-XML-003",
        "XDM-ARC-004",
    )


def _set_of(patient: str, other: str) -> bytes:
    whole = edits.entries(LETTER)[edits.METADATA]
    before, _, after = whole.rpartition(f'value="{patient}'.encode())
    return edits.archived(LETTER, metadata=before + f'value="{other}'.encode() + after)()


def _archives() -> Iterator[Fault]:
    added, whole = edits.added, zipped(edits.entries(LETTER))
    yield fault(
        "zip-chemin-remontant.zip",
        "Une entrée sort du dossier par ../.",
        added(LETTER, "IHE_XDM/../../A.TXT"),
        "GRD-ZIP-008",
    )
    yield fault("zip-chemin-absolu.zip", "Une entrée a un chemin absolu.", added(LETTER, "/A.TXT"), "GRD-ZIP-008")
    yield fault(
        "zip-lien.zip",
        "Une entrée est un lien symbolique.",
        added(LETTER, "A.LNK", b"README.TXT", mode=0o120777),
        "GRD-ZIP-010",
    )
    yield fault(
        "zip-nom-en-double.zip",
        "Deux entrées ne diffèrent que par la casse.",
        added(LETTER, "readme.txt"),
        "GRD-ZIP-009",
    )
    yield fault(
        "zip-commentaire.zip",
        "L'archive a un commentaire, qui peut cacher une autre archive.",
        lambda: whole[:-2] + b"\x05\x00cache",
        "GRD-ZIP-003",
    )
    yield fault("zip-octets-en-trop.zip", "Des octets suivent l'archive.", lambda: whole + b"suite", "GRD-ZIP-003")
    yield fault("zip-octets-avant.zip", "Des octets précèdent l'archive.", lambda: PROGRAM + whole, "GRD-ZIP-003")
    yield fault("zip-tronque.zip", "La fin de l'archive manque.", lambda: whole[:-30], "GRD-ZIP-002")
    yield fault(
        "zip-chiffre.zip",
        "Une entrée se dit chiffrée.",
        lambda: whole.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
            b"PK\x01\x02\x14\x00\x14\x00\x00", b"PK\x01\x02\x14\x00\x14\x00\x01"
        ),
        "GRD-ZIP-007",
    )
    yield fault("zip-bombe.zip", "Une entrée de 10 Mo tient en 10 ko.", lambda: edits.bomb(LETTER), "GRD-ZIP-014")


def _letters() -> Iterator[Fault]:
    yield fault(
        "lettre-a-un-autre.eml",
        "Le document d'une patiente est envoyé à une autre.",
        lambda: letter(LETTER, _LUCIE),
        "CDA-COH-001",
        to=_LUCIE,
    )
    yield fault(
        "lettre-deux-patients.eml",
        "Une même lettre porte les documents de deux patients.",
        lambda: bare([LETTER, REPORT], "secretariat@ch-exemple.mssante.fr"),
        "CDA-COH-004",
    )
    yield fault(
        "invisible-au-patient.zip",
        "Un document que le patient ne doit pas encore lire lui est envoyé.",
        lambda: _marked(Mark.INVISIBLE_PATIENT),
        "CDA-HID-001",
        to=_JEANNE,
    )
    yield fault(
        "masque-aux-professionnels.zip",
        "Un document que le patient a masqué aux professionnels est envoyé à l'un d'eux.",
        lambda: _marked(Mark.MASQUE_PS),
        "CDA-HID-003",
        to="secretariat@ch-exemple.mssante.fr",
    )


def _marked(mark: Mark) -> bytes:
    """The archive with one confidentialityCode more, after the first."""
    metadata = edits.entries(LETTER)[edits.METADATA]
    first = metadata.index(b'<Classification classificationScheme="urn:uuid:f4f85eac')
    end = metadata.index(b"</Classification>", first) + len(b"</Classification>")
    more = metadata[first:end].replace(b'nodeRepresentation="N"', f'nodeRepresentation="{mark.value}"'.encode())
    return edits.archived(LETTER, metadata=metadata[:end] + more + metadata[end:])()

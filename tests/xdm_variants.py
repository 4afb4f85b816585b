"""Archives IHE_XDM.zip that are wrong in one way each, made from a right one, with the rule that must find it."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from mssgw.core.clinical import Weight
from mssgw.core.ins import Matricule
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.ebrim_making import metadata
from mssgw.formats.xdm_making import SUBSET
from tests import zips

Entries = dict[str, bytes]

METADATA = f"{SUBSET}/METADATA.XML"
DOCUMENT = f"{SUBSET}/DOC00001.XML"
PATIENT = Patient(
    matricule=Matricule.parse("279035121518989"), family="EXEMPLE", given=("Jeanne", "Marie"), birth=date(1979, 3, 12)
)
OTHER = Patient(matricule=Matricule.parse("146026322000196"), family="AUTRE", given=("Paul",), birth=date(1946, 2, 1))
AUTHOR = Author(
    rpps="10000000001", family="MEDECIN", given="Luc", finess="750000001", organisation="Hôpital de l'exemple"
)
AT = datetime(2024, 1, 10, 0, 30, tzinfo=timezone(timedelta(hours=1)))  # the day before in UTC


def order(patient: Patient = PATIENT, *, kind: str = "lettre-de-liaison", structured: bool = False) -> Order:
    return Order(kind=KINDS[kind], patient=patient, author=AUTHOR, at=AT, structured=structured)


def right(*orders: Order) -> Entries:
    """The entries of a right archive, by path."""
    ordered = orders or (order(),)
    files = {f"DOC{number:05}.XML": make(each) for number, each in enumerate(ordered, 1)}
    return {
        "INDEX.HTM": b"<html/>",
        "README.TXT": b"x",
        METADATA: metadata(ordered, files),
        **{f"{SUBSET}/{name}": content for name, content in files.items()},
    }


def told_anew(entries: Entries) -> Entries:
    """The same with hash and size of the one document as they are now."""
    content = entries[DOCUMENT]
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    told = slot_set(slot_set(entries[METADATA], "hash", digest), "size", str(len(content)))
    return {**entries, METADATA: told}


def replaced(content: bytes, old: str, new: str, count: int = -1) -> bytes:
    """Text replaced, which must be there."""
    assert old.encode() in content, old
    return content.replace(old.encode(), new.encode(), count)


def slot_set(content: bytes, name: str, value: str) -> bytes:
    """A slot with another value."""
    form = re.compile(rf'(<Slot name="{name}">\s*<ValueList>\s*<Value>)[^<]*'.encode())
    changed, count = form.subn(lambda found: found[1] + value.encode(), content, count=1)
    assert count == 1, name
    return changed


def without(content: bytes, form: str) -> bytes:
    """Without the first element that a pattern finds."""
    changed, count = re.compile(form.encode(), re.S).subn(b"", content, count=1)
    assert count == 1, form
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is wrong, how it gets so, which rule finds it (first of all or with others), and how grave it is."""

    label: str
    change: Callable[[Entries], Entries]
    rule: str
    weight: Weight

    def archive(self) -> bytes:
        return zips.zipped(self.change(right()))


def _meta(label: str, rule: str, weight: Weight, change: Callable[[bytes], bytes]) -> Variant:
    return Variant(
        label=label, rule=rule, weight=weight, change=lambda entries: {**entries, METADATA: change(entries[METADATA])}
    )


def _slot(name: str, value: str, rule: str, weight: Weight = Weight.ADVICE, label: str = "") -> Variant:
    return _meta(f"{name} {label or value[:12]}", rule, weight, lambda content: slot_set(content, name, value))


def _swap(label: str, old: str, new: str, rule: str, weight: Weight, count: int = -1) -> Variant:
    return _meta(label, rule, weight, lambda content: replaced(content, old, new, count))


def _drop(label: str, form: str, rule: str, weight: Weight) -> Variant:
    return _meta(label, rule, weight, lambda content: without(content, form))


def _files(label: str, rule: str, weight: Weight, **more: bytes) -> Variant:
    named = {name.replace("__", "/").replace("_DOT_", "."): content for name, content in more.items()}
    return Variant(label=label, rule=rule, weight=weight, change=lambda entries: {**entries, **named})


def _moved(label: str, old: str, new: str, rule: str, weight: Weight) -> Variant:
    return Variant(
        label=label,
        rule=rule,
        weight=weight,
        change=lambda entries: {new if path == old else path: content for path, content in entries.items()},
    )


def _document(label: str, rule: str, weight: Weight, change: Callable[[bytes], bytes]) -> Variant:
    """A change of the document, hash and size told right."""
    return Variant(
        label=label,
        rule=rule,
        weight=weight,
        change=lambda entries: told_anew({**entries, DOCUMENT: change(entries[DOCUMENT])}),
    )


def _other_patient(entries: Entries) -> Entries:
    """A document of one patient under metadata of another."""
    return told_anew({**entries, DOCUMENT: make(order(OTHER))})


def _two_patients(_: Entries) -> Entries:
    return right(order(), order(OTHER))


def _twice(_: Entries) -> Entries:
    """Two documents with the same unique id."""
    entries = right(order(), order(kind="crh"))
    ids = [order().oid("document"), order(kind="crh").oid("document")]
    return {**entries, METADATA: replaced(entries[METADATA], ids[1], ids[0])}


_ENTRY = "58a6f841-87b3-4a3e-92fd-a8ffeff98427"
_PERSON = "279035121518989"
_MINE = f'value="{_PERSON}^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"'
DANGER, HARM, FORM, ADVICE = Weight.DANGER, Weight.HARM, Weight.FORM, Weight.ADVICE

VARIANTS = (
    # The archive.
    _moved("no METADATA.XML", METADATA, f"{SUBSET}/OTHER.XML", "XDM-ARC-001", HARM),
    _moved("METADATA.XML at the root", METADATA, "METADATA.XML", "XDM-ARC-001", HARM),
    _files("a program", "XDM-ARC-002", DANGER, SETUP_DOT_EXE=b"MZ\x90\0" + bytes(60)),
    _files("a program called PDF", "XDM-ARC-002", DANGER, COPY_DOT_PDF=b"MZ\x90\0" + bytes(60)),
    _files("an ELF program called XML", "XDM-ARC-002", DANGER, A_DOT_XML=b"\x7fELF" + bytes(60)),
    _files("a zip called PDF", "XDM-ARC-003", HARM, COPY_DOT_PDF=zips.zipped({"A": b"a"})),
    _files("a picture called PDF", "XDM-ARC-003", HARM, COPY_DOT_PDF=b"\xff\xd8\xff\xe0JFIF"),
    _files("a CDA that nobody told of", "XDM-ARC-004", HARM, IHE_XDM__SUBSET01__B_DOT_XML=make(order(kind="crh"))),
    _files("a file that nobody told of", "XDM-ARC-005", ADVICE, IHE_XDM__SUBSET01__B_DOT_PDF=b"%PDF-1.4 %%EOF"),
    Variant(
        label="no README.TXT",
        rule="XDM-ARC-006",
        weight=ADVICE,
        change=lambda entries: {path: content for path, content in entries.items() if path != "README.TXT"},
    ),
    _files("files of a Mac", "XDM-ARC-007", ADVICE, **{f"{SUBSET}/_DOT_DS_Store": b"x", f"{SUBSET}/._A": b"x"}),
    _files("files of an editor", "XDM-ARC-007", ADVICE, **{f"{SUBSET}/.METADATA.XML.swp": b"x"}),
    _files("a long name", "XDM-ARC-008", ADVICE, **{"A_RATHER_LONG_NAME.TXT": b"x"}),
    _files("a zip in the zip", "XDM-ARC-009", ADVICE, INNER_DOT_ZIP=zips.zipped({"A": b"a"})),
    _files("an IHE XDM in the zip", "XDM-ARC-010", DANGER, **{"INNER.ZIP": zips.zipped(right())}),
    # METADATA.XML as a whole.
    _swap("ebRIM 2", "xsd:rim:3.0", "xsd:rim:2.1", "XDM-MET-001", HARM),
    _swap(
        "two objects of one id",
        'mimeType="text/xml">',
        'mimeType="text/xml"><ExtrinsicObject id="a"/><ExtrinsicObject id="a"/>',
        "XDM-MET-001",
        HARM,
    ),
    _drop("no submission set", r"<RegistryPackage.*?</RegistryPackage>", "XDM-MET-002", HARM),
    _swap("two submission sets", "<RegistryPackage", '<RegistryPackage id="b"/><RegistryPackage', "XDM-MET-002", HARM),
    _drop("no document", r"<ExtrinsicObject.*?</ExtrinsicObject>", "XDM-MET-003", HARM),
    _drop("no patient of the set", r"<ExternalIdentifier[^>]*6b5aea1a.*?</ExternalIdentifier>", "XDM-MET-005", FORM),
    _drop("no source of the set", r"<ExternalIdentifier[^>]*554ac39e.*?</ExternalIdentifier>", "XDM-MET-005", FORM),
    _swap("no member", "AssociationType:HasMember", "AssociationType:Other", "XDM-MET-006", FORM),
    Variant(label="one id twice", rule="XDM-MET-007", weight=HARM, change=_twice),
    Variant(label="an archive with two patients", rule="XDM-MET-004", weight=DANGER, change=_two_patients),
    _meta(
        "another patient of the set",
        "XDM-MET-004",
        DANGER,
        lambda content: re.sub(rb'(6b5aea1a[^>]* value=")[0-9]+', rb"\g<1>146026322000196", content),
    ),
    _meta("a DOCTYPE", "GRD-XML-003", DANGER, lambda content: replaced(content, "<lcm:", "<!DOCTYPE a><lcm:", 1)),
    _meta("UTF-16", "GRD-XML-002", DANGER, lambda content: content.decode().encode("utf-16")),
    _meta("cut", "GRD-XML-004", DANGER, lambda content: content[:900]),
    # The file of an entry.
    _slot("URI", "DOC00009.XML", "XDM-DOC-001", HARM),
    _slot("URI", "../../INDEX.HTM", "XDM-DOC-001", HARM),
    _slot("URI", "http://elsewhere.example/DOC00001.XML", "XDM-DOC-001", HARM),
    _slot("URI", ".\\DOC00001.XML", "XDM-DOC-001", HARM),
    _drop("no URI", r'<Slot name="URI">.*?</Slot>', "XDM-DOC-001", HARM),
    _slot("URI", "doc00001.xml", "XDM-DOC-002"),
    _slot("hash", "0" * 40, "XDM-DOC-003", HARM),
    _drop("no hash", r'<Slot name="hash">.*?</Slot>', "XDM-DOC-003", HARM),
    _slot("size", "12", "XDM-DOC-004", HARM),
    _drop("no size", r'<Slot name="size">.*?</Slot>', "XDM-DOC-004", HARM),
    Variant(
        label="a document changed on its way",
        rule="XDM-DOC-003",
        weight=HARM,
        change=lambda entries: {**entries, DOCUMENT: replaced(entries[DOCUMENT], "EXEMPLE", "EXEMPLA")},
    ),
    _swap("mimeType", 'mimeType="text/xml"', 'mimeType="application/pdf"', "XDM-DOC-005", HARM),
    _swap("mimeType of a sheet", 'mimeType="text/xml"', 'mimeType="application/xslt+xml"', "XDM-DOC-005", HARM),
    _document("no CDA", "XDM-DOC-006", FORM, lambda _: b"<ContinuityOfCareRecord/>"),
    # The patient.
    Variant(label="the document of another patient", rule="XDM-DOC-008", weight=DANGER, change=_other_patient),
    _swap("patientId of another", _PERSON, OTHER.matricule.value, "XDM-DOC-008", DANGER),
    _swap("key of patientId", _MINE, _MINE.replace("89^", "88^"), "XDM-DOC-009", HARM),
    _swap("authority of patientId", "213.1.4.10&amp;ISO^NH", "213.1.4.8&amp;ISO^NH", "XDM-DOC-009", HARM),
    _swap("form of patientId", f"{_PERSON}^^^&amp;", f"{_PERSON}&amp;", "XDM-DOC-010", HARM),
    _drop("no patientId", rf"<ExternalIdentifier[^>]*{_ENTRY}.*?</ExternalIdentifier>", "XDM-DOC-010", HARM),
    _swap("type of patientId", "ISO^NH", "ISO^PI", "XDM-DOC-013", ADVICE),
    _slot(
        "sourcePatientId",
        f"{OTHER.matricule.value}^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^PI",
        "XDM-DOC-008",
        DANGER,
        "of another",
    ),
    # What is repeated of the header.
    _meta("uniqueId", "XDM-DOC-011", HARM, lambda content: replaced(content, order().oid("document"), "2.25.1")),
    _swap("typeCode", 'nodeRepresentation="11490-0"', 'nodeRepresentation="34112-3"', "XDM-DOC-012", HARM),
    _swap("system of typeCode", "2.16.840.1.113883.6.1", "1.2.250.1.213.1.1.4.12", "XDM-DOC-012", HARM),
    _swap("classCode", 'nodeRepresentation="10"', 'nodeRepresentation="31"', "XDM-DOC-020", ADVICE),
    _swap("formatCode", "urn:ihe:iti:xds-sd:pdf:2008", "urn:ihe:iti:xds-sd:text:2008", "XDM-DOC-021", ADVICE),
    _slot("languageCode", "en-US", "XDM-DOC-022"),
    _swap("confidentialityCode", 'nodeRepresentation="N"', 'nodeRepresentation="V"', "XDM-DOC-023", ADVICE),
    _swap("facility", 'nodeRepresentation="SA01"', 'nodeRepresentation="SA07"', "XDM-DOC-024", ADVICE),
    _swap("practice", 'nodeRepresentation="ETABLISSEMENT"', 'nodeRepresentation="AMBULATOIRE"', "XDM-DOC-025", ADVICE),
    _swap(
        "title",
        '<LocalizedString value="Lettre de liaison à la sortie de l',
        '<LocalizedString value="Autre',
        "XDM-DOC-026",
        ADVICE,
    ),
    _slot("legalAuthenticator", "899999999999^AUTRE", "XDM-DOC-027"),
    _slot("creationTime", "20240110003000", "XDM-DOC-028", label="not in UTC"),
    _drop("no creationTime", r'<Slot name="creationTime">.*?</Slot>', "XDM-DOC-028", ADVICE),
    _slot("serviceStartTime", "20230109233000", "XDM-DOC-029"),
    _drop("no serviceStopTime", r'<Slot name="serviceStopTime">.*?</Slot>', "XDM-DOC-029", ADVICE),
    _swap("name of the patient", "PID-5|EXEMPLE", "PID-5|AUTRE", "XDM-DOC-030", ADVICE),
    _swap("birth of the patient", "PID-7|1979", "PID-7|1978", "XDM-DOC-030", ADVICE),
    _swap("sex of the patient", "PID-8|F", "PID-8|M", "XDM-DOC-030", ADVICE),
    _slot("sourcePatientId", "12^^^&amp;1.2.3&amp;ISO^PI", "XDM-DOC-031", label="unknown"),
    _swap(
        "a replacement that the document does not tell of",
        "</RegistryObjectList>",
        '<Association associationType="urn:ihe:iti:2007:AssociationType:RPLC" id="r" targetObject="urn:uuid:1" '
        f'sourceObject="urn:uuid:{order().uuid("entry")}"/></RegistryObjectList>',
        "XDM-DOC-032",
        FORM,
    ),
    _document(
        "a replacement that METADATA.XML does not tell of",
        "XDM-DOC-032",
        FORM,
        lambda content: replaced(
            content,
            "<componentOf>",
            '<relatedDocument typeCode="RPLC"><parentDocument>'
            '<id root="2.25.7"/></parentDocument></relatedDocument><componentOf>',
        ),
    ),
    # The guard of a document.
    _document(
        "a document with a DOCTYPE",
        "GRD-XML-003",
        DANGER,
        lambda content: replaced(content, "<ClinicalDocument", "<!DOCTYPE a><ClinicalDocument"),
    ),
    _document(
        "a document that lies about UTF-8", "GRD-XML-004", DANGER, lambda content: content.decode().encode("latin-1")
    ),
)

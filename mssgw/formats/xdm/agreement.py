"""One document held against its entry in METADATA.XML: the table of the CI-SIS, line by line (FMT-3, FMT-4)."""

import hashlib
from collections.abc import Iterator

from mssgw.core.clinical import Rule
from mssgw.core.document_patients import DocumentPatient, PersonId, folded
from mssgw.formats.archive import Entry
from mssgw.formats.cda.report import shown
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.xdm import ebrim, rules
from mssgw.formats.xdm.ebrim import Code, Told, person_of
from mssgw.formats.xdm.header import CLASS_OF, CLASS_SYSTEM, CLASSES, Header, is_same_moment

Broken = tuple[Rule, str, str]  # a rule, what was found, what was expected

_GENDERS = {"UN": "U"}  # CDA to HL7 v2
_BODIES = {kind.value: kind for kind in (Kind.PDF, Kind.JPEG, Kind.PNG, Kind.TIFF, Kind.RTF, Kind.ZIP)}


def sha1(content: bytes) -> str:
    """The hash that XDS metadata have: to find damage, not to prove anything."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def check_file(told: Told, file: Entry, digest: str) -> Iterator[Broken]:
    """The octets of any document: hash (``digest`` is the right one) and size."""
    if told.slot("hash").lower() != digest:
        yield rules.HASH, _seen(told, "hash"), "SHA-1 du fichier"
    if told.slot("size") != str(len(file.content)):
        yield rules.SIZE, shown(told.slot("size")), str(len(file.content))


def check_other(told: Told, file: Entry) -> Iterator[Broken]:
    """A document that is no CDA."""
    kind = kind_of(file.content)
    yield rules.NOT_CDA, kind.value, "CDA R2"
    if not told.people(ebrim.PATIENT_ID):
        yield rules.PATIENT_FORM, _state(told.identifiers.get(ebrim.PATIENT_ID, ())), "identifiant^^^&OID&ISO^NH"
    if _BODIES.get(told.mime, kind) is not kind:
        yield rules.NOT_ITS_MIME, kind.value, shown(told.mime)


def check_document(told: Told, header: Header, *, is_replacement: bool) -> Iterator[Broken]:
    """A CDA, by its header, against everything that METADATA.XML repeats of it."""
    mime = "application/xslt+xml" if header.document.presented else "text/xml"
    if told.mime != mime:
        yield rules.MIME, shown(told.mime), mime
    yield from _check_patient(told, header)
    if told.identifier(ebrim.UNIQUE_ID).lower() != header.unique_id.lower() or not header.unique_id:
        yield rules.UNIQUE_ID, "absent" if not told.identifier(ebrim.UNIQUE_ID) else "autre valeur", "id du document"
    code, system = header.code("code")
    if not _has(told, ebrim.TYPE, code, system):
        yield rules.TYPE, _codes(told, ebrim.TYPE), shown(code)
    yield from _check_codes(told, header)
    yield from _check_times(told, header)
    yield from _check_people(told, header)
    if header.replaces is not is_replacement:
        where = ("METADATA.XML seul", "document seul")
        yield rules.REPLACED, where[header.replaces], "les deux ou aucun"


def _check_patient(told: Told, header: Header) -> Iterator[Broken]:  # req: FMT-4, SD-7, SD-11
    people, said = told.people(ebrim.PATIENT_ID), told.identifiers.get(ebrim.PATIENT_ID, ())
    if len(said) != 1 or not people:
        yield rules.PATIENT_FORM, _state(said), "identifiant^^^&OID&ISO^NH"
    elif said[0].split("^")[4:5] != ["NH"]:
        yield rules.PATIENT_TYPE, "autre type", "NH"
    ids = [each for patient in header.patients for each in patient.ids]
    for person in people:  # one reader may take the first, another the last
        yield from _compare(person, ids)


def _compare(person: PersonId, ids: list[PersonId]) -> Iterator[Broken]:
    if PersonId(person.root, person.extension.upper()) in [PersonId(each.root, each.extension.upper()) for each in ids]:
        return
    alike = any(each.is_ins and person.is_ins and each.person == person.person for each in ids)
    if alike:
        yield rules.PATIENT_KEY, "autre clé ou autorité", "INS du document"
    else:
        yield rules.PATIENT, "autre patient", "identifiant du patient du document"


def _check_codes(told: Told, header: Header) -> Iterator[Broken]:
    kind = header.get("code", "code")
    class_ = _single(told, ebrim.CLASS)
    right = {CLASS_OF[kind]} if kind in CLASS_OF else CLASSES
    if class_ is None or class_.code not in right or class_.system != CLASS_SYSTEM:
        yield rules.CLASS, _codes(told, ebrim.CLASS), " ou ".join(sorted(right))
    formats = header.formats
    if formats and not any(_has(told, ebrim.FORMAT, *each) for each in formats):
        yield rules.FORMAT, "autre valeur", " ou ".join(sorted({code for code, _ in formats}))
    language = header.get("languageCode", "code")
    if told.slot("languageCode") != language:
        yield rules.LANGUAGE, shown(told.slot("languageCode")), shown(language)
    first = told.codes.get(ebrim.CONFIDENTIALITY, ())[:1]
    if [each.code for each in first] != [header.get("confidentialityCode", "code")]:
        yield rules.CONFIDENTIALITY, _codes(told, ebrim.CONFIDENTIALITY), "celui du document"
    places = (
        (rules.FACILITY, ebrim.FACILITY, "componentOf/encompassingEncounter/location/healthCareFacility/code"),
        (
            rules.PRACTICE,
            ebrim.PRACTICE,
            "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
        ),
    )
    for rule, scheme, path in places:
        code, system = header.code(path)
        if (code or told.codes.get(scheme)) and not _has(told, scheme, code, system):
            yield rule, _codes(told, scheme), shown(code)


def _check_times(told: Told, header: Header) -> Iterator[Broken]:
    if not is_same_moment(told.slot("creationTime"), header.get("effectiveTime", "value")):
        yield rules.CREATED, _seen(told, "creationTime"), "effectiveTime en UTC"
    for name, end in (("serviceStartTime", "low"), ("serviceStopTime", "high")):
        local = header.get(f"documentationOf/serviceEvent/effectiveTime/{end}", "value")
        if bool(told.slot(name)) != bool(local) or (local and not is_same_moment(told.slot(name), local)):
            yield rules.SERVICE, _seen(told, name), f"effectiveTime/{end} en UTC"


def _check_people(told: Told, header: Header) -> Iterator[Broken]:
    if " ".join(told.title.split()) != header.title:
        yield rules.TITLE, "autre titre" if told.title else "absent", "celui du document"
    signer = told.slot("legalAuthenticator").split("^")[0].strip()
    if signer not in header.signers:
        yield rules.LEGAL, _seen(told, "legalAuthenticator"), "id du responsable du document"
    source = person_of(told.slot("sourcePatientId"))
    ids = [each for patient in header.patients for each in patient.ids]
    if source and source.is_ins:
        yield from _compare(source, ids)  # an INS of somebody else is no matter of form wherever it stands
    elif source not in ids:
        yield rules.SOURCE_ID, _seen(told, "sourcePatientId"), "identifiant du patient du document"
    missing = [name for name, same in _traits(told, header.patients) if not same]
    if missing:
        yield rules.TRAITS, " ".join(missing), "traits du document"


def _traits(told: Told, patients: tuple[DocumentPatient, ...]) -> Iterator[tuple[str, bool]]:
    if len(patients) != 1:
        return
    (patient,) = patients
    said = patient_of(told)
    ours = {folded(name) for name in patient.names}
    yield "PID-5", any(folded(name) in ours for name in said.names)
    yield "PID-7", bool(said.birth_date) and said.birth_date[:8] == patient.birth_date[:8]
    yield "PID-8", said.gender == _GENDERS.get(patient.gender, patient.gender)


def patient_of(told: Told) -> DocumentPatient:
    """The patient that METADATA.XML tells of: patientId and sourcePatientInfo."""
    fields: dict[str, list[str]] = {}
    for value in told.slots.get("sourcePatientInfo", ()):
        name, _, words = value.partition("|")
        fields.setdefault(name.strip(), []).extend(words.split("~"))
    names = [name.split("^") for name in fields.get("PID-5", [])]
    return DocumentPatient(
        ids=(*told.people(ebrim.PATIENT_ID), *told.people(ebrim.SET_PATIENT_ID)),
        family=names[0][0].strip() if names else "",
        given=names[0][1].strip() if names and len(names[0]) > 1 else "",
        names=tuple(name[0].strip() for name in names if name[0].strip()),
        birth_date=fields.get("PID-7", [""])[0].strip(),
        gender=fields.get("PID-8", [""])[0].strip(),
    )


def _single(told: Told, scheme: str) -> Code | None:
    codes = told.codes.get(scheme, ())
    return codes[0] if len(codes) == 1 else None


def _has(told: Told, scheme: str, code: str, system: str) -> bool:
    """Whether the one classification of this scheme is this code."""
    return bool(code) and _single(told, scheme) == Code(code=code, system=system)


def _codes(told: Told, scheme: str) -> str:
    codes = told.codes.get(scheme, ())
    return " ".join(shown(each.code) for each in codes[:3]) or "absent"


def _seen(told: Told, name: str) -> str:
    return _state(told.slots.get(name, ()))


def _state(values: tuple[str, ...]) -> str:
    return ("absent", "autre valeur")[len(values)] if len(values) < 2 else "plusieurs valeurs"

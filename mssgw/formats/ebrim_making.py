"""METADATA.XML as the maker writes it: ebRIM 3, with what a document says of itself (FMT-3).

The identifiers of schemes are written out here once more, and not taken from the reader: so each is held by the other.
"""

import hashlib
from collections.abc import Iterator, Sequence

from mssgw.formats.cda.kinds import N1_FORMAT, Coded
from mssgw.formats.cda.making import ORGANISATIONS, PROFESSIONALS
from mssgw.formats.cda.orders import Order, Patient, utc_stamp
from mssgw.formats.markup import Node, document, node, text

_OBJECT = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject"
_ASSOCIATION = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
_REPLACES = "urn:ihe:iti:2007:AssociationType:RPLC"
_APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
_DOCUMENT = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
_SUBMISSION_SET = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
_AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
_SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
_CONTENT_TYPE = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
_SCHEMES = {
    "class": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentiality": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "format": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "facility": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practice": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "type": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
}
_SEPARATORS = str.maketrans("|^~&\\", "     ")
_NORMAL = Coded("N", "2.16.840.1.113883.5.25", "Normal")
_HOSPITALISED = Coded("03", "1.2.250.1.213.2.2", "Hospitalisation")
_CONSULTED = Coded("07", "1.2.250.1.213.2.2", "Consultation")


def metadata(orders: Sequence[Order], documents: dict[str, bytes]) -> bytes:
    """METADATA.XML of the documents, by the names of their files, in the order of ``orders``."""
    objects: list[Node] = []
    for order, (name, content) in zip(orders, documents.items(), strict=True):
        objects += [_entry(order, name, content)]
    objects += [_submission_set(orders[0])]
    objects += [
        node(
            "Classification",
            classifiedObject=_set_id(orders[0]),
            classificationNode=_SUBMISSION_SET,
            id=_urn(orders[0], "set node"),
            objectType=f"{_OBJECT}:Classification",
        )
    ]
    for order in orders:
        objects += _associations(orders[0], order)
    listed = node("RegistryObjectList", *objects, xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0")
    return document(node("lcm:SubmitObjectsRequest", listed, xmlns__lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"))


def _entry(order: Order, name: str, content: bytes) -> Node:
    patient = order.patient
    local = patient.local or (patient.authority.value, patient.matricule.value)
    kind = order.kind
    coded = {
        "class": kind.class_,
        "confidentiality": _NORMAL,
        "format": kind.format if order.structured else N1_FORMAT,
        "facility": kind.facility,
        "practice": kind.setting,
        "type": kind.code,
    }
    return node(
        "ExtrinsicObject",
        _slot("URI", name),
        _slot("creationTime", utc_stamp(order.at)),
        _slot("hash", hashlib.sha1(content, usedforsecurity=False).hexdigest()),
        _slot("size", str(len(content))),
        _slot("languageCode", "fr-FR"),
        _slot("legalAuthenticator", _xcn(order)),
        _slot("serviceStartTime", utc_stamp(order.begins)),
        _slot("serviceStopTime", utc_stamp(order.at)),
        _slot("sourcePatientId", f"{local[1]}^^^&{local[0]}&ISO^PI"),
        _slot("sourcePatientInfo", *_pid(patient)),
        node("Name", _localised(order.heading)),
        *_identified_author(order, _AUTHOR, _entry_id(order)),
        *(_classified(order, _SCHEMES[what], code) for what, code in coded.items()),
        _identifier(
            order,
            _entry_id(order),
            "58a6f841-87b3-4a3e-92fd-a8ffeff98427",
            _patient_id(patient),
            "XDSDocumentEntry.patientId",
        ),
        _identifier(
            order,
            _entry_id(order),
            "2e82c1f6-a085-4c72-9da3-8640a32e42ab",
            order.oid("document"),
            "XDSDocumentEntry.uniqueId",
        ),
        id=_entry_id(order),
        objectType=_DOCUMENT,
        status=_APPROVED,
        mimeType="text/xml",
    )


def _submission_set(order: Order) -> Node:
    set_id = _set_id(order)
    stay = _HOSPITALISED if order.kind.encounter.code == "IMP" else _CONSULTED
    return node(
        "RegistryPackage",
        _slot("submissionTime", utc_stamp(order.at)),
        node("Name", _localised(order.heading)),
        *_identified_author(order, _SET_AUTHOR, set_id),
        _classified(order, _CONTENT_TYPE, stay, of=set_id),
        _identifier(
            order,
            set_id,
            "6b5aea1a-874d-4603-a4bc-96a0a7b38446",
            _patient_id(order.patient),
            "XDSSubmissionSet.patientId",
        ),
        _identifier(
            order,
            set_id,
            "554ac39e-e3fe-47fe-b233-965d2a147832",
            f"{ORGANISATIONS}.{int(order.author.finess, 16)}",
            "XDSSubmissionSet.sourceId",
        ),
        _identifier(
            order,
            set_id,
            "96fdda7c-d067-4183-912e-bf5ee74998a8",
            order.oid("submission set"),
            "XDSSubmissionSet.uniqueId",
        ),
        id=set_id,
        objectType=f"{_OBJECT}:RegistryPackage",
        status=_APPROVED,
    )


def _associations(first: Order, order: Order) -> Iterator[Node]:
    yield node(
        "Association",
        _slot("SubmissionSetStatus", "Original"),
        associationType=_ASSOCIATION,
        id=_urn(order, "member"),
        objectType=f"{_OBJECT}:Association",
        sourceObject=_set_id(first),
        targetObject=_entry_id(order),
    )
    if order.replaces is not None:
        yield node(
            "Association",
            associationType=_REPLACES,
            id=_urn(order, "replacement"),
            objectType=f"{_OBJECT}:Association",
            sourceObject=_entry_id(order),
            targetObject=_entry_id(order.replaces),
        )


def _slot(name: str, *values: str) -> Node:
    return node("Slot", node("ValueList", *(text("Value", value) for value in values)), name=name)


def _localised(words: str) -> Node:
    return node("LocalizedString", value=words, charset="UTF-8", **{"xml:lang": "fr-FR"})


def _classified(order: Order, scheme: str, code: Coded, *, of: str | None = None) -> Node:
    return node(
        "Classification",
        _slot("codingScheme", code.system),
        node("Name", _localised(code.display)),
        classificationScheme=scheme,
        classifiedObject=of or _entry_id(order),
        id=_urn(order, f"classification {scheme} {of}"),
        nodeRepresentation=code.code,
        objectType=f"{_OBJECT}:Classification",
    )


def _identified_author(order: Order, scheme: str, of: str) -> Iterator[Node]:
    author, profession = order.author, order.kind.profession
    organisation = f"{_plain(author.organisation)}^^^^^&{ORGANISATIONS}&ISO^IDNST^^^1{author.finess}"
    yield node(
        "Classification",
        _slot("authorInstitution", organisation),
        _slot("authorPerson", _xcn(order)),
        _slot("authorSpecialty", f"{profession.code}^{profession.display}^{profession.system}"),
        classificationScheme=scheme,
        classifiedObject=of,
        id=_urn(order, f"author {of}"),
        nodeRepresentation="",
        objectType=f"{_OBJECT}:Classification",
    )


def _identifier(order: Order, of: str, scheme: str, value: str, name: str) -> Node:
    return node(
        "ExternalIdentifier",
        node("Name", _localised(name)),
        id=_urn(order, f"identifier {name}"),
        identificationScheme=f"urn:uuid:{scheme}",
        objectType=f"{_OBJECT}:ExternalIdentifier",
        registryObject=of,
        value=value,
    )


def _xcn(order: Order) -> str:
    author = order.author
    return f"8{author.rpps}^{_plain(author.family)}^{_plain(author.given)}^^^^^^&{PROFESSIONALS}&ISO^D^^^IDNPS"


def _pid(patient: Patient) -> tuple[str, ...]:
    given = _plain(" ".join(patient.given))
    name = f"PID-5|{_plain(patient.family)}^{_plain(patient.given[0])}^{given}^^^^L"
    return name, f"PID-7|{patient.birth:%Y%m%d}", f"PID-8|{patient.gender}"


def _plain(words: str) -> str:
    """Words in a field of HL7 v2, in which its separators would mean something."""
    return words.translate(_SEPARATORS)


def _patient_id(patient: Patient) -> str:
    return f"{patient.matricule.value}^^^&{patient.authority.value}&ISO^NH"


def _entry_id(order: Order) -> str:
    return _urn(order, "entry")


def _set_id(order: Order) -> str:
    return _urn(order, "submission set")


def _urn(order: Order, what: str) -> str:
    return f"urn:uuid:{order.uuid(what)}"

"""Writes CDA R2 documents for tests: a right header (CDA-1), and a body that is a PDF (N1, CDA-2) or sections.

Such a document is valid against the schema and the rules of this gateway. Of the CI-SIS models that a structured one
names it has the sections' text but not their coded entries. The same order gives the same octets.
"""

import base64
from datetime import datetime

from mssgw.formats.cda.kinds import LOINC, N1_TEMPLATE, Coded, Section
from mssgw.formats.cda.orders import Author, Order, Patient, stamp
from mssgw.formats.markup import Node, document, node, text

PROFESSIONALS = "1.2.250.1.71.4.2.1"
ORGANISATIONS = "1.2.250.1.71.4.2.2"
_COPY = Section(Coded("55108-5", LOINC, "Copie du document"), "Copie du document", ())


def make(order: Order) -> bytes:
    """The document of an order, in UTF-8."""
    return document(
        node(
            "ClinicalDocument",
            *_identity(order),
            _record_target(order.patient),
            _author(order),
            _custodian(order.author),
            _legal_authenticator(order),
            _documentation(order),
            _replaced(order),
            _encounter(order),
            node("component", _structured(order) if order.structured else _unstructured(order)),
            xmlns="urn:hl7-org:v3",
            xmlns__xsi="http://www.w3.org/2001/XMLSchema-instance",
        )
    )


def _identity(order: Order) -> list[Node]:  # req: CDA-1, CDA-2
    kind = order.kind
    models = kind.models if order.structured else ((N1_TEMPLATE, None),)
    templates = (("2.16.840.1.113883.2.8.2.1", None), ("1.2.250.1.213.1.1.1.1", None), *models)
    return [
        node("realmCode", code="FR"),
        node("typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040"),
        *(node("templateId", root=root, extension=extension) for root, extension in templates),
        node("id", root=order.oid("document")),
        kind.code.node("code"),
        text("title", order.heading),
        node("effectiveTime", value=stamp(order.at)),
        Coded("N", "2.16.840.1.113883.5.25", "Normal").node("confidentialityCode"),
        node("languageCode", code="fr-FR"),
        node("setId", root=order.set_id),
        node("versionNumber", value=str(order.version)),
    ]


def _record_target(patient: Patient) -> Node:
    first = patient.given[0]
    local = node("id", root=patient.local[0], extension=patient.local[1]) if patient.local else None
    gender = Coded(patient.gender, "2.16.840.1.113883.5.1", {"M": "Masculin", "F": "Féminin"}[patient.gender])
    return node(
        "recordTarget",
        node(
            "patientRole",
            node("id", root=patient.authority.value, extension=patient.matricule.value),
            local,
            node("addr", nullFlavor="NASK"),
            node("telecom", nullFlavor="NASK"),
            node(
                "patient",
                node(
                    "name",
                    text("family", patient.family, qualifier="BR"),
                    text("given", " ".join(patient.given)),
                    text("given", first, qualifier="BR"),
                    text("family", patient.family, qualifier="CL"),
                    text("given", first, qualifier="CL"),
                ),
                gender.node("administrativeGenderCode"),
                node("birthTime", value=f"{patient.birth:%Y%m%d}"),
                node("birthplace", node("place", node("addr", text("county", patient.birthplace)))),
            ),
        ),
    )


def _author(order: Order) -> Node:
    author = order.author
    return node(
        "author",
        node("time", value=stamp(order.at)),
        node(
            "assignedAuthor",
            _professional(author),
            order.kind.profession.node("code"),
            _address(author),
            _telecom(author),
            _person(author),
            node("representedOrganization", *_organisation(author)),
        ),
    )


def _custodian(author: Author) -> Node:
    organisation = node("representedCustodianOrganization", *_organisation(author), _telecom(author), _address(author))
    return node("custodian", node("assignedCustodian", organisation))


def _legal_authenticator(order: Order) -> Node:
    entity = node("assignedEntity", _professional(order.author), _person(order.author))
    return node("legalAuthenticator", node("time", value=stamp(order.at)), node("signatureCode", code="S"), entity)


def _documentation(order: Order) -> Node:
    author, kind = order.author, order.kind
    organisation = node(
        "representedOrganization", *_organisation(author), kind.setting.node("standardIndustryClassCode")
    )
    entity = node("assignedEntity", _professional(author), kind.profession.node("code"), _person(author), organisation)
    event = node(
        "serviceEvent",
        kind.act.node("code"),
        _interval(order.begins, order.at),
        node("performer", entity, typeCode="PRF"),
        classCode="ACT",
        moodCode="EVN",
    )
    return node("documentationOf", event)


def _replaced(order: Order) -> Node | None:  # req: CDA-5
    if order.replaces is None:
        return None
    parent = node(
        "parentDocument",
        node("id", root=order.replaces.oid("document")),
        node("setId", root=order.replaces.set_id),
        node("versionNumber", value=str(order.replaces.version)),
    )
    return node("relatedDocument", parent, typeCode="RPLC")


def _encounter(order: Order) -> Node:
    place = node("healthCareFacility", order.kind.facility.node("code"))
    until = order.at if order.kind.encounter.code == "IMP" else None
    encounter = node(
        "encompassingEncounter",
        order.kind.encounter.node("code"),
        _interval(order.begins, until),
        node("location", place),
    )
    return node("componentOf", encounter)


def _professional(author: Author) -> Node:
    return node("id", root=PROFESSIONALS, extension=f"8{author.rpps}")


def _person(author: Author) -> Node:
    name = node(
        "name",
        text("prefix", author.prefix) if author.prefix else None,
        text("given", author.given),
        text("family", author.family),
        text("suffix", author.suffix) if author.suffix else None,
    )
    return node("assignedPerson", name)


def _organisation(author: Author) -> list[Node]:
    return [node("id", root=ORGANISATIONS, extension=f"1{author.finess}"), text("name", author.organisation)]


def _telecom(author: Author) -> Node:
    return node("telecom", value=author.telecom, use="WP")


def _address(author: Author) -> Node:
    parts = zip(("houseNumber", "streetName", "postalCode", "city"), author.address, strict=True)
    return node("addr", *(text(name, words) for name, words in parts))


def _interval(low: datetime, high: datetime | None) -> Node:
    return node("effectiveTime", node("low", value=stamp(low)), node("high", value=stamp(high)) if high else None)


def _unstructured(order: Order) -> Node:
    return node("nonXMLBody", _encoded("text", order))


def _encoded(name: str, order: Order, **attributes: str) -> Node:
    words = base64.b64encode(order.shown()).decode()
    return text(name, words, **attributes, mediaType="application/pdf", representation="B64")


def _structured(order: Order) -> Node:
    sections = [
        _section(order, section, node("list", *(text("item", each) for each in section.paragraphs)))
        for section in order.kind.sections
    ]
    copy = [_section(order, _COPY, node("renderMultiMedia", referencedObject="COPIE"), _copied(order))]
    return node("structuredBody", *sections, *(copy if order.copy else ()))


def _section(order: Order, section: Section, narrative: Node, *entries: Node) -> Node:
    inside = node(
        "section",
        node("id", root=str(order.uuid(f"section {section.code.code}")).upper()),
        section.code.node("code"),
        text("title", section.title),
        node("text", narrative),
        *entries,
    )
    return node("component", inside)


def _copied(order: Order) -> Node:
    media = node(
        "observationMedia", _encoded("value", order, xsi__type="ED"), classCode="OBS", moodCode="EVN", ID="COPIE"
    )
    return node("entry", media)

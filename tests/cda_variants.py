"""Labelled invalid variants of a valid CDA document: one change each, the rule that must see it, and what it is worth.

``variants(root)`` yields those that can be made from a document; the change is made in a copy. Elements that are put in
stand where the schema wants them.
"""

import base64
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mssgw.core.clinical import Profile, Verdict, Weight
from mssgw.core.ins import key_of
from mssgw.formats import safexml
from mssgw.formats.documents import HL7
from mssgw.formats.safexml import Element

Change = Callable[[Element], bool]  # False: there is nothing to change in this document

# fmt: off
ORDER = {  # of children, as the schema has it
    "ClinicalDocument": [
        "realmCode", "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode",
        "languageCode", "setId", "versionNumber", "copyTime", "recordTarget", "author", "dataEnterer",
        "informant", "custodian", "informationRecipient", "legalAuthenticator", "authenticator", "participant",
        "inFulfillmentOf", "documentationOf", "relatedDocument", "authorization", "componentOf", "component",
    ],
    "patientRole": [
        "id", "addr", "telecom", "patient", "providerOrganization",
    ],
    "assignedAuthor": [
        "templateId", "id", "code", "addr", "telecom", "assignedPerson", "assignedAuthoringDevice",
        "representedOrganization",
    ],
    "serviceEvent": [
        "templateId", "id", "code", "effectiveTime", "performer",
    ],
    "encompassingEncounter": [
        "templateId", "id", "code", "effectiveTime", "dischargeDispositionCode", "responsibleParty",
        "encounterParticipant", "location",
    ],
}
# fmt: on

_VERDICTS = {
    Weight.DANGER: (Verdict.REJECT, Verdict.REJECT),
    Weight.HARM: (Verdict.REJECT, Verdict.REJECT),
    Weight.FORM: (Verdict.REJECT, Verdict.WARN),
    Weight.ADVICE: (Verdict.WARN, Verdict.WARN),
}


@dataclass(frozen=True)
class Variant:
    """``row``: of the rule tables; ``rule``: the id that must be among the findings."""

    row: str
    what: str
    rule: str
    weight: Weight
    change: Change

    def verdict(self, profile: Profile) -> Verdict:
        """What a document that was faultless before must get now."""
        strict, standard = _VERDICTS[self.weight]
        return strict if profile is Profile.STRICT else standard


def variants(root: Element) -> Iterator[tuple[Variant, Element]]:
    """Every variant that this document allows, with the changed copy."""
    for variant in VARIANTS:
        changed = copy.deepcopy(root)
        if variant.change(changed):
            yield variant, changed


def at(root: Element, path: str) -> Element | None:
    """The first element there, by names in the namespace of CDA; "" is the root, "any a/b" is anywhere."""
    if path.startswith("any "):
        return root.find(".//" + "/".join(f"{HL7}{step}" for step in path[4:].split("/")))
    steps = "/".join(f"{HL7}{step}" for step in path.split("/"))
    return root.find(steps) if path else root


def with_each(change: Callable[[Element], None], path: str) -> Change:
    """Do that to the first element there."""

    def made(root: Element) -> bool:
        element = at(root, path)
        if element is None:
            return False
        change(element)
        return True

    return made


def without(path: str) -> Change:
    """Every element there is gone."""

    def made(root: Element) -> bool:
        found = [*root.iterfind("/".join(f"{HL7}{step}" for step in path.split("/")))]
        for element in found:
            element.getparent().remove(element)
        return bool(found)

    return made


def twice(path: str) -> Change:
    return with_each(lambda element: element.addnext(copy.deepcopy(element)), path)


def null(path: str, flavor: str = "UNK") -> Change:
    def emptied(element: Element) -> None:
        for child in [*element]:
            element.remove(child)
        element.attrib.clear()
        element.text = None
        element.set("nullFlavor", flavor)

    return with_each(emptied, path)


def setting(path: str, **attributes: str | None) -> Change:
    """Attributes with another value, or, with None, without."""

    def made(element: Element) -> None:
        for name, value in attributes.items():
            if value is None:
                element.attrib.pop(name, None)
            else:
                element.set(name, value)

    return with_each(made, path)


def saying(path: str, text: str) -> Change:
    def said(element: Element) -> None:
        element.text = text

    return with_each(said, path)


def with_more(path: str, xml: str) -> Change:
    """Something more in the element there: at its place in a document, else at the end."""
    more = (
        xml.replace(">", ' xmlns="urn:hl7-org:v3">', 1)
        if "/>" not in xml.split(">")[0] + ">"
        else xml.replace("/>", ' xmlns="urn:hl7-org:v3"/>', 1)
    )

    def put(element: Element) -> None:
        new = safexml.parse(more.encode(), limit=100_000)
        name = new.tag.removeprefix(HL7)
        order = ORDER.get(element.tag.removeprefix(HL7), [name])
        later = set(order[order.index(name) + 1 :])
        for child in element.iterchildren("{*}*"):
            if child.tag.removeprefix(HL7) in later:
                child.addprevious(new)
                return
        element.append(new)

    return with_each(put, path)


def both(*changes: Change) -> Change:
    return lambda root: all(change(root) for change in changes)


def file_of(content: bytes, path: str = "component/nonXMLBody/text", **attributes: str) -> Change:
    """An N1, or what is there, with that file in it instead of its own."""

    def made(element: Element) -> None:
        element.text = base64.b64encode(content).decode()
        for name, value in attributes.items():
            element.set(name, value)

    return with_each(made, path)


TEXT = "component/nonXMLBody/text"
MEDIA = "any observationMedia/value"
IN_N1 = with_each(lambda _: None, TEXT)
ROLE = "recordTarget/patientRole"
PATIENT = f"{ROLE}/patient"
NAME = f"{PATIENT}/name"
AUTHOR = "author/assignedAuthor"
KEEPER = "custodian/assignedCustodian/representedCustodianOrganization"
EVENT = "documentationOf/serviceEvent"
PERFORMER = f"{EVENT}/performer"
STAY = "componentOf/encompassingEncounter"
PDF = b"%PDF-1.4\n" + b"1 0 obj\n" * 20 + b"%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
SIGNER = (
    '<authenticator><time value="20240101"/><signatureCode code="S"/><assignedEntity>'
    '<id root="{root}" extension="1"/></assignedEntity></authenticator>'
)
OTHERS = (
    '<participant typeCode="{kind}">{time}<associatedEntity classCode="{of}"><id root="1.2.3" extension="4"/>'
    "</associatedEntity></participant>"
)
NULL_TIME = '<time nullFlavor="UNK"/>'
PARENT = '<relatedDocument typeCode="{kind}"><parentDocument>{inside}</parentDocument></relatedDocument>'
OLDER = '<id root="1.2.3.4.5"/>'
HARM, FORM, ADVICE = Weight.HARM, Weight.FORM, Weight.ADVICE


def _replacing_itself(root: Element) -> bool:
    own = at(root, "id")
    if own is None:
        return False
    attributes = " ".join(f'{name}="{value}"' for name, value in own.attrib.items())
    return with_more("", PARENT.format(kind="RPLC", inside=f"<id {attributes}/>"))(root)


def _set_is_id(root: Element) -> bool:
    own, group = at(root, "id"), at(root, "setId")
    if own is None or group is None:
        return False
    group.attrib.clear()
    group.attrib.update(own.attrib)
    return True


def _ins(of: Callable[[str], str]) -> Change:
    """Another value for the INS, which is the first id of valid documents of ours."""

    def made(element: Element) -> None:
        element.set("extension", of(element.get("extension")))

    return with_each(made, f"{ROLE}/id")


def _second_ins(root: Element) -> bool:
    first = at(root, f"{ROLE}/id")
    if first is None:
        return False
    second = copy.deepcopy(first)
    second.set("extension", "146026322000196" if first.get("extension") != "146026322000196" else "179039935012397")
    first.addnext(second)
    return True


def _other_month(value: str) -> str:
    month = "05" if value[3:5] != "05" else "06"
    return (other := value[:3] + month + value[5:13]) + key_of(other)


def _of(row: str, *rows: tuple[str, str, Weight, Change]) -> list[Variant]:
    return [Variant(row, what, rule, weight, change) for what, rule, weight, change in rows]


VARIANTS = [
    *_of(
        "realmCode",
        ("absent", "CDA-HDR-002", FORM, without("realmCode")),
        ("of another country", "CDA-HDR-002", FORM, setting("realmCode", code="BE")),
        ("twice", "CDA-HDR-002", FORM, twice("realmCode")),
    ),
    *_of(
        "typeId",
        ("absent", "CDA-HDR-003", HARM, without("typeId")),
        ("of another root", "CDA-HDR-003", HARM, setting("typeId", root="2.16.840.1.113883.1.4")),
        ("of CDA R1", "CDA-HDR-003", HARM, setting("typeId", extension="POCD_HD000020")),
    ),
    *_of(
        "templateId",
        ("none", "CDA-HDR-004", FORM, without("templateId")),
        ("not of HL7 France", "CDA-HDR-004", FORM, setting("templateId", root="1.2.3")),
        ("root is no OID", "CDA-HDR-005", FORM, with_more("", '<templateId root="urn:oid:1.2"/>')),
    ),
    *_of(
        "id",
        ("absent", "CDA-HDR-006", HARM, without("id")),
        ("null", "CDA-HDR-006", HARM, null("id")),
        ("without root", "CDA-HDR-006", HARM, setting("id", root=None)),
        ("twice", "CDA-HDR-006", HARM, twice("id")),
        ("root neither OID nor UUID", "CDA-HDR-007", FORM, setting("id", root="DOC-1")),
        ("empty extension", "CDA-HDR-007", FORM, setting("id", extension="")),
    ),
    *_of(
        "code",
        ("absent", "CDA-HDR-008", HARM, without("code")),
        ("null", "CDA-HDR-008", HARM, null("code")),
        ("without code", "CDA-HDR-008", HARM, setting("code", code=None)),
        ("without system", "CDA-HDR-009", FORM, setting("code", codeSystem=None)),
        ("without display name", "CDA-HDR-009", FORM, setting("code", displayName=None)),
    ),
    *_of(
        "title, effectiveTime",
        ("no title", "CDA-HDR-011", FORM, without("title")),
        ("blank title", "CDA-HDR-011", FORM, saying("title", " \n ")),
        ("two titles", "CDA-HDR-011", FORM, twice("title")),
        ("no time", "CDA-HDR-012", HARM, without("effectiveTime")),
        ("null time", "CDA-HDR-012", HARM, null("effectiveTime")),
        ("month 13", "CDA-HDR-013", HARM, setting("effectiveTime", value="20241301101500+0100")),
        ("30 February", "CDA-HDR-013", HARM, setting("effectiveTime", value="20240230101500+0100")),
        ("zone of nowhere", "CDA-HDR-013", HARM, setting("effectiveTime", value="20240210101500+9900")),
        ("no zone", "CDA-HDR-014", FORM, setting("effectiveTime", value="20240210101500")),
        ("month only", "CDA-HDR-014", FORM, setting("effectiveTime", value="202402")),
        ("future", "CDA-HDR-015", FORM, setting("effectiveTime", value="21240210101500+0100")),
        ("UTF-8 read as Latin-1", "CDA-HDR-023", ADVICE, saying("title", "Compte rendu d'hÃ©matologie")),
    ),
    *_of(
        "confidentialityCode",
        ("absent", "CDA-HDR-016", HARM, without("confidentialityCode")),
        ("twice", "CDA-HDR-016", HARM, twice("confidentialityCode")),
        ("unknown code", "CDA-HDR-017", FORM, setting("confidentialityCode", code="X")),
        ("of another system", "CDA-HDR-017", FORM, setting("confidentialityCode", codeSystem="1.2.3")),
        ("without display name", "CDA-HDR-017", FORM, setting("confidentialityCode", displayName=None)),
    ),
    *_of(
        "languageCode",
        ("absent", "CDA-HDR-018", FORM, without("languageCode")),
        ("without country", "CDA-HDR-018", FORM, setting("languageCode", code="fr")),
    ),
    *_of(
        "setId, versionNumber",
        ("no set", "CDA-HDR-019", FORM, without("setId")),
        ("null set", "CDA-HDR-019", FORM, null("setId")),
        ("set is the document", "CDA-HDR-020", ADVICE, _set_is_id),
        ("no version", "CDA-HDR-021", FORM, without("versionNumber")),
        ("version in words", "CDA-HDR-021", FORM, setting("versionNumber", value="un")),
    ),
    *_of(
        "recordTarget",
        ("absent", "CDA-PAT-001", HARM, without("recordTarget")),
        ("null", "CDA-PAT-001", HARM, null("recordTarget")),
        ("two patients", "CDA-PAT-002", HARM, twice("recordTarget")),
        ("no role", "CDA-PAT-003", HARM, without(ROLE)),
        ("no id", "CDA-PAT-004", FORM, without(f"{ROLE}/id")),
        ("id without extension", "CDA-PAT-004", FORM, with_more(ROLE, '<id root="1.2.3"/>')),
    ),
    *_of(
        "patient",
        ("absent", "CDA-PAT-003", HARM, without(PATIENT)),
        ("no name", "CDA-PAT-005", HARM, without(NAME)),
        ("null name", "CDA-PAT-005", HARM, null(NAME)),
        ("two names", "CDA-PAT-006", FORM, twice(NAME)),
        ("no gender", "CDA-PAT-010", FORM, without(f"{PATIENT}/administrativeGenderCode")),
        ("gender H", "CDA-PAT-010", FORM, setting(f"{PATIENT}/administrativeGenderCode", code="H")),
        (
            "gender of another system",
            "CDA-PAT-010",
            FORM,
            setting(f"{PATIENT}/administrativeGenderCode", codeSystem="1.2"),
        ),
        ("no birth date", "CDA-PAT-011", FORM, without(f"{PATIENT}/birthTime")),
        ("birth date with zeros", "CDA-PAT-012", FORM, setting(f"{PATIENT}/birthTime", value="19790000")),
        ("birth date of no calendar", "CDA-PAT-013", HARM, setting(f"{PATIENT}/birthTime", value="19790231")),
        ("birth date as people write it", "CDA-PAT-013", HARM, setting(f"{PATIENT}/birthTime", value="31/01/1979")),
        ("birth date to come", "CDA-PAT-014", HARM, setting(f"{PATIENT}/birthTime", value="21790131")),
        ("born in 1779", "CDA-PAT-015", ADVICE, setting(f"{PATIENT}/birthTime", value="17790328")),
    ),
    *_of(
        "name",
        ("no family", "CDA-PAT-007", FORM, without(f"{NAME}/family")),
        ("family without qualifier", "CDA-PAT-007", FORM, setting(f"{NAME}/family", qualifier=None)),
        ("family qualifier SP", "CDA-PAT-007", FORM, setting(f"{NAME}/family", qualifier="SP")),
        ("no given", "CDA-PAT-008", FORM, without(f"{NAME}/given")),
        ("given qualifier XX", "CDA-PAT-008", FORM, setting(f"{NAME}/given", qualifier="XX")),
        ("two prefixes", "CDA-PAT-009", FORM, both(*[with_more(NAME, "<prefix>M</prefix>")] * 2)),
    ),
    *_of(
        "author",
        ("absent", "CDA-PER-001", HARM, without("author")),
        ("not assigned", "CDA-PER-001", HARM, without(AUTHOR)),
        ("no time", "CDA-PER-002", FORM, without("author/time")),
        ("25 o'clock", "CDA-TIM-001", FORM, setting("author/time", value="20240101250000+0100")),
        ("no id", "CDA-PER-003", FORM, without(f"{AUTHOR}/id")),
        ("id without extension", "CDA-PER-003", FORM, setting(f"{AUTHOR}/id", extension=None)),
        ("code without system", "CDA-COD-001", FORM, setting(f"{AUTHOR}/code", codeSystem=None)),
        ("code without display name", "CDA-COD-001", FORM, setting(f"{AUTHOR}/code", displayName=None)),
        ("two codes", "CDA-PER-004", FORM, twice(f"{AUTHOR}/code")),
        ("nobody", "CDA-PER-006", FORM, without(f"{AUTHOR}/assignedPerson")),
        ("no family", "CDA-PER-006", FORM, without(f"{AUTHOR}/assignedPerson/name/family")),
        ("two given", "CDA-PER-006", FORM, twice(f"{AUTHOR}/assignedPerson/name/given")),
        (
            "software without a name",
            "CDA-PER-006",
            FORM,
            both(
                without(f"{AUTHOR}/assignedPerson"),
                with_more(
                    AUTHOR,
                    "<assignedAuthoringDevice><manufacturerModelName>X</manufacturerModelName></assignedAuthoringDevice>",
                ),
            ),
        ),
        (
            "organisation of another OID",
            "CDA-PER-007",
            FORM,
            setting(f"{AUTHOR}/representedOrganization/id", root="1.2"),
        ),
    ),
    *_of(
        "dataEnterer; informant",
        (
            "two who entered",
            "CDA-PER-010",
            FORM,
            both(*[with_more("", "<dataEnterer><assignedEntity/></dataEnterer>")] * 2),
        ),
        ("informant of no class", "CDA-PER-011", FORM, with_more("", "<informant><relatedEntity/></informant>")),
        (
            "informant of another class",
            "CDA-PER-011",
            FORM,
            with_more("", '<informant><relatedEntity classCode="FRND"/></informant>'),
        ),
    ),
    *_of(
        "custodian",
        ("absent", "CDA-PER-012", HARM, without("custodian")),
        ("no organisation", "CDA-PER-012", HARM, without(KEEPER)),
        ("no id", "CDA-PER-013", FORM, without(f"{KEEPER}/id")),
        ("two ids", "CDA-PER-013", FORM, twice(f"{KEEPER}/id")),
        ("id of another OID", "CDA-PER-013", FORM, setting(f"{KEEPER}/id", root="1.2.250.1.71.4.2.1")),
    ),
    *_of(
        "legalAuthenticator",
        ("absent", "CDA-PER-014", FORM, without("legalAuthenticator")),
        ("two", "CDA-PER-014", FORM, twice("legalAuthenticator")),
        ("no time", "CDA-PER-015", FORM, without("legalAuthenticator/time")),
        ("no signature", "CDA-PER-015", FORM, without("legalAuthenticator/signatureCode")),
        ("signature I", "CDA-PER-015", FORM, setting("legalAuthenticator/signatureCode", code="I")),
        ("nobody", "CDA-PER-015", FORM, without("legalAuthenticator/assignedEntity")),
        ("no id", "CDA-PER-016", FORM, without("legalAuthenticator/assignedEntity/id")),
        ("two ids", "CDA-PER-016", FORM, twice("legalAuthenticator/assignedEntity/id")),
        ("id without extension", "CDA-PER-016", FORM, setting("legalAuthenticator/assignedEntity/id", extension=None)),
    ),
    *_of(
        "authenticator",
        ("of another OID", "CDA-PER-017", FORM, with_more("", SIGNER.format(root="1.2.250.1.71.4.2.2"))),
        (
            "no signature",
            "CDA-PER-015",
            FORM,
            with_more("", SIGNER.format(root="1.2.250.1.71.4.2.1").replace('<signatureCode code="S"/>', "")),
        ),
    ),
    *_of(
        "participant",
        ("of another type", "CDA-PER-018", FORM, with_more("", OTHERS.format(kind="CAGNT", time=NULL_TIME, of="PROV"))),
        (
            "of another class",
            "CDA-PER-019",
            FORM,
            with_more("", OTHERS.format(kind="INF", time=NULL_TIME, of="CAREGIVER")),
        ),
        ("no time", "CDA-PER-020", FORM, with_more("", OTHERS.format(kind="INF", time="", of="PROV"))),
    ),
    *_of(
        "documentationOf",
        ("absent", "CDA-HDR-040", FORM, without("documentationOf")),
        ("no event", "CDA-HDR-041", FORM, without(EVENT)),
        ("no performer", "CDA-HDR-041", FORM, without(PERFORMER)),
        ("two performers", "CDA-HDR-041", FORM, twice(PERFORMER)),
        ("no time", "CDA-HDR-041", FORM, without(f"{EVENT}/effectiveTime")),
        ("no beginning", "CDA-HDR-041", FORM, without(f"{EVENT}/effectiveTime/low")),
        ("performer SPRF", "CDA-HDR-042", FORM, setting(PERFORMER, typeCode="SPRF")),
        ("performer without id", "CDA-HDR-042", FORM, without(f"{PERFORMER}/assignedEntity/id")),
        (
            "performer without organisation",
            "CDA-HDR-043",
            FORM,
            without(f"{PERFORMER}/assignedEntity/representedOrganization"),
        ),
        (
            "no practice setting",
            "CDA-HDR-043",
            FORM,
            without(f"{PERFORMER}/assignedEntity/representedOrganization/standardIndustryClassCode"),
        ),
        (
            "ends before it begins",
            "CDA-TIM-002",
            ADVICE,
            both(
                without(f"{EVENT}/effectiveTime"),
                with_more(EVENT, '<effectiveTime><low value="20240102"/><high value="20240101"/></effectiveTime>'),
            ),
        ),
    ),
    *_of(
        "relatedDocument",
        ("two", "CDA-HDR-030", FORM, both(*[with_more("", PARENT.format(kind="RPLC", inside=OLDER))] * 2)),
        ("addendum", "CDA-HDR-031", FORM, with_more("", PARENT.format(kind="APND", inside=OLDER))),
        ("no id", "CDA-HDR-032", FORM, with_more("", PARENT.format(kind="RPLC", inside=""))),
        ("two ids", "CDA-HDR-032", FORM, with_more("", PARENT.format(kind="RPLC", inside=OLDER * 2))),
        ("itself", "CDA-HDR-033", HARM, _replacing_itself),
        (
            "a later version",
            "CDA-HDR-034",
            ADVICE,
            with_more("", PARENT.format(kind="RPLC", inside=OLDER + '<versionNumber value="900"/>')),
        ),
    ),
    *_of(
        "authorization",
        (
            "not given",
            "CDA-HDR-035",
            FORM,
            with_more("", '<authorization><consent><statusCode code="active"/></consent></authorization>'),
        ),
    ),
    *_of(
        "componentOf",
        ("absent", "CDA-HDR-050", FORM, without("componentOf")),
        ("empty", "CDA-HDR-050", FORM, without(STAY)),
        ("no time", "CDA-HDR-051", FORM, without(f"{STAY}/effectiveTime")),
        ("no location", "CDA-HDR-052", FORM, without(f"{STAY}/location")),
        ("no kind of place", "CDA-HDR-052", FORM, without(f"{STAY}/location/healthCareFacility/code")),
        (
            "of another kind",
            "CDA-HDR-054",
            FORM,
            both(without(f"{STAY}/code"), with_more(STAY, '<code code="OBSENC"/>')),
        ),
    ),
    *_of(
        "component",
        ("absent", "CDA-BOD-001", HARM, without("component")),
        ("two", "CDA-BOD-001", HARM, twice("component")),
        ("empty", "CDA-BOD-002", HARM, both(null("component"), setting("component", nullFlavor=None))),
    ),
    *_of(
        "any telecom",
        ("no scheme", "CDA-PER-030", FORM, with_more(ROLE, '<telecom value="0102030405"/>')),
        ("https", "CDA-PER-030", FORM, with_more(ROLE, '<telecom value="https://example.org"/>')),
        ("neither value nor null", "CDA-PER-030", FORM, with_more(ROLE, '<telecom use="H"/>')),
        ("another null", "CDA-PER-030", FORM, with_more(ROLE, '<telecom nullFlavor="OTH"/>')),
        ("another use", "CDA-PER-031", FORM, with_more(ROLE, '<telecom value="tel:1" use="AS"/>')),
    ),
    *_of(
        "any name prefix/suffix",
        ("prefix in words", "CDA-PER-032", FORM, with_more(f"{AUTHOR}/assignedPerson/name", "<prefix>Madame</prefix>")),
        (
            "suffix in words",
            "CDA-PER-033",
            FORM,
            with_more(f"{AUTHOR}/assignedPerson/name", "<suffix>docteur</suffix>"),
        ),
    ),
    *_of(
        "INS",
        ("none", "CDA-INS-001", ADVICE, setting(f"{ROLE}/id", root="1.2.3.4")),
        ("14 digits", "CDA-INS-002", HARM, _ins(lambda value: value[:14])),
        ("letters", "CDA-INS-002", HARM, _ins(lambda value: value[:9] + "X" + value[10:])),
        ("Corsica where no department is", "CDA-INS-002", HARM, _ins(lambda value: "2A" + value[2:])),
        ("spaces", "CDA-INS-002", HARM, _ins(lambda value: f"{value[0]} {value[1:]}")),
        ("wrong key", "CDA-INS-003", ADVICE, _ins(lambda value: value[:13] + ("01" if value[13:] != "01" else "02"))),
        ("other sex", "CDA-INS-004", ADVICE, _ins(lambda value: ("2" if value[0] == "1" else "1") + value[1:])),
        ("provisional number", "CDA-INS-004", ADVICE, _ins(lambda value: "8" + value[1:])),
        ("other month of birth", "CDA-INS-005", ADVICE, _ins(_other_month)),
        ("place of birth in words", "CDA-INS-006", ADVICE, saying(f"{PATIENT}/birthplace/place/addr/county", "Paris")),
        ("two", "CDA-INS-007", HARM, _second_ins),
        (
            "two authorities, two numbers",
            "CDA-INS-008",
            ADVICE,
            both(_second_ins, setting(f"{ROLE}/id", root="1.2.250.1.213.1.4.11")),
        ),
        ("no birth name", "CDA-INS-010", FORM, setting(f"{NAME}/family", qualifier="CL")),
        ("no first given name", "CDA-INS-011", FORM, without(f"{NAME}/given")),
        ("no given names", "CDA-INS-012", FORM, setting(f"{NAME}/given", qualifier="CL")),
        ("no birth date", "CDA-INS-013", FORM, without(f"{PATIENT}/birthTime")),
        ("no gender", "CDA-INS-014", FORM, without(f"{PATIENT}/administrativeGenderCode")),
        ("no birth place", "CDA-INS-015", FORM, without(f"{PATIENT}/birthplace")),
        ("of production", "CDA-INS-021", HARM, setting(f"{ROLE}/id", root="1.2.250.1.213.1.4.8")),
    ),
    *_of(
        "N1",
        (
            "four templates",
            "CDA-BOD-003",
            FORM,
            both(IN_N1, with_more("", '<templateId root="1.2.3"/>')),
        ),
        ("third template of another model", "CDA-BOD-003", FORM, both(IN_N1, setting("templateId[3]", root="1.2.3.4"))),
        ("no text", "CDA-BOD-004", HARM, without(TEXT)),
        ("two texts", "CDA-BOD-004", HARM, twice(TEXT)),
        ("no media type", "CDA-BOD-005", FORM, setting(TEXT, mediaType=None)),
        ("PNG", "CDA-BOD-005", FORM, file_of(PNG, mediaType="image/png")),
        ("not in base64", "CDA-BOD-006", HARM, setting(TEXT, representation=None)),
        (
            "plain text as it is",
            "CDA-BOD-007",
            FORM,
            both(setting(TEXT, representation=None, mediaType="text/plain"), saying(TEXT, "Bonjour")),
        ),
        ("base64 with a stray sign", "CDA-BOD-008", HARM, saying(TEXT, base64.b64encode(PDF).decode() + "!")),
        (
            "base64 without padding",
            "CDA-BOD-008",
            HARM,
            saying(TEXT, base64.b64encode(PDF + b"\n").decode().rstrip("=")[:-1]),
        ),
        ("base64 with letters of elsewhere", "CDA-BOD-008", HARM, saying(TEXT, "é" + base64.b64encode(PDF).decode())),
        ("something after the padding", "CDA-BOD-008", HARM, saying(TEXT, "JVBERg==" + base64.b64encode(PDF).decode())),
        ("empty", "CDA-BOD-009", HARM, saying(TEXT, " ")),
        ("PDF that is a program", "CDA-BOD-010", HARM, file_of(b"MZ\x90\0" + PDF)),
        ("PDF that is a page", "CDA-BOD-010", HARM, file_of(b"<html><script>1</script></html>")),
        ("PDF that is an image", "CDA-BOD-010", HARM, file_of(JPEG)),
        ("PDF of zeros", "CDA-BOD-010", HARM, file_of(bytes(500))),
        ("PDF that begins late", "CDA-BOD-010", HARM, file_of(b" " * 2000 + PDF)),
        ("text with NULs", "CDA-BOD-010", HARM, file_of(b"Bonjour\0", mediaType="text/plain")),
        ("RTF that is text", "CDA-BOD-010", HARM, file_of(b"Bonjour", mediaType="text/rtf")),
        ("image that is a PDF", "CDA-BOD-010", HARM, file_of(PDF, mediaType="image/jpeg")),
        ("JPEG that is a PNG", "CDA-BOD-011", ADVICE, file_of(PNG, mediaType="image/jpeg")),
        ("PDF cut short", "CDA-BOD-012", HARM, file_of(PDF[:-7])),
        ("file elsewhere", "CDA-BOD-013", HARM, with_more(TEXT, '<reference value="http://example.org/a.pdf"/>')),
        ("JavaScript", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</S/JavaScript>>"))),
        ("Launch", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</S/Launch>>"))),
        ("EmbeddedFile", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</Type/EmbeddedFile>>"))),
        ("OpenAction", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</OpenAction 2 0 R>>"))),
        ("encrypted", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</Encrypt 2 0 R>>"))),
        ("thumbnail", "CDA-BOD-015", ADVICE, with_more(TEXT, "<thumbnail>AAAA</thumbnail>")),
    ),
    *_of(
        "observationMedia",
        ("no media type", "CDA-BOD-016", FORM, setting(MEDIA, mediaType=None)),
        ("not in base64", "CDA-BOD-006", HARM, setting(MEDIA, representation=None)),
        ("base64 with a stray sign", "CDA-BOD-008", HARM, saying(MEDIA, base64.b64encode(PDF).decode() + "*")),
        ("empty", "CDA-BOD-009", HARM, saying(MEDIA, "")),
        ("PDF that is a program", "CDA-BOD-010", HARM, file_of(b"\x7fELF" + PDF, MEDIA)),
        ("PDF cut short", "CDA-BOD-012", HARM, file_of(PDF[:40], MEDIA)),
        ("file elsewhere", "CDA-BOD-013", HARM, with_more(MEDIA, '<reference value="http://example.org/a.pdf"/>')),
    ),
]

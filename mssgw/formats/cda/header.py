"""The header but for patient and persons: which document, of what kind, about which act, in which stay.

Weights: without what every CDA R2 document has, receiving software cannot file it (HARM); what the French profile asks
on top of that is FORM.
"""

import re
from datetime import timedelta

from mssgw.core.clinical import Weight
from mssgw.formats.cda import moments, people
from mssgw.formats.cda.common import (
    CDA_R2,
    MINIMAL,
    OID,
    OID_OR_UUID,
    in_value_set,
    period,
)
from mssgw.formats.cda.parts import Attribute, Children, Part, children_of, one, real
from mssgw.formats.cda.patient import RECORD_TARGET
from mssgw.formats.cda.report import Report, hl7, rule, shown, text_of
from mssgw.formats.documents import CLINICAL_DOCUMENT
from mssgw.formats.safexml import Element

HARM, FORM, ADVICE = Weight.HARM, Weight.FORM, Weight.ADVICE
_FRANCE, _CISIS = "2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1"
_CONFIDENTIALITY = "2.16.840.1.113883.5.25"
_SLACK = timedelta(days=1)  # clocks and zones

_ROOT = rule("CDA-HDR-001", HARM, "Le document est un ClinicalDocument de urn:hl7-org:v3", CDA_R2)
_REALM = rule("CDA-HDR-002", FORM, "realmCode est présent une fois et vaut FR", MINIMAL)
_TYPE_ID = rule(
    "CDA-HDR-003", HARM, "typeId est présent une fois : root 2.16.840.1.113883.1.3, extension POCD_HD000040", CDA_R2
)
_TEMPLATES = rule(
    "CDA-HDR-004", FORM, f"templateId est présent au moins trois fois : {_FRANCE}, {_CISIS} et un modèle", MINIMAL
)
_TEMPLATE = rule("CDA-HDR-005", FORM, "Un templateId a pour root un OID", CDA_R2)
_ID = rule("CDA-HDR-006", HARM, "Le document a un identifiant (id) avec root, et un seul", CDA_R2)
_ID_FORM = rule(
    "CDA-HDR-007", FORM, "L'identifiant du document a pour root un OID ou un UUID, et pas d'extension vide", MINIMAL
)
_CODE = rule("CDA-HDR-008", HARM, "Le document a un type (code/@code), et un seul", CDA_R2)
_CODE_FORM = rule("CDA-HDR-009", FORM, "Le type du document a un codeSystem et un displayName", MINIMAL)
_CODE_KNOWN = rule("CDA-HDR-010", FORM, "Le type du document est un code de JDV_J07", MINIMAL)
_TITLE = rule("CDA-HDR-011", FORM, "Le document a un titre qui n'est pas vide, et un seul", MINIMAL)
_TIME = rule("CDA-HDR-012", HARM, "Le document a une date de création (effectiveTime/@value), et une seule", CDA_R2)
_TIME_WRONG = rule(
    "CDA-HDR-013", HARM, "La date de création existe au calendrier, sous la forme AAAAMMJJhhmmss+zone", CDA_R2
)
_TIME_ZONE = rule(
    "CDA-HDR-014", FORM, "La date de création dit au moins le jour et, avec une heure, le fuseau", MINIMAL
)
_TIME_FUTURE = rule("CDA-HDR-015", FORM, "La date de création n'est pas dans le futur", "passerelle")
_SECRET = rule(
    "CDA-HDR-016", HARM, "Le document a un niveau de confidentialité (confidentialityCode), et un seul", CDA_R2
)
_SECRET_FORM = rule(
    "CDA-HDR-017",
    FORM,
    f"Le niveau de confidentialité est L, M, N, R, U ou V, de {_CONFIDENTIALITY}, avec un displayName",
    MINIMAL,
)
_LANGUAGE = rule("CDA-HDR-018", FORM, "La langue (languageCode) est présente une fois, sous la forme fr-FR", MINIMAL)
_SET = rule("CDA-HDR-019", FORM, "setId est présent une fois, avec pour root un OID ou un UUID", MINIMAL)
_SET_ID = rule("CDA-HDR-020", ADVICE, "setId diffère de l'identifiant du document", "passerelle")
_VERSION = rule("CDA-HDR-021", FORM, "versionNumber est présent une fois et vaut un entier positif", MINIMAL)
_SHEET = rule("CDA-HDR-022", ADVICE, "La feuille de style n'est pas à chercher sur un autre serveur", "passerelle")
_MOJIBAKE = rule(
    "CDA-HDR-023",
    ADVICE,
    "L'encodage déclaré est le vrai : le titre et les noms n'ont pas de signes tels que Ã©",
    "passerelle",
)
_RELATED = rule("CDA-HDR-030", FORM, "Le document en remplace au plus un autre (relatedDocument)", MINIMAL)
_REPLACES = rule("CDA-HDR-031", FORM, "relatedDocument est un remplacement : typeCode RPLC", MINIMAL)
_PARENT = rule("CDA-HDR-032", FORM, "Le document remplacé (parentDocument) a un identifiant, et un seul", MINIMAL)
_ITSELF = rule("CDA-HDR-033", HARM, "Le document ne se remplace pas lui-même", "passerelle")
_GROWS = rule("CDA-HDR-034", ADVICE, "La version du document dépasse celle qu'il remplace", "passerelle")
_CONSENT = rule("CDA-HDR-035", FORM, "Un consentement (authorization/consent) a pour statusCode completed", MINIMAL)
_ACT = rule("CDA-HDR-040", FORM, "Le document décrit au moins un acte (documentationOf/serviceEvent)", MINIMAL)
_FIRST = rule(
    "CDA-HDR-041",
    FORM,
    "Le premier acte a un exécutant (performer) et une période (effectiveTime/low), une fois chacun",
    MINIMAL,
)
_PERFORMER = rule(
    "CDA-HDR-042", FORM, "L'exécutant du premier acte est PRF, avec un assignedEntity qui a un identifiant", MINIMAL
)
_SETTING = rule(
    "CDA-HDR-043",
    FORM,
    "L'organisation de l'exécutant a un cadre d'exercice (standardIndustryClassCode), et un seul",
    MINIMAL,
)
_SETTING_KNOWN = rule("CDA-HDR-044", FORM, "Le cadre d'exercice est un code de JDV_J04", MINIMAL)
_ENCOUNTER = rule(
    "CDA-HDR-050", FORM, "Le document dit sa prise en charge (componentOf/encompassingEncounter), une fois", MINIMAL
)
_ENCOUNTER_TIME = rule("CDA-HDR-051", FORM, "La prise en charge a une période (effectiveTime), et une seule", MINIMAL)
_PLACE = rule(
    "CDA-HDR-052", FORM, "La prise en charge a un lieu avec un type de structure (healthCareFacility/code)", MINIMAL
)
_PLACE_KNOWN = rule("CDA-HDR-053", FORM, "Le type de structure est un code de JDV_J02", MINIMAL)
_STAY = rule(
    "CDA-HDR-054",
    FORM,
    "Le type de prise en charge est IMP, EMER, AMB, FLD, HH, VR, EXTERNE ou SEANCE, une fois au plus",
    MINIMAL,
)


def _check_title(report: Report, element: Element, _children: Children) -> None:
    if not text_of(element).strip():
        report.add(_TITLE, element, found="vide", expected="un texte")


def _check_created(report: Report, element: Element, _children: Children) -> None:
    value = element.get("value")
    if not value:
        return report.add(_TIME, element, below="@value", found=shown(value), expected="AAAAMMJJhhmmss+zone")
    if (created := moments.read(value)) is None:
        return report.add(_TIME_WRONG, element, below="@value", expected="AAAAMMJJhhmmss+zone")
    if created.pieces < 3 or (created.pieces > 3 and not created.zoned):
        report.add(_TIME_ZONE, element, below="@value", expected="AAAAMMJJhhmmss+zone")
    if created.earliest > report.conditions.now + _SLACK:
        report.add(_TIME_FUTURE, element, below="@value")
    return None


def _check_templates(report: Report, element: Element, children: Children) -> None:
    roots = {each.get("root") for each in children.get("templateId", ())}
    for missing in (_FRANCE, _CISIS):
        if missing not in roots:
            report.add(_TEMPLATES, element, below="templateId", found="absent", expected=missing)


Identity = tuple[str, str]


def _identity(element: Element) -> Identity:
    return element.get("root", "").upper(), element.get("extension", "")  # UUIDs come in both cases


def _check_identity(report: Report, _element: Element, children: Children) -> None:
    """The document, its set and what it replaces are three things."""
    own = {_identity(each) for each in children.get("id", ()) if each.get("root")}
    for each in children.get("setId", ()):
        if _identity(each) in own:
            report.add(_SET_ID, each)
    version = next((each.get("value", "") for each in children.get("versionNumber", ())), "")
    for related in children.get("relatedDocument", ()):
        for parent in children_of(related).get("parentDocument", ()):
            _check_parent(report, children_of(parent), own, version)


def _check_parent(report: Report, parent: Children, own: set[Identity], version: str) -> None:
    for each in parent.get("id", ()):
        if _identity(each) in own:
            report.add(_ITSELF, each)
    for each in parent.get("versionNumber", ()):
        older = each.get("value", "")
        if _NUMBER.fullmatch(older) and _NUMBER.fullmatch(version) and int(version) <= int(older):
            report.add(_GROWS, each, found=shown(version), expected=f"plus de {shown(older)}")


def _check_first_act(report: Report, element: Element, children: Children) -> None:
    for related in children.get("documentationOf", ())[:1]:
        events = children_of(related).get("serviceEvent", ())
        if not events:
            report.add(_FIRST, related, below="serviceEvent", found="absent", expected="1")
        for event in events[:1]:
            _FIRST_ACT.inspect(event, report)


_REMOTE = re.compile(r"""href\s*=\s*["']\s*(?:[a-zA-Z]+:|//)""")
_MISREAD = re.compile("[ÃÂ][\u0080-\u00bf]")  # two octets of UTF-8, each read as a character
_NUMBER = re.compile(r"[0-9]{1,9}")
_STAYS = frozenset({"IMP", "EMER", "AMB", "FLD", "HH", "VR", "EXTERNE", "SEANCE"})

_FIRST_ACT = Part(
    name="serviceEvent",
    parts=(
        period(_FIRST, low=True),
        real(
            "performer",
            _FIRST,
            Attribute(name="typeCode", rule=_PERFORMER, allowed=frozenset({"PRF"})),
            parts=(
                people.FUNCTION,
                real(
                    "assignedEntity",
                    _PERFORMER,
                    parts=(
                        one("id", _PERFORMER, Attribute(name="root", rule=_PERFORMER, form=OID_OR_UUID)),
                        one(
                            "representedOrganization",
                            _SETTING,
                            parts=(
                                real(
                                    "standardIndustryClassCode",
                                    _SETTING,
                                    Attribute(name="code", rule=_SETTING),
                                    checks=(in_value_set("JDV_J04", _SETTING_KNOWN),),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

_ENCOMPASSING = real(
    "encompassingEncounter",
    _ENCOUNTER,
    parts=(
        Part(name="code", rule=_STAY, most=1, attributes=(Attribute(name="code", rule=_STAY, allowed=_STAYS),)),
        period(_ENCOUNTER_TIME),
        one(
            "location",
            _PLACE,
            parts=(
                one(
                    "healthCareFacility",
                    _PLACE,
                    parts=(
                        one(
                            "code",
                            _PLACE,
                            Attribute(name="code", rule=_PLACE),
                            checks=(in_value_set("JDV_J02", _PLACE_KNOWN),),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

HEADER = Part(  # req: CDA-1, CDA-3
    name="ClinicalDocument",
    parts=(
        one("realmCode", _REALM, Attribute(name="code", rule=_REALM, allowed=frozenset({"FR"}))),
        one(
            "typeId",
            _TYPE_ID,
            Attribute(name="root", rule=_TYPE_ID, allowed=frozenset({"2.16.840.1.113883.1.3"})),
            Attribute(name="extension", rule=_TYPE_ID, allowed=frozenset({"POCD_HD000040"})),
        ),
        Part(
            name="templateId",
            rule=_TEMPLATES,
            least=3,
            attributes=(Attribute(name="root", rule=_TEMPLATE, form=OID, expected="un OID"),),
        ),
        real(
            "id",
            _ID,
            Attribute(name="root", rule=_ID, expected="un OID ou un UUID"),
            Attribute(name="root", rule=_ID_FORM, form=re.compile(rf"\s*|{OID_OR_UUID.pattern}"), optional=True),
            Attribute(name="extension", rule=_ID_FORM, optional=True),
        ),
        real(
            "code",
            _CODE,
            Attribute(name="code", rule=_CODE),
            Attribute(name="codeSystem", rule=_CODE_FORM, form=OID, expected="un OID"),
            Attribute(name="displayName", rule=_CODE_FORM, expected="un libellé"),
            checks=(in_value_set("JDV_J07", _CODE_KNOWN),),
        ),
        real("title", _TITLE, checks=(_check_title,)),
        real("effectiveTime", _TIME, checks=(_check_created,)),
        real(
            "confidentialityCode",
            _SECRET,
            Attribute(name="code", rule=_SECRET_FORM, allowed=frozenset("LMNRUV")),
            Attribute(name="codeSystem", rule=_SECRET_FORM, allowed=frozenset({_CONFIDENTIALITY})),
            Attribute(name="displayName", rule=_SECRET_FORM, expected="un libellé"),
        ),
        real("languageCode", _LANGUAGE, Attribute(name="code", rule=_LANGUAGE, form=re.compile("[a-z]{2}-[A-Z]{2}"))),
        real("setId", _SET, Attribute(name="root", rule=_SET, form=OID_OR_UUID)),
        real("versionNumber", _VERSION, Attribute(name="value", rule=_VERSION, form=_NUMBER, expected="un entier")),
        RECORD_TARGET,
        people.AUTHOR,
        people.ENTERER,
        people.INFORMANT,
        people.CUSTODIAN,
        people.LEGAL,
        people.AUTHENTICATOR,
        people.PARTICIPANT,
        Part(name="documentationOf", rule=_ACT, least=1, real=True),
        Part(
            name="relatedDocument",
            rule=_RELATED,
            most=1,
            attributes=(Attribute(name="typeCode", rule=_REPLACES, allowed=frozenset({"RPLC"})),),
            parts=(one("parentDocument", _PARENT, parts=(real("id", _PARENT, Attribute(name="root", rule=_PARENT)),)),),
        ),
        Part(
            name="authorization",
            parts=(
                Part(
                    name="consent",
                    parts=(
                        one(
                            "statusCode",
                            _CONSENT,
                            Attribute(name="code", rule=_CONSENT, allowed=frozenset({"completed"})),
                        ),
                    ),
                ),
            ),
        ),
        real("componentOf", _ENCOUNTER, parts=(_ENCOMPASSING,)),
    ),
    checks=(_check_templates, _check_identity, _check_first_act),
)


def check_header(report: Report) -> None:
    """The whole header of a document."""
    if report.root.tag != CLINICAL_DOCUMENT:
        report.add(_ROOT, report.root)
    HEADER.inspect(report.root, report)
    for before in report.root.itersiblings(preceding=True):
        if getattr(before, "target", "") == "xml-stylesheet" and _REMOTE.search(before.text or ""):
            report.add(_SHEET, report.root)
    for element in report.root.iterchildren(*hl7("title", "recordTarget")):
        if any(_MISREAD.search(text) for text in element.itertext()):
            report.add(_MOJIBAKE, element)

"""The header: which document this is and of what kind; patient, persons and acts have rooms of their own.

Weights: without what every CDA R2 document has, receiving software cannot file it (HARM); what the French profile asks
on top of that is FORM.
"""

import re
from datetime import timedelta
from itertools import islice

from mssgw.core.clinical import Weight
from mssgw.formats import safexml
from mssgw.formats.cda import acts, moments, people
from mssgw.formats.cda.common import (
    CDA_R2,
    MINIMAL,
    OID,
    OID_OR_UUID,
    in_value_set,
)
from mssgw.formats.cda.parts import Attribute, Children, Part, one, real
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
_VERSION = rule("CDA-HDR-021", FORM, "versionNumber est présent une fois et vaut un entier positif", MINIMAL)
_SHEET = rule("CDA-HDR-022", ADVICE, "La feuille de style n'est pas à chercher sur un autre serveur", "passerelle")
_MOJIBAKE = rule(
    "CDA-HDR-023",
    ADVICE,
    "L'encodage déclaré est le vrai : titre, noms et libellés n'ont pas d'accents devenus deux signes",
    "passerelle",
)
_INCLUDED = rule("CDA-HDR-025", ADVICE, "Le document n'inclut rien d'un autre fichier (XInclude)", "passerelle")


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
    roots = {each.get("root") for each in children.named("templateId")}
    for missing in (_FRANCE, _CISIS):
        if missing not in roots:
            report.add(_TEMPLATES, element, below="templateId", found="absent", expected=missing)


_REMOTE = re.compile(r"""href\s*=\s*["']\s*(?:[a-zA-Z]+:|//)""")
_MISREAD = re.compile("[ÃÂ][\u0080-\u00bf]")  # two octets of UTF-8, each read as a character
_SHOWN = hl7("code", "title", "recordTarget", "author", "custodian", "legalAuthenticator")
_text, _labels = safexml.query("string()"), safexml.query("descendant-or-self::*/@displayName")
_MOST_MISREAD = 200  # of these; a document with more is hardly one
_NUMBER = re.compile(r"[0-9]{1,9}")

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
        acts.ACTS,
        acts.RELATED,
        acts.AUTHORIZATION,
        acts.COMPONENT_OF,
    ),
    checks=(_check_templates, acts.check_identity, acts.check_first_act),
)


def check_header(report: Report, children: Children) -> None:
    """The whole header of a document. ``children``: of its root."""
    if report.root.tag != CLINICAL_DOCUMENT:
        report.add(_ROOT, report.root)
    HEADER.look_into(report.root, children, report)
    for before in report.root.itersiblings(preceding=True):
        if getattr(before, "target", "") == "xml-stylesheet" and _REMOTE.search(before.text or ""):
            report.add(_SHEET, report.root)
    for element in islice(report.root.iterchildren(*_SHOWN), _MOST_MISREAD):
        if any(map(_MISREAD.search, [_text(element), *_labels(element)])):
            report.add(_MOJIBAKE, element)
    for element in report.survey.included:
        report.add(_INCLUDED, element)

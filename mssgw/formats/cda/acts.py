"""What the document is about and what it replaces: acts, stay, consent, and the document before it."""

import re

from mssgw.core.clinical import Weight
from mssgw.formats.cda.common import MINIMAL, OID_OR_UUID, in_value_set, period
from mssgw.formats.cda.parts import Attribute, Children, Part, children_of, one, real
from mssgw.formats.cda.people import FUNCTION
from mssgw.formats.cda.report import Report, rule, shown
from mssgw.formats.safexml import Element

HARM, FORM, ADVICE = Weight.HARM, Weight.FORM, Weight.ADVICE

_SET_ID = rule("CDA-HDR-020", ADVICE, "setId diffère de l'identifiant du document", "passerelle")
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
                FUNCTION,
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

ACTS = Part(name="documentationOf", rule=_ACT, least=1, real=True)
RELATED = Part(
    name="relatedDocument",
    rule=_RELATED,
    most=1,
    attributes=(Attribute(name="typeCode", rule=_REPLACES, allowed=frozenset({"RPLC"})),),
    parts=(one("parentDocument", _PARENT, parts=(real("id", _PARENT, Attribute(name="root", rule=_PARENT)),)),),
)
_COMPLETED = Attribute(name="code", rule=_CONSENT, allowed=frozenset({"completed"}))
AUTHORIZATION = Part(
    name="authorization", parts=(Part(name="consent", parts=(one("statusCode", _CONSENT, _COMPLETED),)),)
)
COMPONENT_OF = real("componentOf", _ENCOUNTER, parts=(_ENCOMPASSING,))


Identity = tuple[str, str]


def _identity(element: Element) -> Identity:
    return element.get("root", "").upper(), element.get("extension", "")  # UUIDs come in both cases


def check_identity(report: Report, _element: Element, children: Children) -> None:
    """The document, its set and what it replaces are three things."""
    own = {_identity(each) for each in children.named("id") if each.get("root")}
    for each in children.named("setId"):
        if _identity(each) in own:
            report.add(_SET_ID, each)
    version = next((each.get("value", "") for each in children.named("versionNumber")), "")
    for related in children.named("relatedDocument"):
        for parent in children_of(related).named("parentDocument"):
            _check_parent(report, children_of(parent), own, version)


def _check_parent(report: Report, parent: Children, own: set[Identity], version: str) -> None:
    for each in parent.named("id"):
        if _identity(each) in own:
            report.add(_ITSELF, each)
    for each in parent.named("versionNumber"):
        older = each.get("value", "")
        if _NUMBER.fullmatch(older) and _NUMBER.fullmatch(version) and int(version) <= int(older):
            report.add(_GROWS, each, found=shown(version), expected=f"plus de {shown(older)}")


def check_first_act(report: Report, _element: Element, children: Children) -> None:
    """The first act is the one that metadata are about: it has to say who did it, when, and in what setting."""
    for related in children.named("documentationOf")[:1]:
        events = children_of(related).named("serviceEvent")
        if not events:
            report.add(_FIRST, related, below="serviceEvent", found="absent", expected="1")
        for event in events[:1]:
            _FIRST_ACT.inspect(event, report)

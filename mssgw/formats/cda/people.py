"""Everybody else whom the header names: authors, signatories, custodian, informants, other participants."""

import re

from mssgw.core.clinical import Rule, Weight
from mssgw.formats.cda.common import (
    CDA_R2,
    CODE_ATTRIBUTES,
    MINIMAL,
    PROFESSIONALS,
    STRUCTURES,
    check_time,
    identified,
    in_value_set,
)
from mssgw.formats.cda.parts import Attribute, Children, Part, one, real
from mssgw.formats.cda.report import Report, local, rule, shown, text_of
from mssgw.formats.safexml import Element

HARM, FORM = Weight.HARM, Weight.FORM

_AUTHOR = rule("CDA-PER-001", HARM, "Le document a au moins un auteur (author avec assignedAuthor)", CDA_R2)
_AUTHOR_TIME = rule("CDA-PER-002", FORM, "Chaque auteur a une date de participation (time), et une seule", MINIMAL)
_AUTHOR_ID = rule("CDA-PER-003", FORM, "Chaque auteur a un identifiant avec root et extension", MINIMAL)
_AUTHOR_CODE = rule("CDA-PER-004", FORM, "Un auteur a au plus un code de profession", MINIMAL)
_PROFESSION = rule("CDA-PER-005", FORM, "La profession de l'auteur est un code de JDV_J01", MINIMAL)
_AUTHOR_WHO = rule(
    "CDA-PER-006",
    FORM,
    "Un auteur est une personne nommée (un family, au plus un given) ou un logiciel"
    " (manufacturerModelName et softwareName)",
    MINIMAL,
)
_ORGANIZATION = rule("CDA-PER-007", FORM, f"L'identifiant de l'organisation d'un auteur est de {STRUCTURES}", MINIMAL)
_FUNCTION = rule("CDA-PER-008", FORM, "Le rôle fonctionnel (functionCode) est un code de JDV_J47", MINIMAL)
_ENTERER = rule("CDA-PER-010", FORM, "Le document a au plus un dataEnterer", MINIMAL)
_INFORMANT = rule(
    "CDA-PER-011", FORM, "Un informateur non professionnel est ECON, NOK, CON, CAREGIVER ou PAT (classCode)", MINIMAL
)
_CUSTODIAN = rule("CDA-PER-012", HARM, "Une organisation conserve le document (custodian), et une seule", CDA_R2)
_CUSTODIAN_ID = rule(
    "CDA-PER-013",
    FORM,
    f"L'organisation qui conserve a un seul identifiant, de {STRUCTURES} ou 1.2.250.1.213.4.1, avec une extension",
    MINIMAL,
)
_LEGAL = rule("CDA-PER-014", FORM, "Le document a un responsable (legalAuthenticator), et un seul", MINIMAL)
_SIGNATURE = rule(
    "CDA-PER-015", FORM, "Qui signe a une date (time), signatureCode S et un assignedEntity, une fois chacun", MINIMAL
)
_LEGAL_ID = rule("CDA-PER-016", FORM, "Le responsable a un seul identifiant, avec root et extension", MINIMAL)
_SIGNER_ID = rule("CDA-PER-017", FORM, f"Un signataire (authenticator) a un identifiant de {PROFESSIONALS}", MINIMAL)
_KIND = rule("CDA-PER-018", FORM, "Un participant a un typeCode parmi REF, REFB, INF, RESP, PRF, CON et VRF", MINIMAL)
_CLASS = rule("CDA-PER-019", FORM, "Un participant est PROV ou AGNT (associatedEntity/@classCode)", MINIMAL)
_PARTICIPANT_TIME = rule("CDA-PER-020", FORM, "Chaque participant a une date (time), et une seule", MINIMAL)

_TELECOM = rule(
    "CDA-PER-030",
    FORM,
    "Une adresse de télécommunication a une valeur (tel: fax: mailto: http: ftp: mllp:) ou bien"
    " un nullFlavor UNK, NASK, ASKU, NAV ou MSK",
    MINIMAL,
)
_USE = rule("CDA-PER-031", FORM, "L'usage (use) d'un telecom est H, HP, HV, WP, DIR, PUB, EC, MC ou PG", MINIMAL)
_PREFIX = rule(
    "CDA-PER-032", FORM, "Le préfixe d'un nom est une civilité (M, MME) ou un titre (DR, MC, MG, PC, PG, PR)", MINIMAL
)
_SUFFIX = rule("CDA-PER-033", FORM, "Le suffixe d'un nom est un titre : DR, MC, MG, PC, PG ou PR", MINIMAL)


def time_part(broken: Rule) -> Part:
    """Exactly one time, which exists."""
    return one("time", broken, checks=(check_time,))


def _check_author(report: Report, element: Element, children: Children) -> None:
    if len(children.named("assignedPerson")) + len(children.named("assignedAuthoringDevice")) != 1:
        report.add(_AUTHOR_WHO, element, expected="assignedPerson ou assignedAuthoringDevice")


_PERSON = Part(
    name="assignedPerson",
    parts=(
        Part(
            name="name",
            rule=_AUTHOR_WHO,
            least=1,
            most=1,
            parts=(
                Part(name="family", rule=_AUTHOR_WHO, least=1, most=1),
                Part(name="given", rule=_AUTHOR_WHO, most=1),
            ),
        ),
    ),
)
_DEVICE = Part(
    name="assignedAuthoringDevice",
    parts=(one("manufacturerModelName", _AUTHOR_WHO), one("softwareName", _AUTHOR_WHO)),
)
FUNCTION = Part(name="functionCode", checks=(in_value_set("JDV_J47", _FUNCTION),))

AUTHOR = Part(
    name="author",
    rule=_AUTHOR,
    least=1,
    real=True,
    parts=(
        FUNCTION,
        time_part(_AUTHOR_TIME),
        real(
            "assignedAuthor",
            _AUTHOR,
            parts=(
                identified(_AUTHOR_ID),
                Part(
                    name="code",
                    rule=_AUTHOR_CODE,
                    most=1,
                    attributes=CODE_ATTRIBUTES,
                    checks=(in_value_set("JDV_J01", _PROFESSION),),
                ),
                _PERSON,
                _DEVICE,
                Part(name="representedOrganization", parts=(identified(_ORGANIZATION, STRUCTURES, least=0),)),
            ),
            checks=(_check_author,),
        ),
    ),
)

ENTERER = Part(name="dataEnterer", rule=_ENTERER, most=1)
_INFORMANTS = frozenset({"ECON", "NOK", "CON", "CAREGIVER", "PAT"})
INFORMANT = Part(
    name="informant",
    parts=(
        Part(
            name="relatedEntity",
            attributes=(Attribute(name="classCode", rule=_INFORMANT, allowed=_INFORMANTS),),
        ),
    ),
)

CUSTODIAN = real(
    "custodian",
    _CUSTODIAN,
    parts=(
        real(
            "assignedCustodian",
            _CUSTODIAN,
            parts=(
                real(
                    "representedCustodianOrganization",
                    _CUSTODIAN,
                    parts=(identified(_CUSTODIAN_ID, STRUCTURES, "1.2.250.1.213.4.1", most=1),),
                ),
            ),
        ),
    ),
)


def _signed(*who: Part) -> tuple[Part, ...]:
    return (
        time_part(_SIGNATURE),
        real("signatureCode", _SIGNATURE, Attribute(name="code", rule=_SIGNATURE, allowed=frozenset({"S"}))),
        real("assignedEntity", _SIGNATURE, parts=who),
    )


LEGAL = real("legalAuthenticator", _LEGAL, parts=_signed(identified(_LEGAL_ID, most=1)))
AUTHENTICATOR = Part(name="authenticator", parts=_signed(identified(_SIGNER_ID, PROFESSIONALS, most=1)))

PARTICIPANT = Part(
    name="participant",
    attributes=(
        Attribute(name="typeCode", rule=_KIND, allowed=frozenset({"REF", "REFB", "INF", "RESP", "PRF", "CON", "VRF"})),
    ),
    parts=(
        FUNCTION,
        time_part(_PARTICIPANT_TIME),
        Part(
            name="associatedEntity",
            attributes=(Attribute(name="classCode", rule=_CLASS, allowed=frozenset({"PROV", "AGNT"})),),
        ),
    ),
)

_SCHEMES = re.compile(r"(?:tel|fax|mailto|http|ftp|mllp):.+", re.DOTALL)  # the profile's list: no https
_NULLS = frozenset({"UNK", "NASK", "ASKU", "NAV", "MSK"})
_USES = frozenset({"H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG"})
_TITLES = frozenset({"DR", "MC", "MG", "PC", "PG", "PR"})
_BEFORE = _TITLES | {"M", "MME"}


def check_telecom(report: Report, element: Element) -> None:
    """One telecom, wherever it stands."""
    value, null, uses = element.get("value"), element.get("nullFlavor"), element.get("use")
    if (value is None) is (null is None) or (null is not None and null not in _NULLS):
        report.add(_TELECOM, element, found=f"nullFlavor {shown(null)}", expected="value ou nullFlavor")
    elif value is not None and not _SCHEMES.fullmatch(value):
        report.add(_TELECOM, element, below="@value", expected="tel: fax: mailto: http: ftp: ou mllp:")
    if uses is not None and not _USES.issuperset(uses.split()):
        report.add(_USE, element, below="@use", found=shown(uses), expected=" ".join(sorted(_USES)))


def check_affix(report: Report, element: Element) -> None:
    """A prefix or suffix of a name, wherever it stands."""
    if element.get("nullFlavor") is not None:
        return
    before = local(element) == "prefix"
    allowed = _BEFORE if before else _TITLES
    if text_of(element).strip() not in allowed:
        report.add(_PREFIX if before else _SUFFIX, element, expected=" ".join(sorted(allowed)))

"""The patient in the header: that there is one, with identifiers, a name, a sex and a birth date."""

from datetime import timedelta

from mssgw.core.clinical import Weight
from mssgw.formats.cda import moments
from mssgw.formats.cda.common import CDA_R2, MINIMAL, OID_OR_UUID
from mssgw.formats.cda.parts import Attribute, Children, Part, one, real
from mssgw.formats.cda.report import Report, rule, shown, text_of
from mssgw.formats.safexml import Element

HARM, FORM = Weight.HARM, Weight.FORM
GENDERS = frozenset({"F", "M", "UN"})
_GENDER_SYSTEM = "2.16.840.1.113883.5.1"

_TARGET = rule("CDA-PAT-001", HARM, "Le document concerne un patient (recordTarget), sans nullFlavor", CDA_R2)
ONE = rule("CDA-PAT-002", HARM, "Le document concerne un seul patient : un seul recordTarget", MINIMAL)
_WHO = rule("CDA-PAT-003", HARM, "Le patient est décrit : patientRole et patient, une fois chacun", CDA_R2)
_ID = rule("CDA-PAT-004", FORM, "Le patient a au moins un identifiant (patientRole/id) avec root et extension", MINIMAL)
_NAMED = rule("CDA-PAT-005", HARM, "Le patient a un nom (patient/name)", MINIMAL)
_ONE_NAME = rule("CDA-PAT-006", FORM, "Le patient a un seul élément name", MINIMAL)
_FAMILY = rule("CDA-PAT-007", FORM, "Le nom du patient a au moins un family, avec le qualifier BR ou CL", MINIMAL)
_GIVEN = rule("CDA-PAT-008", FORM, "Le nom du patient a au moins un given, sans qualifier ou avec BR ou CL", MINIMAL)
_AFFIX = rule("CDA-PAT-009", FORM, "Le nom du patient a au plus un prefix et un suffix", MINIMAL)
_GENDER = rule(
    "CDA-PAT-010", FORM, f"Le sexe du patient (administrativeGenderCode) est F, M ou UN, de {_GENDER_SYSTEM}", MINIMAL
)
_BIRTH = rule("CDA-PAT-011", FORM, "Le patient a une date de naissance (birthTime)", MINIMAL)
_PARTIAL = rule("CDA-PAT-012", FORM, "La date de naissance n'a pas de jour ou de mois à zéro", MINIMAL)
_NO_BIRTH_DAY = rule("CDA-PAT-013", HARM, "La date de naissance existe au calendrier, sous la forme AAAAMMJJ", CDA_R2)
_FUTURE_BIRTH = rule("CDA-PAT-014", HARM, "Le patient n'est pas né dans le futur", "passerelle")
_OLD = rule("CDA-PAT-015", Weight.ADVICE, "Le patient n'est pas né il y a plus de 130 ans", "passerelle")


def _check_birth(report: Report, element: Element, _children: Children) -> None:
    value = element.get("value")
    if not value:
        return report.add(_BIRTH, element, below="@value", found=shown(value), expected="AAAAMMJJ")
    if moments.is_partial(value):
        return report.add(_PARTIAL, element, below="@value", expected="AAAAMMJJ")
    if (born := moments.read(value)) is None:
        return report.add(_NO_BIRTH_DAY, element, below="@value", expected="AAAAMMJJ")
    if born.earliest > report.conditions.now + timedelta(days=1):  # whatever the zone
        return report.add(_FUTURE_BIRTH, element, below="@value")
    if born.earliest.year < report.conditions.now.year - 130:
        report.add(_OLD, element, below="@value")
    return None


def _check_text(report: Report, element: Element, _children: Children) -> None:
    if not text_of(element).strip():
        report.add(_FAMILY if element.tag.endswith("family") else _GIVEN, element, found="vide", expected="un texte")


_BR_CL = frozenset({"BR", "CL"})

_NAME = Part(
    name="name",
    rule=_NAMED,
    least=1,
    most=1,
    many=_ONE_NAME,
    real=True,
    parts=(
        Part(
            name="family",
            rule=_FAMILY,
            least=1,
            attributes=(Attribute(name="qualifier", rule=_FAMILY, allowed=_BR_CL),),
            checks=(_check_text,),
        ),
        Part(
            name="given",
            rule=_GIVEN,
            least=1,
            attributes=(Attribute(name="qualifier", rule=_GIVEN, allowed=_BR_CL, optional=True),),
            checks=(_check_text,),
        ),
        Part(name="prefix", rule=_AFFIX, most=1),
        Part(name="suffix", rule=_AFFIX, most=1),
    ),
)

_PATIENT = real(
    "patient",
    _WHO,
    parts=(
        _NAME,
        one(
            "administrativeGenderCode",
            _GENDER,
            Attribute(name="code", rule=_GENDER, allowed=GENDERS),
            Attribute(name="codeSystem", rule=_GENDER, allowed=frozenset({_GENDER_SYSTEM})),
        ),
        one("birthTime", _BIRTH, checks=(_check_birth,)),
    ),
)

RECORD_TARGET = Part(  # req: CDA-1, SD-7
    name="recordTarget",
    rule=_TARGET,
    least=1,
    most=1,
    many=ONE,
    real=True,
    parts=(
        real(
            "patientRole",
            _WHO,
            parts=(
                Part(
                    name="id",
                    rule=_ID,
                    least=1,
                    attributes=(
                        Attribute(name="root", rule=_ID, form=OID_OR_UUID, expected="un OID"),
                        Attribute(name="extension", rule=_ID, expected="une valeur"),
                    ),
                ),
                _PATIENT,
            ),
        ),
    ),
)

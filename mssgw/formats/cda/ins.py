"""The INS of the patient, its traits, and what a document tells of who it is about (INS-1 to INS-7)."""

import re
from collections.abc import Iterator
from itertools import chain, islice

from mssgw.core.clinical import Environment, Rule, Weight
from mssgw.core.document_patients import DocumentPatient, PersonId
from mssgw.core.errors import MalformedMatricule
from mssgw.core.ins import LENGTH, InsAuthority, Matricule, key_of
from mssgw.formats.cda.patient import ONE
from mssgw.formats.cda.report import Report, hl7, rule, shown, text_of
from mssgw.formats.safexml import Element

_INS = "Référentiel INS"
_TRAITS = "CI-SIS, structuration minimale (INS)"
HARM, FORM, ADVICE = Weight.HARM, Weight.FORM, Weight.ADVICE

_NONE = rule("CDA-INS-001", ADVICE, "Le patient a un INS (patientRole/id sous 1.2.250.1.213.1.4.8 ou .9)", _INS)
_LETTERS = rule("CDA-INS-002", HARM, "Un matricule INS compte 15 chiffres, sauf 2A ou 2B pour la Corse", _INS)
_KEY = rule("CDA-INS-003", ADVICE, "La clé du matricule INS est juste", _INS)
_SEX = rule("CDA-INS-004", ADVICE, "Le premier chiffre de l'INS est 1 ou 2 et s'accorde avec le sexe du patient", _INS)
_BORN = rule("CDA-INS-005", ADVICE, "L'année et le mois de l'INS s'accordent avec la date de naissance", _INS)
_COG = rule("CDA-INS-006", ADVICE, "Le lieu de naissance (county) est un code COG de 5 caractères", _INS)
_TWO = rule("CDA-INS-007", HARM, "Le patient n'a pas deux INS différents d'une même autorité", "passerelle")
_TWO_KINDS = rule(
    "CDA-INS-008", ADVICE, "Les INS du patient, de plusieurs autorités, sont le même matricule", "passerelle"
)
_BIRTH_NAME = rule("CDA-INS-010", FORM, "Avec un INS, le nom de naissance est donné : family, qualifier BR", _TRAITS)
_FIRST_GIVEN = rule(
    "CDA-INS-011", FORM, "Avec un INS, le premier prénom de naissance est donné : given, qualifier BR", _TRAITS
)
_ALL_GIVEN = rule(
    "CDA-INS-012", FORM, "Avec un INS, tous les prénoms de naissance sont donnés : given sans qualifier", _TRAITS
)
_BIRTH_DATE = rule("CDA-INS-013", FORM, "Avec un INS, la date de naissance est donnée (birthTime)", _TRAITS)
_GENDER = rule("CDA-INS-014", FORM, "Avec un INS, le sexe est donné (administrativeGenderCode)", _TRAITS)
_PLACE = rule(
    "CDA-INS-015", FORM, "Avec un INS, le lieu de naissance est donné (birthplace/place/addr/county)", _TRAITS
)
_TEST = rule("CDA-INS-020", ADVICE, "L'INS n'est pas une identité de test ou de démonstration", "passerelle")
_FOREIGN = rule(
    "CDA-INS-021", HARM, "L'INS est de l'environnement (production ou test) de cette passerelle", "passerelle"
)

_LIKE_AN_INS = re.compile(rf"(?<![0-9.])(?:{'|'.join(map(re.escape, InsAuthority))})(?![0-9])")
_FORM = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}")
_COG_FORM = re.compile(r"[0-9]{5}|2[AB][0-9]{3}")
_AUTHORITIES = frozenset(InsAuthority)
_TESTS = frozenset({InsAuthority.TEST_NIR, InsAuthority.DEMONSTRATION_NIR})
_MOST = 100  # documents with more patients or identifiers are refused anyway
_SEXES = {"1": "M", "2": "F"}


def patients_of(root: Element) -> tuple[DocumentPatient, ...]:
    """Whom a document is about: one for each recordTarget, wherever it stands (a valid document has one, in its
    header), and in whatever namespace: some readers look for the name alone. So do some for patientRole: one that
    stands elsewhere, with an INS, counts as well."""
    held, found = _ids_by_holder(root), []
    for element in root.iter("{*}recordTarget", "{*}patientRole"):
        ids = held.get(element, [])
        if element.tag.endswith("recordTarget"):
            found.append(_Target(element, ids).patient())
        elif ids:
            stray = DocumentPatient(ids=_person_ids(ids))
            found += [stray] if stray.ins else []
    return tuple(found)


def _ids_by_holder(within: Element) -> dict[Element, list[Element]]:
    """The ids of patients by the innermost recordTarget around them, or patientRole where there is none.

    Each once, however deep these stand in one another: time is in proportion to the document.
    """
    found: dict[Element, list[Element]] = {}
    for each in within.iter("{*}id"):
        parent = each.getparent()
        name = parent.tag.rpartition("}")[2] if parent is not None else ""
        if name not in ("patientRole", "patient"):  # whose ids CDA R2 deprecates
            continue
        role = parent if name == "patientRole" else next(parent.iterancestors("{*}patientRole"), None)
        if role is not None:
            found.setdefault(next(role.iterancestors("{*}recordTarget"), role), []).append(each)
    return found


def _person_ids(elements: list[Element]) -> tuple[PersonId, ...]:
    return tuple(PersonId(_trimmed(each, "root"), _trimmed(each, "extension")) for each in elements if _told(each))


class _Target:
    """A recordTarget, taken apart once. What stands there twice is read from the first, ids from everywhere."""

    def __init__(self, target: Element, ids: list[Element]) -> None:
        self.element = target
        self.ids = ids
        self.who = _first(target, "patientRole", "patient")
        names = [] if self.who is None else [*self.who.iterchildren(*hl7("name"))]
        self.families = [each for name in names for each in name.iterchildren(*hl7("family"))]
        self.givens = [each for name in names for each in name.iterchildren(*hl7("given"))]
        self.county = _first(self.who, "birthplace", "place", "addr", "county")

    def patient(self) -> DocumentPatient:
        return DocumentPatient(
            ids=_person_ids(self.ids),
            family=_qualified(self.families, "BR"),
            given=_qualified(self.givens, "BR"),
            names=tuple(text for each in self.families if (text := text_of(each).strip())),
            gender=self.coded("administrativeGenderCode", "code"),
            birth_date=self.coded("birthTime", "value"),
            birth_place=text_of(self.county).strip() if self.county is not None else "",
        )

    def coded(self, name: str, attribute: str) -> str:
        element = _first(self.who, name)
        return _trimmed(element, attribute) if element is not None else ""

    def all_given(self) -> str:
        return _qualified(self.givens, None)


def _first(element: Element | None, *names: str) -> Element | None:
    for name in names:
        if element is None:
            return None
        element = next(element.iterchildren(*hl7(name)), None)
    return element


def _trimmed(element: Element, attribute: str) -> str:
    return str(element.get(attribute, "")).strip()


def _told(element: Element) -> bool:
    return bool(_trimmed(element, "root") and _trimmed(element, "extension"))


def _qualified(elements: list[Element], qualifier: str | None) -> str:
    return next(
        (text for each in elements if each.get("qualifier") == qualifier and (text := text_of(each).strip())), ""
    )


def check_ins(report: Report) -> None:  # req: INS-1, INS-2, INS-5, INS-7
    """The INS of every recordTarget, which stands in no other namespace: some readers would show that one."""
    for element in islice(report.root.iterchildren("{*}recordTarget"), _MOST):
        if element.tag not in hl7("recordTarget"):
            report.add(ONE, element, found="un recordTarget d'un autre espace de noms", expected="1")
    for element in islice(report.root.iterchildren(*hl7("recordTarget")), _MOST):
        target = _Target(element, [*chain.from_iterable(_ids_by_holder(element).values())])
        patient = target.patient()
        _check_place(report, target, patient)
        _check_roots(report, target)
        ins = [each for each in target.ids if _trimmed(each, "root") in _AUTHORITIES]
        if not ins:
            report.add(_NONE, element, below="patientRole/id", found="absent")
            continue
        for each in ins[:_MOST]:
            _check_matricule(report, each, patient)
            _check_environment(report, each)
        _check_several(report, ins)
        _check_traits(report, target, patient)


def _check_roots(report: Report, target: _Target) -> None:
    """That no id looks like an INS without being one, which would be compared with nothing."""
    for each in target.ids[:_MOST]:
        root = _trimmed(each, "root")
        likes = _LIKE_AN_INS.search(root) is not None and not PersonId(root, "").is_ins
        if likes or any(map(_is_matricule, root.split("."))):
            report.add(_LETTERS, each, below="@root", found=shown(root), expected="l'OID d'un INS, ou un tout autre")


def _is_matricule(arc: str) -> bool:
    if len(arc) != LENGTH:
        return False
    try:
        Matricule.parse(arc)
    except MalformedMatricule:
        return False
    return True


def _check_matricule(report: Report, element: Element, patient: DocumentPatient) -> None:
    value = _trimmed(element, "extension").upper()
    if not _FORM.fullmatch(value):
        right = len(value) == LENGTH
        found = "un caractère interdit" if right else f"{len(value)} caractères"
        report.add(_LETTERS, element, below="@extension", found=found, expected=f"{LENGTH} chiffres")
        return
    for broken in _doubts(value, patient):
        report.add(broken, element, below="@extension")


def _doubts(value: str, patient: DocumentPatient) -> Iterator[Rule]:
    if value[13:] != key_of(value[:13]):  # req: INS-3, SD-11
        yield _KEY
    sex = _SEXES.get(value[0])
    if sex is None or patient.gender not in ("", "UN", sex):
        yield _SEX
    month, born = int(value[3:5]), patient.birth_date
    known = 1 <= month <= 12
    if (
        not (known or month >= 20)
        or (len(born) >= 4 and born[2:4] != value[1:3])
        or (known and len(born) >= 6 and born[4:6] not in ("00", value[3:5]))
    ):
        yield _BORN


def _check_environment(report: Report, element: Element) -> None:  # req: INS-6
    test, here = _trimmed(element, "root") in _TESTS, report.conditions.environment
    found = shown(_trimmed(element, "root"))
    if here is None and test:
        report.add(_TEST, element, below="@root", found=found)
    elif here is not None and test is not (here is Environment.TEST):
        report.add(_FOREIGN, element, below="@root", found=found, expected=f"une identité de {here.value}")


def _check_several(report: Report, ins: list[Element]) -> None:
    first: dict[str, str] = {}
    for each in ins:
        root, value = _trimmed(each, "root"), _trimmed(each, "extension").upper()
        if first.setdefault(root, value) != value:
            report.add(_TWO, each, found="un second INS", expected="un seul")
        elif next(iter(first.values())) != value:
            report.add(_TWO_KINDS, each, found="un autre matricule")


def _check_traits(report: Report, target: _Target, patient: DocumentPatient) -> None:  # req: INS-7
    for broken, value, where in (
        (_BIRTH_NAME, patient.family, "name/family"),
        (_FIRST_GIVEN, patient.given, "name/given"),
        (_ALL_GIVEN, target.all_given(), "name/given"),
        (_BIRTH_DATE, patient.birth_date, "birthTime"),
        (_GENDER, patient.gender, "administrativeGenderCode"),
        (_PLACE, patient.birth_place, "birthplace/place/addr/county"),
    ):
        if not value:
            report.add(broken, target.element, below=f"patientRole/patient/{where}", found="absent")


def _check_place(report: Report, target: _Target, patient: DocumentPatient) -> None:
    if patient.birth_place and not _COG_FORM.fullmatch(patient.birth_place.upper()) and target.county is not None:
        report.add(_COG, target.county, found=f"{len(patient.birth_place)} caractères", expected="un code COG")

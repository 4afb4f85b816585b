"""METADATA.XML of an XDM archive, taken apart: ebRIM 3, as IHE ITI TF-3 section 4.2 lays XDS metadata into it.

What the file tells is kept as it stands, several values where there should be one too: agreement.py judges.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mssgw.core.clinical import Mark
from mssgw.core.document_patients import PersonId
from mssgw.formats import guard, safexml
from mssgw.formats.guard import Stopped
from mssgw.formats.safexml import Caps, Element, UnreadableXml

_T = TypeVar("_T")

MAX_METADATA = 4 * 1024 * 1024
MAX_OBJECTS = 200  # documents, submission sets and folders
_CAPS = Caps(depth=100, elements=20_000, attributes=60_000)
_RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
_OBJECTS = (f"{_RIM}ExtrinsicObject", f"{_RIM}RegistryPackage")
_CLASSIFICATION = f"{_RIM}Classification"
_OWNED = {_CLASSIFICATION: "classifiedObject", f"{_RIM}ExternalIdentifier": "registryObject"}

# Schemes by their UUID: ITI TF-3, table 4.2.5-1 and 4.2.5-2.
CLASS = "41a5887f-8865-4c09-adf7-e362475b143a"
CONFIDENTIALITY = "f4f85eac-e6cb-4883-b524-f2705394840f"
FORMAT = "a09d5840-386c-46f2-b5ad-9c3699a4309d"
FACILITY = "f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
PRACTICE = "cccf5598-8b07-4b77-a05e-ae952c785ead"
TYPE = "f0306f51-975f-434e-a61c-c59651d33983"
PATIENT_ID = "58a6f841-87b3-4a3e-92fd-a8ffeff98427"
UNIQUE_ID = "2e82c1f6-a085-4c72-9da3-8640a32e42ab"
SET = "a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
SET_PATIENT_ID = "6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_UNIQUE_ID = "96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE_ID = "554ac39e-e3fe-47fe-b233-965d2a147832"
_FOLDER = "d9d542f3-6cc4-48b6-8870-ea235fbc94c2"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Code:
    """A classification: its code, and the OID of the system as it is written."""

    code: str
    system: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Told:
    """A document entry or a submission set: what METADATA.XML tells of it, by name of slot and UUID of scheme."""

    id: str
    line: int | None
    mime: str
    title: str
    slots: dict[str, tuple[str, ...]]
    codes: dict[str, tuple[Code, ...]]
    identifiers: dict[str, tuple[str, ...]]

    def slot(self, name: str) -> str:
        """The one value of a slot, or "" when there is none or more than one."""
        return _only(self.slots.get(name, ()))

    def identifier(self, scheme: str) -> str:
        """The same of an external identifier."""
        return _only(self.identifiers.get(scheme, ()))

    def people(self, scheme: str) -> tuple[PersonId, ...]:
        """All external identifiers of a scheme that have the form of a person's."""
        return tuple(person for value in self.identifiers.get(scheme, ()) if (person := person_of(value)))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Metadata:
    """All of one METADATA.XML. ``associations``: end of the type's name (RPLC, HasMember ...), source and target."""

    is_ebrim3: bool
    entries: tuple[Told, ...] = ()
    sets: tuple[Told, ...] = ()
    associations: frozenset[tuple[str, str, str]] = field(default=frozenset())
    marks: frozenset[Mark] = field(default=frozenset())


def read_metadata(content: bytes) -> Metadata:
    """Take METADATA.XML apart. Raises guard.Stopped."""
    try:
        root = safexml.parse(content, limit=MAX_METADATA, caps=_CAPS)
    except UnreadableXml as error:
        too_much = error.trouble in ("size", "elements", "attributes")
        rule = guard.METADATA if too_much else guard.XML[error.trouble]
        raise Stopped(rule, line=error.line, found="METADATA.XML") from None
    lists = [*root.iter(f"{_RIM}RegistryObjectList")]
    objects = [*root.iter(*_OBJECTS)]
    if len(objects) > MAX_OBJECTS:
        raise Stopped(guard.METADATA, found=str(len(objects)))
    # An id that two objects share tells nothing about either.
    if len(lists) != 1 or len({each.get("id") for each in objects}) < len(objects):
        return Metadata(is_ebrim3=False, marks=_marks(root))
    loose = _Loose(root)
    entries, packages = ([each for each in objects if each.tag == tag] for tag in _OBJECTS)
    return Metadata(
        is_ebrim3=True,
        entries=tuple(loose.told(each) for each in entries),
        sets=tuple(loose.told(each) for each in packages if not loose.is_folder(each)),
        associations=frozenset(_associations(root)),
        marks=_marks(root),
    )


class _Loose:
    """Classifications and identifiers, by the object that they belong to: they may stand in it, or anywhere and name
    it. One that stands in one object and names another belongs to both: so nothing it says is overlooked."""

    def __init__(self, root: Element) -> None:
        self._named: dict[str, list[Element]] = {}
        for name, attribute in _OWNED.items():
            for each in root.iter(name):
                self._named.setdefault(str(each.get(attribute, "")), []).append(each)

    def told(self, element: Element) -> Told:
        owner = str(element.get("id", ""))
        codes: dict[str, list[Code]] = {}
        identifiers: dict[str, list[str]] = {}
        for each in self._owned(element):
            if each.tag == _CLASSIFICATION:
                codes.setdefault(_uuid(each, "classificationScheme"), []).append(_code(each))
            else:
                value = str(each.get("value", "")).strip()
                identifiers.setdefault(_uuid(each, "identificationScheme"), []).append(value)
        return Told(
            id=owner,
            line=element.sourceline,
            mime=str(element.get("mimeType", "")).strip().lower(),
            title=_title(element),
            slots=_slots(element),
            codes=_frozen(codes),
            identifiers=_frozen(identifiers),
        )

    def is_folder(self, element: Element) -> bool:
        return any(_uuid(each, "classificationNode") == _FOLDER for each in self._owned(element))

    def _owned(self, element: Element) -> Iterator[Element]:
        yield from element.iterchildren(*_OWNED)
        if name := element.get("id"):
            yield from (each for each in self._named.get(str(name), ()) if each.getparent() is not element)


def _code(element: Element) -> Code:
    system = _only(_slots(element).get("codingScheme", ()))
    return Code(code=str(element.get("nodeRepresentation", "")).strip(), system=system.lower().removeprefix("urn:oid:"))


def _slots(element: Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for slot in element.iterchildren(f"{_RIM}Slot"):
        values = found.setdefault(str(slot.get("name", "")), [])
        values += ((each.text or "").strip() for each in slot.iter(f"{_RIM}Value"))
    return _frozen(found)


def _frozen(lists: Mapping[str, list[_T]]) -> dict[str, tuple[_T, ...]]:
    return {name: tuple(values) for name, values in lists.items()}


def _title(element: Element) -> str:
    names = element.findall(f"{_RIM}Name/{_RIM}LocalizedString")
    return str(names[0].get("value", "")).strip() if names else ""


def _associations(root: Element) -> Iterator[tuple[str, str, str]]:
    for each in root.iter(f"{_RIM}Association"):
        kind = str(each.get("associationType", "")).rpartition(":")[2]
        yield kind, str(each.get("sourceObject", "")), str(each.get("targetObject", ""))


def _marks(root: Element) -> frozenset[Mark]:  # req: SD-15
    """Marks wherever they stand: one under a wrong scheme, or on no document, hides something all the same."""
    said: set[str] = set()  # once each: most are said again and again
    for each in root.iter():
        said.update(each.values(), (each.text or "",))
    known = {str(word).strip().upper() for word in said}
    return frozenset(mark for mark in Mark if mark.value in known)


def _uuid(element: Element, attribute: str) -> str:
    return str(element.get(attribute, "")).strip().lower().removeprefix("urn:uuid:")


def _only(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else ""


def person_of(value: str) -> PersonId | None:
    """A person's identifier in the form ``extension^^^&root&ISO^NH`` (HL7 v2 CX), or None."""
    pieces = value.replace("&amp;", "&").split("^")  # some escape it twice
    authority = pieces[3].split("&") if len(pieces) > 3 else []
    if not pieces[0].strip() or len(authority) != 3 or authority[2] != "ISO" or not authority[1].strip():
        return None
    return PersonId(authority[1].strip(), pieces[0].strip())

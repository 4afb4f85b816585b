"""How a valid document is made wrong: small changes in a copy. What is put in stands where the schema wants it."""

import base64
import copy
from collections.abc import Callable

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


ROLE = "recordTarget/patientRole"

"""A small schema in several files, laid out as the ANS lays out its own: it takes documents of ours.

Names are written in other letter cases than the files have, as in the published material.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mssgw.formats.cda.pack import Pack

ROOT = "infrastructure/cda/CDA_extended.xsd"
CODES = "infrastructure/cda/general/voc.xsd"


def schema(*content: str, namespace: str = "urn:hl7-org:v3") -> bytes:
    """A schema file with this content."""
    return (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{namespace}" targetNamespace="{namespace}" '
        f'elementFormDefault="qualified">{"".join(content)}</xs:schema>'
    ).encode()


def including(location: str) -> str:
    return f'<xs:include schemaLocation="{location}"/>'


def importing(location: str, namespace: str = "urn:hl7-org:sdtc") -> str:
    return f'<xs:import namespace="{namespace}" schemaLocation="{location}"/>'


XSLT = importing("schema/xslt20.xsd", "http://www.w3.org/1999/XSL/Transform")
DOCUMENT = """
<xs:element name="ClinicalDocument"><xs:complexType><xs:sequence>
<xs:element name="realmCode" type="CS" maxOccurs="unbounded"/><xs:element name="typeId"/>
<xs:any namespace="##any" processContents="skip" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
"""
CS = """
<xs:complexType name="CS"><xs:attribute name="code" use="required"><xs:simpleType><xs:restriction base="xs:token">
<xs:pattern value="[A-Z]{2}"/></xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name="qualifier" type="Qualifiers"/></xs:complexType>
<xs:simpleType name="Qualifiers"><xs:list itemType="Qualifier"/></xs:simpleType>
<xs:simpleType name="Qualifier"><xs:restriction base="xs:token"><xs:enumeration value="BR"/></xs:restriction>
</xs:simpleType>
"""
MATERIAL: Mapping[str, bytes] = MappingProxyType(
    {
        ROOT: schema(XSLT, importing("SDTC/sdtc.xsd"), including("General/Voc.xsd"), DOCUMENT),
        CODES: schema(including("../CDA_extended.xsd"), CS),  # each includes the other, as theirs do
        "infrastructure/cda/sdtc/SDTC.xsd": schema('<xs:element name="raceCode"/>', namespace="urn:hl7-org:sdtc"),
        "README.md": b"# TestContenuCDA",
    }
)
PACK = Pack({"000-a.xsd": schema(including("001-b.xsd"), DOCUMENT), "001-b.xsd": schema(CS)})


def value_set(*codes: str, system: str = "1.2.3", revised: str = "20240101120000") -> bytes:
    """A value set as the ANS publishes them."""
    concepts = "".join(f'<Concept code="{code}" codeSystem="{system}" displayName="x"/>' for code in codes)
    return (
        '<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008">'
        f'<ValueSet dateMaj="{revised}" id="1.2"><ConceptList>{concepts}</ConceptList></ValueSet>'
        "</RetrieveValueSetResponse>"
    ).encode()


def written(material: Mapping[str, bytes], folder: Path) -> Path:
    """The material as files in a folder."""
    for path, content in material.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder

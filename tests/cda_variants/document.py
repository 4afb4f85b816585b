"""The document itself: what it is, of which kind, and when."""

from mssgw.formats.safexml import Element
from tests.cda_variants.changes import at, null, saying, setting, twice, with_more, without
from tests.cda_variants.variant import ADVICE, FORM, HARM, of


def _set_is_id(root: Element) -> bool:
    own, group = at(root, "id"), at(root, "setId")
    if own is None or group is None:
        return False
    group.attrib.clear()
    group.attrib.update(own.attrib)
    return True


VARIANTS = (
    *of(
        "realmCode",
        ("absent", "CDA-HDR-002", FORM, without("realmCode")),
        ("of another country", "CDA-HDR-002", FORM, setting("realmCode", code="BE")),
        ("twice", "CDA-HDR-002", FORM, twice("realmCode")),
    ),
    *of(
        "typeId",
        ("absent", "CDA-HDR-003", HARM, without("typeId")),
        ("of another root", "CDA-HDR-003", HARM, setting("typeId", root="2.16.840.1.113883.1.4")),
        ("of CDA R1", "CDA-HDR-003", HARM, setting("typeId", extension="POCD_HD000020")),
    ),
    *of(
        "templateId",
        ("none", "CDA-HDR-004", FORM, without("templateId")),
        ("not of HL7 France", "CDA-HDR-004", FORM, setting("templateId", root="1.2.3")),
        ("root is no OID", "CDA-HDR-005", FORM, with_more("", '<templateId root="urn:oid:1.2"/>')),
    ),
    *of(
        "id",
        ("absent", "CDA-HDR-006", HARM, without("id")),
        ("null", "CDA-HDR-006", HARM, null("id")),
        ("without root", "CDA-HDR-006", HARM, setting("id", root=None)),
        ("twice", "CDA-HDR-006", HARM, twice("id")),
        ("root neither OID nor UUID", "CDA-HDR-007", FORM, setting("id", root="DOC-1")),
        ("empty extension", "CDA-HDR-007", FORM, setting("id", extension="")),
    ),
    *of(
        "code",
        ("absent", "CDA-HDR-008", HARM, without("code")),
        ("null", "CDA-HDR-008", HARM, null("code")),
        ("without code", "CDA-HDR-008", HARM, setting("code", code=None)),
        ("without system", "CDA-HDR-009", FORM, setting("code", codeSystem=None)),
        ("without display name", "CDA-HDR-009", FORM, setting("code", displayName=None)),
    ),
    *of(
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
        ("a label in UTF-8 read as Latin-1", "CDA-HDR-023", ADVICE, setting("code", displayName="HÃ©matologie")),
    ),
    *of(
        "confidentialityCode",
        ("absent", "CDA-HDR-016", HARM, without("confidentialityCode")),
        ("twice", "CDA-HDR-016", HARM, twice("confidentialityCode")),
        ("unknown code", "CDA-HDR-017", FORM, setting("confidentialityCode", code="X")),
        ("of another system", "CDA-HDR-017", FORM, setting("confidentialityCode", codeSystem="1.2.3")),
        ("without display name", "CDA-HDR-017", FORM, setting("confidentialityCode", displayName=None)),
    ),
    *of(
        "languageCode",
        ("absent", "CDA-HDR-018", FORM, without("languageCode")),
        ("without country", "CDA-HDR-018", FORM, setting("languageCode", code="fr")),
    ),
    *of(
        "setId, versionNumber",
        ("no set", "CDA-HDR-019", FORM, without("setId")),
        ("null set", "CDA-HDR-019", FORM, null("setId")),
        ("set is the document", "CDA-HDR-020", ADVICE, _set_is_id),
        ("no version", "CDA-HDR-021", FORM, without("versionNumber")),
        ("version in words", "CDA-HDR-021", FORM, setting("versionNumber", value="un")),
    ),
)

"""Everybody else, and how they are reached."""

from tests.cda_variants.changes import ROLE, both, setting, twice, with_more, without
from tests.cda_variants.variant import FORM, HARM, of

AUTHOR = "author/assignedAuthor"
KEEPER = "custodian/assignedCustodian/representedCustodianOrganization"
SIGNER = (
    '<authenticator><time value="20240101"/><signatureCode code="S"/><assignedEntity>'
    '<id root="{root}" extension="1"/></assignedEntity></authenticator>'
)
OTHERS = (
    '<participant typeCode="{kind}">{time}<associatedEntity classCode="{of}"><id root="1.2.3" extension="4"/>'
    "</associatedEntity></participant>"
)
NULL_TIME = '<time nullFlavor="UNK"/>'


VARIANTS = (
    *of(
        "author",
        ("absent", "CDA-PER-001", HARM, without("author")),
        ("not assigned", "CDA-PER-001", HARM, without(AUTHOR)),
        ("no time", "CDA-PER-002", FORM, without("author/time")),
        ("25 o'clock", "CDA-TIM-001", FORM, setting("author/time", value="20240101250000+0100")),
        ("no id", "CDA-PER-003", FORM, without(f"{AUTHOR}/id")),
        ("id without extension", "CDA-PER-003", FORM, setting(f"{AUTHOR}/id", extension=None)),
        ("code without system", "CDA-COD-001", FORM, setting(f"{AUTHOR}/code", codeSystem=None)),
        ("code without display name", "CDA-COD-001", FORM, setting(f"{AUTHOR}/code", displayName=None)),
        ("two codes", "CDA-PER-004", FORM, twice(f"{AUTHOR}/code")),
        ("nobody", "CDA-PER-006", FORM, without(f"{AUTHOR}/assignedPerson")),
        ("no family", "CDA-PER-006", FORM, without(f"{AUTHOR}/assignedPerson/name/family")),
        ("two given", "CDA-PER-006", FORM, twice(f"{AUTHOR}/assignedPerson/name/given")),
        (
            "software without a name",
            "CDA-PER-006",
            FORM,
            both(
                without(f"{AUTHOR}/assignedPerson"),
                with_more(
                    AUTHOR,
                    "<assignedAuthoringDevice><manufacturerModelName>X</manufacturerModelName></assignedAuthoringDevice>",
                ),
            ),
        ),
        (
            "organisation of another OID",
            "CDA-PER-007",
            FORM,
            setting(f"{AUTHOR}/representedOrganization/id", root="1.2"),
        ),
    ),
    *of(
        "dataEnterer; informant",
        (
            "two who entered",
            "CDA-PER-010",
            FORM,
            both(*[with_more("", "<dataEnterer><assignedEntity/></dataEnterer>")] * 2),
        ),
        ("informant of no class", "CDA-PER-011", FORM, with_more("", "<informant><relatedEntity/></informant>")),
        (
            "informant of another class",
            "CDA-PER-011",
            FORM,
            with_more("", '<informant><relatedEntity classCode="FRND"/></informant>'),
        ),
    ),
    *of(
        "custodian",
        ("absent", "CDA-PER-012", HARM, without("custodian")),
        ("no organisation", "CDA-PER-012", HARM, without(KEEPER)),
        ("no id", "CDA-PER-013", FORM, without(f"{KEEPER}/id")),
        ("two ids", "CDA-PER-013", FORM, twice(f"{KEEPER}/id")),
        ("id of another OID", "CDA-PER-013", FORM, setting(f"{KEEPER}/id", root="1.2.250.1.71.4.2.1")),
    ),
    *of(
        "legalAuthenticator",
        ("absent", "CDA-PER-014", FORM, without("legalAuthenticator")),
        ("two", "CDA-PER-014", FORM, twice("legalAuthenticator")),
        ("no time", "CDA-PER-015", FORM, without("legalAuthenticator/time")),
        ("no signature", "CDA-PER-015", FORM, without("legalAuthenticator/signatureCode")),
        ("signature I", "CDA-PER-015", FORM, setting("legalAuthenticator/signatureCode", code="I")),
        ("nobody", "CDA-PER-015", FORM, without("legalAuthenticator/assignedEntity")),
        ("no id", "CDA-PER-016", FORM, without("legalAuthenticator/assignedEntity/id")),
        ("two ids", "CDA-PER-016", FORM, twice("legalAuthenticator/assignedEntity/id")),
        ("id without extension", "CDA-PER-016", FORM, setting("legalAuthenticator/assignedEntity/id", extension=None)),
    ),
    *of(
        "authenticator",
        ("of another OID", "CDA-PER-017", FORM, with_more("", SIGNER.format(root="1.2.250.1.71.4.2.2"))),
        (
            "no signature",
            "CDA-PER-015",
            FORM,
            with_more("", SIGNER.format(root="1.2.250.1.71.4.2.1").replace('<signatureCode code="S"/>', "")),
        ),
    ),
    *of(
        "participant",
        ("of another type", "CDA-PER-018", FORM, with_more("", OTHERS.format(kind="CAGNT", time=NULL_TIME, of="PROV"))),
        (
            "of another class",
            "CDA-PER-019",
            FORM,
            with_more("", OTHERS.format(kind="INF", time=NULL_TIME, of="CAREGIVER")),
        ),
        ("no time", "CDA-PER-020", FORM, with_more("", OTHERS.format(kind="INF", time="", of="PROV"))),
    ),
    *of(
        "any telecom",
        ("no scheme", "CDA-PER-030", FORM, with_more(ROLE, '<telecom value="0102030405"/>')),
        ("https", "CDA-PER-030", FORM, with_more(ROLE, '<telecom value="https://example.org"/>')),
        ("neither value nor null", "CDA-PER-030", FORM, with_more(ROLE, '<telecom use="H"/>')),
        ("another null", "CDA-PER-030", FORM, with_more(ROLE, '<telecom nullFlavor="OTH"/>')),
        ("another use", "CDA-PER-031", FORM, with_more(ROLE, '<telecom value="tel:1" use="AS"/>')),
    ),
    *of(
        "any name prefix/suffix",
        ("prefix in words", "CDA-PER-032", FORM, with_more(f"{AUTHOR}/assignedPerson/name", "<prefix>Madame</prefix>")),
        (
            "suffix in words",
            "CDA-PER-033",
            FORM,
            with_more(f"{AUTHOR}/assignedPerson/name", "<suffix>docteur</suffix>"),
        ),
    ),
)

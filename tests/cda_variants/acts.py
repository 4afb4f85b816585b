"""What the document is about, what it replaces, and where."""

from mssgw.formats.safexml import Element
from tests.cda_variants.changes import at, both, setting, twice, with_more, without
from tests.cda_variants.variant import ADVICE, FORM, HARM, of

EVENT = "documentationOf/serviceEvent"
PERFORMER = f"{EVENT}/performer"
STAY = "componentOf/encompassingEncounter"
PARENT = '<relatedDocument typeCode="{kind}"><parentDocument>{inside}</parentDocument></relatedDocument>'
OLDER = '<id root="1.2.3.4.5"/>'


def _replacing_itself(root: Element) -> bool:
    own = at(root, "id")
    if own is None:
        return False
    attributes = " ".join(f'{name}="{value}"' for name, value in own.attrib.items())
    return with_more("", PARENT.format(kind="RPLC", inside=f"<id {attributes}/>"))(root)


VARIANTS = (
    *of(
        "documentationOf",
        ("absent", "CDA-HDR-040", FORM, without("documentationOf")),
        ("no event", "CDA-HDR-041", FORM, without(EVENT)),
        ("no performer", "CDA-HDR-041", FORM, without(PERFORMER)),
        ("two performers", "CDA-HDR-041", FORM, twice(PERFORMER)),
        ("no time", "CDA-HDR-041", FORM, without(f"{EVENT}/effectiveTime")),
        ("no beginning", "CDA-HDR-041", FORM, without(f"{EVENT}/effectiveTime/low")),
        ("performer SPRF", "CDA-HDR-042", FORM, setting(PERFORMER, typeCode="SPRF")),
        ("performer without id", "CDA-HDR-042", FORM, without(f"{PERFORMER}/assignedEntity/id")),
        (
            "performer without organisation",
            "CDA-HDR-043",
            FORM,
            without(f"{PERFORMER}/assignedEntity/representedOrganization"),
        ),
        (
            "no practice setting",
            "CDA-HDR-043",
            FORM,
            without(f"{PERFORMER}/assignedEntity/representedOrganization/standardIndustryClassCode"),
        ),
        (
            "ends before it begins",
            "CDA-TIM-002",
            ADVICE,
            both(
                without(f"{EVENT}/effectiveTime"),
                with_more(EVENT, '<effectiveTime><low value="20240102"/><high value="20240101"/></effectiveTime>'),
            ),
        ),
    ),
    *of(
        "relatedDocument",
        ("two", "CDA-HDR-030", FORM, both(*[with_more("", PARENT.format(kind="RPLC", inside=OLDER))] * 2)),
        ("addendum", "CDA-HDR-031", FORM, with_more("", PARENT.format(kind="APND", inside=OLDER))),
        ("no id", "CDA-HDR-032", FORM, with_more("", PARENT.format(kind="RPLC", inside=""))),
        ("two ids", "CDA-HDR-032", FORM, with_more("", PARENT.format(kind="RPLC", inside=OLDER * 2))),
        ("itself", "CDA-HDR-033", HARM, _replacing_itself),
        (
            "a later version",
            "CDA-HDR-034",
            ADVICE,
            with_more("", PARENT.format(kind="RPLC", inside=OLDER + '<versionNumber value="900"/>')),
        ),
    ),
    *of(
        "authorization",
        (
            "not given",
            "CDA-HDR-035",
            FORM,
            with_more("", '<authorization><consent><statusCode code="active"/></consent></authorization>'),
        ),
    ),
    *of(
        "componentOf",
        ("absent", "CDA-HDR-050", FORM, without("componentOf")),
        ("empty", "CDA-HDR-050", FORM, without(STAY)),
        ("no time", "CDA-HDR-051", FORM, without(f"{STAY}/effectiveTime")),
        ("no location", "CDA-HDR-052", FORM, without(f"{STAY}/location")),
        ("no kind of place", "CDA-HDR-052", FORM, without(f"{STAY}/location/healthCareFacility/code")),
        (
            "of another kind",
            "CDA-HDR-054",
            FORM,
            both(without(f"{STAY}/code"), with_more(STAY, '<code code="OBSENC"/>')),
        ),
    ),
)

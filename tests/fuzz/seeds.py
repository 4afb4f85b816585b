"""What mutations start from: small files of the shapes that the gateway meets, attacks, and whatever once broke it.

``seeds/`` holds one file each. ``python -m tests.fuzz.seeds`` writes the made ones anew. A file called ``found-*`` is
what a run once failed on: it stays, and every run begins with it.
"""

import io
import zipfile
from datetime import date, datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path

from mssgw.core.ins import Matricule
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.ebrim_making import metadata
from mssgw.formats.xdm_making import SUBSET
from tests import zips

FOLDER = Path(__file__).parent / "seeds"
SMALL = 40_000  # octets: of a larger seed, most mutations would miss what matters

FAMILY, GIVEN, LOCAL, TITLE, FILE = "SERINDOUX", "CELESTINE", "IPP-204711", "ROSSIGNOLITE", "PINSONET.XML"
PATIENT = Patient(
    matricule=Matricule.parse("279035121518989"),
    family=FAMILY,
    given=(GIVEN, "MARIE"),
    birth=date(1979, 3, 28),
    local=("2.25.999000018", LOCAL),
)
#: Of a patient, of a letter: no finding and no reason may hold them (SD-10), in whatever case.
CANARIES = tuple(each.lower() for each in (FAMILY, GIVEN, LOCAL, TITLE, FILE, "2790351215189", "19790328"))
_AUTHOR = Author(rpps="99900000012", family="MARTIN", given="Claire", finess="999000018", organisation="Hôpital")
_AT = datetime(2025, 2, 4, 16, 5, tzinfo=timezone(timedelta(hours=1)))
_SHEET = (
    b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    b'<x:Contenu xmlns:x="urn:asip-sante:ci-sis">%s</x:Contenu></xsl:stylesheet>'
)


def _order(kind: str = "biologie", *, structured: bool = False, replaces: Order | None = None) -> Order:
    return Order(
        kind=KINDS[kind],
        patient=PATIENT,
        author=_AUTHOR,
        at=_AT + timedelta(days=1 if replaces else 0),
        title=TITLE,
        structured=structured,
        copy=structured,
        pdf=b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
        replaces=replaces,
    )


def _entries(*orders: Order) -> dict[str, bytes]:
    names = (FILE, "DOC00002.XML")
    files = {name: make(each) for name, each in zip(names, orders, strict=False)}
    return {
        "INDEX.HTM": b"<html/>",
        "README.TXT": b"x",
        f"{SUBSET}/METADATA.XML": metadata(orders, files),
        **{f"{SUBSET}/{name}": content for name, content in files.items()},
    }


def _streamed(entries: dict[str, bytes]) -> bytes:
    """With sizes and CRC behind the data, as a program writes that cannot go back."""
    octets = io.BytesIO()
    octets.seek = _no_way_back  # type: ignore[method-assign, assignment]
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return octets.getvalue()


def _no_way_back(*_: object) -> int:
    raise io.UnsupportedOperation


_MORE = (
    (
        b"<custodian>",
        b"<informant><relatedEntity classCode='ECON'><telecom value='tel:0199000000'/></relatedEntity></informant>",
    ),
    (
        b"<documentationOf>",
        b"<authenticator><time value='20250204'/><signatureCode code='S'/><assignedEntity>"
        b"<id root='1.2.250.1.71.4.2.1' extension='899900000012'/></assignedEntity></authenticator>"
        b"<participant typeCode='INF'><functionCode code='PCP' codeSystem='2.16.840.1.113883.5.88'/>"
        b"<time value='20250204'/><associatedEntity classCode='PROV'/></participant>",
    ),
    (
        b"<componentOf>",
        b"<relatedDocument typeCode='RPLC'><parentDocument><id root='2.25.7'/><versionNumber value='1'/>"
        b"</parentDocument></relatedDocument>"
        b"<authorization><consent><statusCode code='completed'/></consent></authorization>",
    ),
)


def _with_more(content: bytes) -> bytes:
    """With what a header may have besides."""
    for before, more in _MORE:
        content = content.replace(before, more + before, 1)
    return content.replace(b'<versionNumber value="1"/>', b'<versionNumber value="2"/>', 1)


def _letter(*, encoding: str = "base64") -> bytes:
    """A letter with a document and its archive, and one that is attached."""
    letter = EmailMessage()
    letter["From"], letter["To"] = "paul@ch-test.mssante.fr", "146026322000196@patient.mssante.fr"
    letter["Subject"] = f"XDM/1.0/DDM+{FAMILY} {GIVEN} 28/03/1979"
    letter.set_content("Bonjour")
    archive = zips.zipped(_entries(_order()), method=zipfile.ZIP_STORED)
    letter.add_attachment(archive, maintype="application", subtype="zip", filename="IHE_XDM.zip")
    letter.add_attachment(make(_order("crh")), maintype="text", subtype="xml", filename=FILE, cte=encoding)
    inner = EmailMessage()
    inner.add_attachment(make(_order()), maintype="application", subtype="octet-stream", filename="A.BIN")
    letter.add_attachment(inner)
    for part, boundary in zip((letter, inner), ("==1==", "==2=="), strict=True):
        part.set_boundary(boundary)
    return letter.as_bytes()


def made() -> dict[str, bytes]:
    """Documents, archives and letters that are right, of every shape."""
    n1, structured = make(_order()), make(_order(structured=True))
    inner = n1.partition(b"?>")[2]
    prefixed = inner.replace(b"<", b"<c:").replace(b"<c:/", b"</c:").replace(b' xmlns="', b' xmlns:c="')
    return {
        "n1.xml": n1,
        "structured.xml": structured,
        "rich.xml": _with_more(structured),
        "presented.xml": _SHEET % inner,
        "prefixed.xml": prefixed,
        "latin-1.xml": n1.replace(b"UTF-8", b"ISO-8859-1").decode().encode("latin-1"),
        "bom.xml": b"\xef\xbb\xbf" + n1,
        "replacement.xml": make(_order(replaces=_order())),
        "one.zip": zips.zipped(_entries(_order())),
        "two.zip": zips.zipped(_entries(_order(), _order("crh", structured=True))),
        "replacement.zip": zips.zipped(_entries(_order(replaces=_order()))),
        "stored.zip": zips.zipped(_entries(_order()), method=zipfile.ZIP_STORED),
        "streamed.zip": _streamed(_entries(_order())),
        "base64.eml": _letter(),
        "quoted-printable.eml": _letter(encoding="quoted-printable"),
    }


def kept() -> dict[str, bytes]:
    """Every file of the folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}


def attacks() -> dict[str, bytes]:
    """The attacks on archives that are small enough to be mutated."""
    contents = {name: how() for name, (how, _) in zips.ATTACKS.items() if name not in _LARGE}
    return {name: content for name, content in contents.items() if len(content) < SMALL}


_LARGE = ("over 20 MB", "bomb", "100 MB bomb", "48 MB in all", "10,000 entries")

if __name__ == "__main__":
    for name, content in made().items():
        (FOLDER / name).write_bytes(content)

"""What letters and files with a document are put together of, honestly or in disguise."""

import base64
import binascii
import io
import zipfile
from datetime import UTC, datetime
from random import Random
from urllib.parse import quote

from mssgw.core.clinical import Profile
from mssgw.core.ins import Matricule
from mssgw.core.report import Order
from mssgw.formats import cms
from mssgw.formats.cda.making import make
from mssgw.formats.xdm_making import zipped
from tests.clinical_letters import archive, order

MINE, THEIRS = "288112B98765431", "279035121518989"
ORDER = Order(profile=Profile.STANDARD, now=datetime(2026, 1, 1, tzinfo=UTC), patients=(Matricule.parse(MINE),))
CDA, OWN = make(order(THEIRS)), make(order(MINE))
ROOT = CDA[CDA.index(b"<ClinicalDocument") :]  # without the declaration
XDM, OWN_XDM = archive([order(THEIRS)]), archive([order(MINE)])
NAME = 'Content-Disposition: attachment; filename="=?utf-8?Q?cr=2Exml?="'  # cr.xml
SHEET = b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">%s</xsl:stylesheet>'
CONTENT = b'<c:Contenu xmlns:c="urn:asip-sante:ci-sis">%s</c:Contenu>'


def part(content: bytes, kind: str = "application/octet-stream", *fields: str, encoding: str = "base64") -> bytes:
    """A part whose content is given as it is encoded, but for base64."""
    coded = base64.encodebytes(content) if encoding == "base64" else content
    head = "\n".join((f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}", *fields))
    return head.encode() + b"\n\n" + coded.rstrip(b"\n") + b"\n"


def letter(*parts: bytes, mark: str = "outer") -> bytes:
    head = f"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary={mark}\n\n".encode()
    return head + b"".join(f"--{mark}\n".encode() + each for each in parts) + f"--{mark}--\n".encode()


TEXT = part(b"Bonjour,\n", "text/plain", encoding="7bit")
INNER = letter(TEXT, part(CDA, "text/xml"), mark="inner")

HIDDEN = letter(TEXT, part(CDA, 'image/png; name="cr.xml"'), mark="inner")
EML = 'application/octet-stream; name="lettre.eml"'
MBOX = b"From a@b.example Mon Jan  1 00:00:00 2024\n"


def uuencoded(content: bytes, mode: str = "644") -> bytes:
    lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
    return f"begin {mode} cr.xml\n".encode() + b"".join(lines) + b"`\nend\n"


def masked(encoded: bytes) -> bytes:
    """The same in uuencode for who heeds six bits of each octet only, as JavaMail does, and others."""
    begin, *lines, grave, end = encoded.splitlines()
    lines = [line[:1] + bytes(((octet - 32) & 63) + 96 for octet in line[1:]) for line in lines]
    return b"\n".join((begin, *lines, grave, end)) + b"\n"


def prefixed(document: bytes) -> bytes:
    """The same with its first element in a namespace of a prefix that is called like an element of HTML."""
    return document.replace(b"<ClinicalDocument", b'<p:ClinicalDocument xmlns:p="urn:hl7-org:v3"').replace(
        b"</ClinicalDocument>", b"</p:ClinicalDocument>"
    )


def folded(document: bytes) -> bytes:
    """The same as a reader of header fields sees but one long field."""
    return b"\n".join(b" " + line for line in prefixed(document).splitlines())[1:] + b"\n"


def far_behind() -> bytes:
    """An archive whose layout stands neither in its first octets nor in its last."""
    entries = {"A.BIN": Random(1).randbytes(6_000), **{f"IHE_XDM/SUBSET01/D{n}.XML": CDA for n in range(3)}}
    content = zipped({**entries, **{f"{n:03}{'x' * 200}.TXT": b"x" for n in range(20)}})
    return content[:-2] + b"\xff\xff" + b" " * 65_535


def entries_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as read:
        return {name: read.read(name) for name in read.namelist()}


def with_more(path: str, content: bytes) -> bytes:
    """The addressee's own archive, and what came along."""
    return zipped(entries_of(OWN_XDM) | {path: content})


def signed(content: bytes) -> bytes:
    """As S/MIME signs it, of indefinite lengths."""
    coded = b"\x04\x83" + len(content).to_bytes(3) + content
    encapsulated = b"0\x80\x06\x09" + cms.DATA + b"\xa0\x80" + coded + bytes(4)
    return b"0\x80\x06\x09" + cms.SIGNED + b"\xa0\x800\x80\2\1\0011\0" + encapsulated + b"1\0" + bytes(6)


def with_their_patient(namespace: str) -> bytes:
    """The addressee's own document, and before her, for readers that look for the name alone, another."""
    target = CDA[CDA.index(b"<recordTarget") : CDA.index(b"</recordTarget>") + 15]
    theirs = target.replace(b"<recordTarget", f'<recordTarget xmlns="{namespace}"'.encode())
    return OWN.replace(b"<recordTarget", theirs + b"<recordTarget", 1)


def with_their_id() -> bytes:
    """The addressee's own, but for an id where CDA R2 has it no more."""
    theirs = f'<patient><id root="1.2.250.1.213.1.4.8" extension="{THEIRS}"/>'.encode()
    return OWN.replace(b"<patient>", theirs, 1)


def with_their_role(old: str, new: str) -> bytes:
    """The addressee's own, and where readers may look for it by its name alone another."""
    theirs = f'<patientRole><id root="1.2.250.1.213.1.4.8" extension="{THEIRS}"/></patientRole>'
    return OWN.replace(old.encode(), new.format(theirs).encode(), 1)


def lines_of(coded: bytes) -> bytes:
    return b"".join(coded[at : at + 76] + b"\n" for at in range(0, len(coded), 76))


def by_entity(root: str = "x", *, before: str = "", declared: str = "<!ENTITY e '{}'>") -> str:
    """The document as an entity: no reader of octets finds its name, and a parser puts it in place."""
    value = ROOT.decode().replace("&", "&#38;").replace("%", "&#37;").replace("'", "&#39;")
    value = value.replace("ClinicalDocument", "Clinic&#97;lDocument")
    return f"{before}<!DOCTYPE {root} [{declared.format(value)}]><{root}>&e;</{root}>"


def in_a_mac_file(magic: bytes = b"\0\5\x16\0", fork: int = 1) -> bytes:
    """AppleSingle or AppleDouble, of one entry."""
    entry = fork.to_bytes(4) + (38).to_bytes(4) + len(CDA).to_bytes(4)
    return magic + b"\0\2\0\0" + bytes(16) + b"\0\1" + entry + CDA


OUTLOOK = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
HL7 = b"MSH|^~\\&|DPI|CH|||20260105||MDM^T02^MDM_T02|1|P|2.6\r"
MDM = HL7 + b"OBX|1|ED|CDA||^TEXT^XML^Base64^%s||||||F\r"
LINK = b'<a href="data:text/xml;base64,'
CALENDAR = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nATTACH;ENCODING=BASE64;VALUE=BINARY:%s\nEND:VEVENT\nEND:VCALENDAR\n"
BINHEX = b"(This file must be converted with BinHex 4.0)\n\n:$'j"


def folded_base64() -> bytes:
    return b"\n ".join(B64[at : at + 20] for at in range(0, len(B64), 20))


QP, RAW64, MDN = "quoted-printable", "Base64", "message/disposition-notification"
B64 = base64.b64encode(CDA)
PERCENTS = quote(CDA.decode()).encode()
FILE = b"Content-Disposition: attachment; filename=a\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(XDM)

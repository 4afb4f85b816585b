"""Letters to measure with. Their content is invented; the same call always makes the same octets."""

import base64
import io
import random
import zipfile
from email.message import EmailMessage
from email.policy import SMTP

from bench.part import PATIENT, SENDER

_WHEN = (2026, 11, 20, 8, 30, 0)
_HTML = "<html><body><h1>Compte rendu</h1><p>Archive IHE_XDM : voir IHE_XDM/SUBSET01.</p></body></html>"
_CDA = """<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<title>Compte rendu d'hospitalisation</title><component><structuredBody>{sections}</structuredBody></component>
</ClinicalDocument>
"""
_SECTION = "<component><section><title>Examen {0}</title><text>Valeur relevee : {1}</text></section></component>\n"
_METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
 xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:RegistryObjectList>
<rim:ExtrinsicObject id="Document01" mimeType="text/xml"><rim:Slot name="URI"><rim:ValueList>
<rim:Value>DOC0001.XML</rim:Value></rim:ValueList></rim:Slot></rim:ExtrinsicObject>
</rim:RegistryObjectList></lcm:SubmitObjectsRequest>
"""


def real_shaped() -> bytes:
    """What a hospital sends, about 300 kB: text, IHE_XDM.zip with a report (FMT-2), a PDF beside it. CRLF line ends."""
    source = random.Random(3)
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = f"Dr Martin <{SENDER}>", PATIENT
    message["Subject"] = "XDM/1.0/DDM+Compte rendu ESSAI Bench 01/01/1970"
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 08:30:00 +0100", "<bench.real-shaped@ch-test.mssante.fr>"
    message.set_content("Bonjour,\n\nVeuillez trouver ci-joint un compte rendu.\n\nDr Martin\n", cte="8bit")
    message.add_attachment(_archive(source), maintype="application", subtype="zip", filename="IHE_XDM.zip")
    message.add_attachment(_pdf(source, 160_000), maintype="application", subtype="pdf", filename="20261120_CR.pdf")
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_bench_{number}")  # else it is drawn by lot
    return message.as_bytes()


def numbered(number: int, octets: int) -> bytes:
    """A plain letter of about that size with its number in a field of its own; CRLF, no dots to stuff."""
    head = (
        f"From: Dr Martin <{SENDER}>\r\nTo: {PATIENT}\r\nSubject: Essai\r\nDate: Fri, 20 Nov 2026 08:30:00 +0100\r\n"
        f"Message-ID: <bench.{number}@ch-test.mssante.fr>\r\nX-Bench-Number: {number}\r\nMIME-Version: 1.0\r\n\r\n"
    )
    line = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tem\r\n"
    return head.encode() + line * (octets // len(line))


def _archive(source: random.Random) -> bytes:
    """Laid out as IHE XDM wants it: index, readme, one subset with metadata, report and its PDF."""
    sections = "".join(_SECTION.format(number, source.random()) for number in range(400))
    root = "IHE_XDM/SUBSET01/"
    files = {
        "INDEX.HTM": _HTML.encode(),
        "README.TXT": b"Emetteur : centre hospitalier d'essai\r\n",
        f"{root}METADATA.XML": _METADATA.encode(),
        f"{root}DOC0001.XML": _CDA.format(sections=sections).encode(),
        f"{root}DOC0002.PDF": _pdf(source, 60_000),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _pdf(source: random.Random, octets: int) -> bytes:
    """As a scanner makes them: a frame, and a stream that nothing compresses further."""
    stream = base64.a85encode(source.randbytes(octets * 4 // 5), wrapcol=120)
    head = b"%%PDF-1.4\n1 0 obj << /Length %d /Filter /ASCII85Decode >> stream\n" % len(stream)
    return head + stream + b"\nendstream endobj\ntrailer << >>\n%%EOF\n"

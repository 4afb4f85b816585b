"""Letters to measure with. Their content is invented; the same call always makes the same octets."""

import base64
import io
import random
import zipfile
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.policy import SMTP

from bench.part import PATIENT, SENDER
from mssgw.core.ins import Matricule
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.xdm_making import archive

_WHEN = (2026, 11, 20, 8, 30, 0)
_AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
_AUTHOR = Author(rpps="99900000012", family="MARTIN", given="Claire", finess="999000018", organisation="CH d'essai")


def real_shaped() -> bytes:
    """What a hospital sends, about 300 kB: text, IHE_XDM.zip with a report (FMT-2), a PDF beside it. CRLF line ends."""
    pdf = _pdf(random.Random(3), 106_000)
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = f"Dr Martin <{SENDER}>", PATIENT
    message["Subject"] = "XDM/1.0/DDM+Compte rendu ESSAI BANC 14/03/1979"
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 08:30:00 +0100", "<bench.real-shaped@ch-test.mssante.fr>"
    message.set_content("Bonjour,\n\nVeuillez trouver ci-joint un compte rendu.\n\nDr Martin\n", cte="8bit")
    message.add_attachment(_archive(_order(pdf)), maintype="application", subtype="zip", filename="IHE_XDM.zip")
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename="20261120_CR.pdf")
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


def _order(pdf: bytes) -> Order:
    """A report about the patient who gets it, around a PDF."""
    who = Patient(
        matricule=Matricule.parse(PATIENT.partition("@")[0]), family="ESSAI", given=("BANC",), birth=date(1979, 3, 14)
    )
    return Order(kind=KINDS["crh"], patient=who, author=_AUTHOR, at=_AT, pdf=pdf)


def _archive(order: Order) -> bytes:
    """IHE_XDM.zip, compressed as programs do."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive([order]))) as plain, zipfile.ZipFile(made, "w") as packed:
        for name in plain.namelist():
            packed.writestr(zipfile.ZipInfo(name, _WHEN), plain.read(name), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _pdf(source: random.Random, octets: int) -> bytes:
    """As a scanner makes them: a frame, and a stream that nothing compresses further."""
    stream = base64.a85encode(source.randbytes(octets * 4 // 5), wrapcol=120)
    head = b"%%PDF-1.4\n1 0 obj << /Length %d /Filter /ASCII85Decode >> stream\n" % len(stream)
    return head + stream + b"\nendstream endobj\ntrailer << >>\n%%EOF\n"

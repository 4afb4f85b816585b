"""Letters around the documents, as software of professionals sends them (FMT-1, FMT-5 to FMT-11).

Written by hand: the email package folds and encodes header fields a little differently from one Python to the next.
"""

import base64
from collections.abc import Sequence
from email.utils import format_datetime
from textwrap import wrap
from urllib.parse import quote

from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Order
from mssgw.formats.xdm_making import archive

_DOMAIN = "ch-exemple.mssante.fr"
_BOUNDARY = "=_mssgw_exemple"
_SENDER = "Dr_Claire_MARTIN_Centre hospitalier de l'Exemple"
Attachment = tuple[str, str, bytes]  # file name, media type, content


def letter(order: Order, recipient: str) -> bytes:
    """A letter with the archive of an order, and its PDF beside it."""
    patient = order.patient
    name = f"{order.begins:%Y%m%d}_{order.kind.label}_{patient.family}_{patient.given[0]}.pdf"
    attachments = [("IHE_XDM.zip", "application/zip", archive([order])), (name, "application/pdf", order.shown())]
    subject = f"XDM/1.0/DDM+{order.heading} {patient.family} {patient.given[0]} {patient.birth:%d/%m/%Y}"
    return _letter([order], recipient, subject, attachments)


def bare(orders: Sequence[Order], recipient: str) -> bytes:
    """A letter with documents that are in no archive."""
    attachments = [(f"document{number}.xml", "text/xml", make(order)) for number, order in enumerate(orders, 1)]
    return _letter(orders, recipient, "Documents", attachments)


def _letter(orders: Sequence[Order], recipient: str, subject: str, attachments: Sequence[Attachment]) -> bytes:
    head = [
        f"From: {_encoded(_SENDER)} <claire.martin@{_DOMAIN}>",
        f"To: <{recipient}>",
        f"Date: {format_datetime(orders[0].at)}",
        f"Message-ID: <{orders[0].uuid('letter')}@{_DOMAIN}>",
        f"Subject: {_encoded(subject)}",
        "X-MSS-INS: O",
        f"X-MSS-CODECDA: {','.join(order.kind.code.code for order in orders)}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"',
        "",
    ]
    text = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", "Bonjour,", ""]
    text += ["Veuillez trouver un document en pièce jointe.", ""]
    parts = [text, *(_attached(*each) for each in attachments)]
    lines = [*head, *(line for part in parts for line in (f"--{_BOUNDARY}", *part)), f"--{_BOUNDARY}--", ""]
    return "\r\n".join(lines).encode()


def _attached(name: str, media_type: str, content: bytes) -> list[str]:
    return [
        f"Content-Type: {media_type}",
        f"Content-Disposition: attachment; filename*=UTF-8''{quote(name)}",
        "Content-Transfer-Encoding: base64",
        "",
        *wrap(base64.b64encode(content).decode(), 76),
    ]


def _encoded(words: str) -> str:
    """The words as they are, or in encoded words of at most 75 characters (RFC 2047)."""
    if words.isascii():
        return f'"{words}"' if "'" in words else words
    pieces = [words[start : start + 15] for start in range(0, len(words), 15)]
    return "\r\n ".join(f"=?UTF-8?B?{base64.b64encode(piece.encode()).decode()}?=" for piece in pieces)

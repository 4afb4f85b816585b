"""Letters with their envelopes, as people's programs write them, and what is attached to them."""

import email
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP

from mssgw.formats.cda.making import make
from tests.canaries import FILE_NAMES, SUBJECTS, Kind, plant
from tests.clinical_letters import Edit, order

PHOTO_NAME = plant(Kind.FILE_NAME, "photo_ordonnance_fauvettoux.jpg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    name: str
    kind: str  # media type
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """``content`` ends its lines with CRLF, as it travels."""

    sender: str
    to: str
    message_id: str
    content: bytes = field(repr=False)

    @property
    def collected(self) -> bytes:
        """As the mail store of another operator keeps it."""
        return f"Return-Path: <{self.sender}>\r\n".encode() + self.content


def letter(
    sender: str,
    to: str,
    *,
    subject: str = SUBJECTS[2],
    answers: Letter | None = None,
    receipt: bool = False,
    attached: Sequence[Attachment] = (),
) -> Letter:
    """``receipt``: it asks to be acknowledged."""
    message_id = f"<{secrets.token_hex(8)}@{sender.partition('@')[2]}>"
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = f"<{sender}>", f"<{to}>", subject
    made["Date"], made["Message-ID"] = "Sat, 21 Nov 2026 10:00:00 +0100", message_id
    if answers is not None:
        made["In-Reply-To"] = answers.message_id
    if receipt:
        made["Disposition-Notification-To"] = f"<{sender}>"
    made.set_content("Bonjour,\n.\nà bientôt.\n")
    for each in attached:
        main, _, sub = each.kind.partition("/")
        made.add_attachment(each.content, maintype=main, subtype=sub, filename=each.name)
    return Letter(sender=sender, to=to, message_id=message_id, content=made.as_bytes())


def pdf() -> Attachment:
    content = (
        b"%PDF-1.4\n%" + secrets.token_hex(30_000).encode() + b"\ntrailer << /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
    )
    return Attachment(name=FILE_NAMES[0], kind="application/pdf", content=content)


def photo() -> Attachment:
    """As a telephone takes one."""
    content = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0H\0H\0\0" + secrets.token_bytes(200_000) + b"\xff\xd9"
    return Attachment(name=PHOTO_NAME, kind="image/jpeg", content=content)


def document(patient: str, *, edit: Edit = bytes) -> Attachment:
    """A CDA R2 about a patient."""
    content = edit(make(order(patient.partition("@")[0])))
    return Attachment(name=FILE_NAMES[2], kind="text/xml", content=content)


def digests(content: bytes) -> dict[str, str]:
    """SHA-256 of what is attached, by file name."""
    parts = [each for each in email.message_from_bytes(content).walk() if each.get_filename()]
    return {each.get_filename(""): hashlib.sha256(each.get_payload(decode=True)).hexdigest() for each in parts}  # type: ignore[arg-type]


def opened(original: Letter) -> Letter:
    """What Mon espace santé sends when the patient opens that letter (MDN-3, RFC 8098)."""
    patient, message_id = original.to, f"<{secrets.token_hex(8)}@patient.mssante.fr>"
    text = f"""\
From: <{patient}>
To: <{original.sender}>
Subject: Lu
Date: Sat, 21 Nov 2026 11:00:00 +0100
Message-ID: {message_id}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="=_r"

--=_r
Content-Type: text/plain; charset=utf-8

Le message que vous avez envoyé a bien été ouvert par votre destinataire.

--=_r
Content-Type: message/disposition-notification

Final-Recipient: rfc822;{patient}
Original-Message-ID: {original.message_id}
Disposition: manual-action/MDN-sent-automatically; displayed

--=_r--
"""
    content = text.replace("\n", "\r\n").encode()
    return Letter(sender="", to=original.sender, message_id=message_id, content=content)

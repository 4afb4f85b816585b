"""The letters of the demo, written out as their octets travel."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, make_msgid

from demo import people

LIMIT = 10_485_760  # octets: "10 Mo" in the larger of its two readings, encoded attachments included
_MIXED = 'multipart/mixed; boundary="=_demo"'
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message and its envelope. ``sender`` "" is the null reverse-path of receipts and notices."""

    sender: str
    recipient: str
    message_id: str
    content: bytes


def letter(recipient: str = people.PATIENT, *, subject: str = people.LETTER_SUBJECT, text: str = "") -> Mail:
    """From the doctor to a patient, asking for a read receipt."""
    text = text or "Bonjour,\n\nvos résultats sont bons. À bientôt.\n.\nLa ligne ci-dessus est un point seul.\n"
    fields = [("Disposition-Notification-To", people.DOCTOR)]
    return _mail(people.DOCTOR, recipient, subject, fields, text, name=people.DOCTOR_NAME)


def fin() -> Mail:
    """The doctor closes the exchange: the subject is [FIN] and nothing else."""
    return _mail(people.DOCTOR, people.PATIENT, "[FIN]", [], "Échange clos.\n", name=people.DOCTOR_NAME)


def answer(original: Mail) -> Mail:
    """The patient answers the doctor's letter."""
    fields = [("In-Reply-To", original.message_id), ("References", original.message_id)]
    text = "Merci docteur, j’ai bien compris.\n"
    return _mail(original.recipient, original.sender, f"Re: {people.LETTER_SUBJECT}", fields, text)


def receipt(original: Mail) -> Mail:
    """What Mon espace santé sends when the patient opens the letter: a disposition notification (RFC 8098)."""
    opened = (
        f"Le message que vous avez envoyé a bien été ouvert par votre destinataire {original.recipient}.\n"
        "Cela ne garantit pas la bonne prise de connaissance de son contenu.\n"
        "Merci de ne pas répondre à ce message.\n"
    )
    report = (
        "Reporting-UA: Mon espace sante; stand-in\n"
        f"Final-Recipient: rfc822;{original.recipient}\n"
        f"Original-Message-ID: {original.message_id}\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n"
    )
    header = original.content.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n") + "\n"
    kind = 'multipart/report; report-type=disposition-notification; boundary="=_demo"'
    text = _parts(
        _plain(opened),
        ("message/disposition-notification", report),
        ("text/rfc822-headers", header),
    )
    fields = [("In-Reply-To", original.message_id), ("Auto-Submitted", "auto-replied")]
    made = _mail(original.recipient, original.sender, f"Lu : {people.LETTER_SUBJECT}", fields, text, kind=kind)
    return Mail(sender="", recipient=made.recipient, message_id=made.message_id, content=made.content)


def ordonnance(recipient: str) -> Mail:
    """A patient's new letter with a prescription, in answer to nothing."""
    text = _parts(
        _plain("Bonjour, je passerai à 18 h.\n"), _attached(people.ORDONNANCE_FILE, "application/pdf", _pdf())
    )
    return _mail(people.CUSTOMER, recipient, people.ORDONNANCE_SUBJECT, [], text, kind=_MIXED)


def answer_of_pharmacy(original: Mail) -> Mail:
    """The pharmacy answers the patient's ordonnance."""
    fields = [("In-Reply-To", original.message_id), ("References", original.message_id)]
    text = "Bonjour, votre commande est prête.\n"
    return _mail(original.recipient, original.sender, f"Re: {people.ORDONNANCE_SUBJECT}", fields, text)


def order() -> Mail:
    """The doctor asks the laboratory's program for something, and to be told when it has taken that in."""
    fields = [("Disposition-Notification-To", people.DOCTOR)]
    return _mail(people.DOCTOR, people.PROGRAM, people.ORDER_SUBJECT, fields, "NFS, CRP.\n", name=people.DOCTOR_NAME)


def report(recipient: str, archive: bytes, pdf: tuple[str, bytes]) -> Mail:
    """The doctor sends a clinical document: a CDA R2 in its IHE_XDM.zip, and its PDF for those who only read."""
    name, shown = pdf
    text = _parts(
        _plain("Bonjour, voici votre compte rendu.\n"),
        _attached("IHE_XDM.zip", "application/zip", archive),
        _attached(name, "application/pdf", shown),
    )
    return _mail(people.DOCTOR, recipient, people.LETTER_SUBJECT, [], text, name=people.DOCTOR_NAME, kind=_MIXED)


def letter_of(size: int) -> Mail:
    """A letter of exactly so many octets, counted as RFC 1870 does: CRLF line ends, no dots of the transport."""
    start = letter(subject="Imagerie", text="Série complète.\n")
    line = b"." + b"x" * 74 + b"\r\n"  # begins with a dot: the one that travels with it must not count
    lines, rest = divmod(size - len(start.content) - 2, len(line))
    filling = line * lines + b"y" * rest + b"\r\n"
    content = start.content + filling
    assert len(content) == size
    return Mail(sender=start.sender, recipient=start.recipient, message_id=start.message_id, content=content)


def _mail(
    sender: str,
    recipient: str,
    subject: str,
    fields: Fields,
    text: str,
    *,
    name: str = "",
    kind: str = "text/plain; charset=utf-8",
) -> Mail:
    message_id = make_msgid(domain=sender.partition("@")[2])
    header = [
        ("From", f"{name} <{sender}>" if name else sender),
        ("To", recipient),
        ("Subject", Header(subject).encode()),
        ("Date", format_datetime(datetime.now().astimezone())),
        ("Message-ID", message_id),
        *fields,
        ("MIME-Version", "1.0"),
        ("Content-Type", kind),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    written = "".join(f"{field}: {value}\n" for field, value in header) + "\n" + text
    content = written.replace("\n", "\r\n").encode()
    return Mail(sender=sender, recipient=recipient, message_id=message_id, content=content)


def _parts(*parts: tuple[str, str]) -> str:
    """A multipart body: each part's type, with further fields below it, and its text."""
    return "".join(f"--=_demo\nContent-Type: {kind}\n\n{text}\n" for kind, text in parts) + "--=_demo--\n"


def _plain(text: str) -> tuple[str, str]:
    return "text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit", text


def _attached(name: str, kind: str, content: bytes) -> tuple[str, str]:
    head = f'{kind}; name="{name}"\nContent-Transfer-Encoding: base64'
    return f'{head}\nContent-Disposition: attachment; filename="{name}"', base64.encodebytes(content).decode()


def _pdf() -> bytes:
    """One empty page."""
    objects = (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R>>")
    body = b"%PDF-1.4\n" + b"".join(b"%d 0 obj%s endobj\n" % (n, each) for n, each in enumerate(objects, 1))
    return body + b"trailer<</Root 1 0 R/Size 4>>\n%%EOF\n"

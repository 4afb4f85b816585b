"""What a gateway that serves the patient domain writes of its own: Mon espace santé's notices to senders, word for word
(NDR-1 to NDR-4), and the word to a patient's ordinary address that something waits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from mssgw.core.addresses import Address
from mssgw.core.message import AccountState
from mssgw.formats.own_parts import Written, header_value, product_field, text_part, thread_fields
from mssgw.formats.words import encoded

# formats/notices.py knows them again, here and at other operators.
_HEAD = "Le message que vous avez envoyé à l'adresse {about} n'a pas pu être distribué, car "
_UNNAMED = "renseignée"  # req: NDR-5
_NAMEABLE = re.compile(r"[!#-&(-;=?-~]{1,320}")  # no quotation marks, angle brackets, spaces: readers would stop there
_BECAUSE: Mapping[AccountState, str] = {
    AccountState.NOT_CREATED: "cette adresse Mon espace santé n'existe pas.",  # req: NDR-2
    AccountState.CLOSED: "la messagerie Mon espace santé de votre destinataire est clôturée.",  # req: NDR-3
    AccountState.BAD_ADDRESS: "cette adresse Mon espace santé est invalide.",  # req: NDR-4
}
_PREFIX = "MESSAGE NON DISTRIBUE: "  # req: NDR-1
_LONGEST_SUBJECT = 400  # characters of the original one

# No health data, no INS, no name: whoever reads that mailbox learns that there is a message, no more.
_WAITS_SUBJECT = "Un nouveau message vous attend"
_WAITS = """Bonjour,

Un nouveau message vous attend dans votre messagerie de santé.
Pour le lire, connectez-vous à votre espace comme vous en avez l'habitude.
Cet avis ne contient aucun lien, et personne ne vous demandera votre mot de passe par courriel.

Cet avis est envoyé automatiquement : merci de ne pas y répondre.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDelivered:
    """A notice to the sender of a letter: ``about`` is the patient's address as he wrote it, ``subject`` his own.

    ``robot``: who signs; it lies in the patient domain, or nobody would believe it (SD-4). ``product``: of this
    gateway, "" when it is not configured (FMT-9).
    """

    account: AccountState
    about: Address
    robot: Address
    to: Address
    subject: str = field(repr=False)
    original_message_id: str | None
    message_id: str
    written_at: datetime
    product: str


def write_not_delivered(notice: NotDelivered) -> Written:
    """The notice. The address stands in its sentence, the thread in its header: by either it is linked (NDR-7)."""
    about = f'"{notice.about.text}"' if _NAMEABLE.fullmatch(notice.about.text) else _UNNAMED
    sentence = _HEAD.format(about=about) + _BECAUSE[notice.account]
    subject = _PREFIX + " ".join(notice.subject.split())[:_LONGEST_SUBJECT]
    return _written(
        sender=notice.robot,
        to=notice.to,
        subject=subject,
        message_id=notice.message_id,
        written_at=notice.written_at,
        more=(
            *thread_fields(notice.original_message_id),
            b"Auto-Submitted: auto-replied",
            *product_field(notice.product),
        ),
        text=f"{sentence}\r\n",
    )


def write_something_waits(*, sender: Address, to: Address, message_id: str, written_at: datetime) -> Written:
    """The word to an ordinary address, outside the trust space."""
    return _written(
        sender=sender,
        to=to,
        subject=_WAITS_SUBJECT,
        message_id=message_id,
        written_at=written_at,
        more=(b"Auto-Submitted: auto-generated",),
        text=_WAITS.replace("\n", "\r\n"),
    )


def _written(
    *,
    sender: Address,
    to: Address,
    subject: str,
    message_id: str,
    written_at: datetime,
    more: tuple[bytes, ...],
    text: str,
) -> Written:
    fields = (
        b"From: <" + sender.text.encode("utf-8") + b">",
        b"To: <" + to.text.encode("utf-8") + b">",
        b"Subject: " + encoded(subject).encode("ascii"),
        b"Date: " + header_value(format_datetime(written_at)),
        b"Message-ID: " + header_value(message_id),
        *more,
        b"MIME-Version: 1.0",
    )
    content = b"\r\n".join(fields) + b"\r\n" + text_part("text/plain; charset=utf-8", text.encode("utf-8"))
    return Written(content=content, smtputf8=not (to.ascii_only and sender.ascii_only))

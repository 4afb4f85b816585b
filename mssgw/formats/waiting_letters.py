"""What is told of letters that wait in a professional's mailbox: by ordinary mail, or as JSON.

It leaves the trust space: the mailbox and a number, and nothing of patients or letters.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mssgw.core.addresses import Address
from mssgw.formats.own_parts import Written, header_value, text_part
from mssgw.formats.words import encoded

_SUBJECT = "Messages en attente dans une boîte MSSanté"
_TEXT = """Bonjour,

{what} dans la boîte MSSanté {mailbox}.
Pour lire ce courrier, ouvrez votre messagerie sécurisée comme vous en avez l'habitude.
Cet avis ne contient aucun lien, et personne ne vous demandera votre mot de passe par courriel.

Cet avis est envoyé automatiquement : merci de ne pas y répondre.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A word to ``to``, an ordinary address, that so many letters wait in ``mailbox``."""

    mailbox: Address
    waiting: int
    sender: Address
    to: Address
    message_id: str
    written_at: datetime


def write_waiting(notice: Waiting) -> Written:
    """The letter."""
    fields = (
        b"From: <" + notice.sender.text.encode("utf-8") + b">",
        b"To: <" + notice.to.text.encode("utf-8") + b">",
        b"Subject: " + encoded(_SUBJECT).encode("ascii"),
        b"Date: " + header_value(format_datetime(notice.written_at)),
        b"Message-ID: " + header_value(notice.message_id),
        b"Auto-Submitted: auto-generated",
        b"MIME-Version: 1.0",
    )
    count = notice.waiting
    what = "Un nouveau message attend" if count == 1 else f"{count} nouveaux messages attendent"
    text = _TEXT.format(what=what, mailbox=notice.mailbox.text).replace("\n", "\r\n")
    content = b"\r\n".join(fields) + b"\r\n" + text_part("text/plain; charset=utf-8", text.encode("utf-8"))
    return Written(content=content, smtputf8=not (notice.to.ascii_only and notice.sender.ascii_only))


def waiting_json(mailbox: Address, waiting: int) -> bytes:
    """``{"mailbox": "officine@pharma-exemple.mssante.fr", "waiting": 1}``"""
    return json.dumps({"mailbox": mailbox.text, "waiting": waiting}).encode("ascii")

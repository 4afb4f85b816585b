"""The letter that tells the readers of a mailbox which letters will be deleted there, and how to keep one (TRC-3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from mssgw.core.addresses import Address
from mssgw.formats.french_time import day_of, local
from mssgw.formats.own_parts import Written, folder_name, from_gateway, header_value, text_part
from mssgw.formats.words import encoded

# No subject and no name of a letter: the notice outlives them.
_TEXT = """Bonjour,

Le {due}, {letters} dans cette boîte avant le {before} {go} définitivement.
Seuls sont supprimés des messages déjà lus, ou intégrés par votre logiciel, et restés dans {folders}.
Un message que personne n'a ouvert est gardé.

Pour garder un message, avant cette date : rangez-le dans un autre dossier, ou marquez-le d'un drapeau (étoile, suivi,
important). Une messagerie n'est pas un dossier médical : versez au dossier du patient ce qui doit y rester.

Cet avis est écrit par la passerelle {hostname} : merci de ne pas y répondre.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeNotice:
    """``letters`` that arrived ``before`` in ``folders`` go on ``due_at``."""

    mailbox: Address
    folders: Sequence[str] = field(repr=False)
    letters: int
    before: datetime
    due_at: datetime
    message_id: str
    written_at: datetime
    hostname: str


def write_purge_notice(notice: PurgeNotice) -> Written:
    """The notice, from the gateway."""
    due = day_of(notice.due_at)
    fields = (
        from_gateway(f"postmaster@{notice.hostname}"),
        b"To: <" + notice.mailbox.text.encode("utf-8") + b">",
        b"Subject: " + encoded(f"Suppression le {due} : {_many(notice.letters)}").encode("ascii"),
        b"Date: " + header_value(format_datetime(local(notice.written_at))),
        b"Message-ID: " + header_value(notice.message_id),
        b"Auto-Submitted: auto-generated",
        b"MIME-Version: 1.0",
    )
    text = _TEXT.format(
        due=due,
        letters=f"{_many(notice.letters)} {'reçu' if notice.letters == 1 else 'reçus'}",
        go="sera supprimé" if notice.letters == 1 else "seront supprimés",
        before=day_of(notice.before),
        folders=" ou ".join(f"« {folder_name(each)} »" for each in notice.folders),
        hostname=notice.hostname,
    )
    part = text_part("text/plain; charset=utf-8", text.replace("\n", "\r\n").encode("utf-8"))
    return Written(content=b"\r\n".join(fields) + b"\r\n" + part, smtputf8=not notice.mailbox.ascii_only)


def _many(letters: int) -> str:
    return "1 message" if letters == 1 else f"{letters} messages"

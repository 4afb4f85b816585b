"""The note that lies beside a collected letter which was refused: why, for whoever reads that mailbox.

It says nothing of the letter itself but its Message-ID, so that mail programs show the two together.
"""

import re
from datetime import datetime
from email.utils import format_datetime

from mssgw.core.replies import Reply
from mssgw.formats.own_parts import folder_name, from_gateway
from mssgw.formats.words import encoded

_PLAIN_ID = re.compile(r"<[!-;=?-~]{1,200}>")

_TEXT = """\
La passerelle de messagerie a refusé un message de cette boîte. Il est rangé dans ce dossier, à côté de cette note, et
n'a pas été remis à son destinataire. Son expéditeur n'en a pas été informé.

Motif : {reply}
Référence dans la trace de la passerelle : {spool_id}

Rien n'a été supprimé. Une fois la cause corrigée, remettez le message dans le dossier « {folder} » :
la passerelle l'examinera à nouveau.
"""


def refusal_note(
    name: str, *, reply: Reply, spool_id: str, message_id: str | None, folder: str, hostname: str, at: datetime
) -> bytes:
    """A whole message with CRLF line ends. ``name`` is its own, of plain characters; ``at`` is aware.

    ``folder``: the one that is collected from.
    """
    cited = message_id if message_id is not None and _PLAIN_ID.fullmatch(message_id) else None
    fields = [
        from_gateway(f"postmaster@{hostname}").decode("ascii"),
        "Subject: " + encoded(f"Message refusé par la passerelle : {reply.code} {reply.status}"),
        f"Date: {format_datetime(at)}",
        f"Message-ID: <{name}@{hostname}>",
        *((f"In-Reply-To: {cited}", f"References: {cited}") if cited else ()),
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    text = _TEXT.format(reply=reply, spool_id=spool_id or "aucune", folder=folder_name(folder))
    return "\r\n".join([*fields, "", text.replace("\n", "\r\n")]).encode()

"""An IMAP server as [[collector]] and [[mail_store]] name one, and what is named in its mailboxes."""

import re
from typing import Annotated, Literal

from pydantic import PlainValidator

from mssgw.app.config.table import Table
from mssgw.app.config.values import Name, next_hop
from mssgw.core.routes import TlsPolicy
from mssgw.formats.imap_writing import Unwritable
from mssgw.formats.imap_writing import folder as written
from mssgw.ports.mailbox import INBOX

_KEYWORD = re.compile(r"[A-Za-z0-9$._-]{1,64}")


def host(value: object) -> str:
    """A host name or IP address; its certificate has to name it."""
    try:
        return next_hop(f"[{value}]:1" if isinstance(value, str) and ":" in value else f"{value}:1").host
    except ValueError:
        raise ValueError('expected a host such as "imap.operateur.fr"') from None


def port(value: object) -> int:
    """A TCP port."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65_535:
        raise ValueError("expected a port from 1 to 65535")
    return value


def folder(value: object) -> str:
    """The name of a folder, as people write it."""
    try:
        if isinstance(value, str) and value.isprintable() and written(value):
            return INBOX if value.upper() == INBOX else value  # it has no case (RFC 3501 section 5.1)
    except Unwritable:
        pass
    raise ValueError('expected the name of a folder, such as "INBOX" or "Archives/Releves"')


def keyword(value: object) -> str:
    """An IMAP keyword of our own; none of the standard's: what people do to a letter does not mean that we took it."""
    if not isinstance(value, str) or not _KEYWORD.fullmatch(value):
        raise ValueError('expected an IMAP keyword, such as "$MssgwCollected"')
    return value


Host = Annotated[str, PlainValidator(host)]
Port = Annotated[int, PlainValidator(port)]
Folder = Annotated[str, PlainValidator(folder)]
Keyword = Annotated[str, PlainValidator(keyword)]


class ImapServer(Table):
    """A server that we log in to by IMAP. ``port`` None: the usual one."""

    name: Name
    host: Host | None = None
    port: Port | None = None
    tls: Literal["implicit", "starttls"] = "implicit"

    @property
    def usual_port(self) -> int:
        return self.port or (993 if self.tls == "implicit" else 143)

    @property
    def tls_policy(self) -> TlsPolicy:
        return TlsPolicy.IMPLICIT if self.tls == "implicit" else TlsPolicy.REQUIRE

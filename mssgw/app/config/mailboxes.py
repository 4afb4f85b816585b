"""[[mailbox]]: an address whose kind is known here, and what is done with its letters beyond relaying."""

from typing import Literal

from pydantic import Field

from mssgw.app.config.imap_server import Folder, Keyword
from mssgw.app.config.places import File
from mssgw.app.config.table import Table
from mssgw.app.config.targets import Notify
from mssgw.app.config.values import Duration, Flag, LoginName, MailAddress, Name, Text
from mssgw.core.bal import BalKind
from mssgw.ports.mailbox import INBOX


class Mailbox(Table):
    """[[mailbox]]: what kind of BAL an address is. Without an entry it is no pharmacy (WHO-3).

    ``close_after``, ``close_on_send``: its exchanges close by themselves (FIN-4). ``notify``: who is told that letters
    from patients wait in it. ``mail_store``: we deliver into it; ``user``: its login there, None: the address.
    ``processed_folder``, ``processed_keyword``: how its program confirms a letter (MDN-7). ``purge_after``: when
    letters that were read are deleted from it (TRC-3).
    """

    address: MailAddress
    kind: Literal[BalKind.PER, BalKind.ORG, BalKind.APP, BalKind.CAB]
    pharmacy: Flag = False
    responsible: Text = ""
    close_after: Duration | None = None
    close_on_send: Flag = False
    notify: Notify | None = Field(default=None, repr=False)
    mail_store: Name | None = None
    user: LoginName | None = Field(default=None, repr=False)
    password_file: File | None = None
    folder: Folder = INBOX
    processed_folder: Folder | None = None
    processed_keyword: Keyword | None = None
    purge_after: Duration | None = None

    @property
    def kept_in(self) -> tuple[str, ...]:
        """The folders where letters of ours lie."""
        return (self.folder, *((self.processed_folder,) if self.processed_folder is not None else ()))

    @property
    def is_opened(self) -> bool:
        """Whether we look into it by IMAP, however letters get there."""
        return self.is_watched or self.purge_after is not None

    @property
    def is_watched(self) -> bool:
        """Whether its program's word is waited for."""
        return self.processed_folder is not None or self.processed_keyword is not None

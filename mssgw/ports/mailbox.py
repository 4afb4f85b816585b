"""Mailboxes on mail stores: what delivery, collectors and receipts ask of them.

Folder names, logins and letters may hold an INS: none of them stands in an error, a log line or a repr.
"""

from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mssgw.core.delivery import DISTRUSTED
from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.core.routes import TlsPolicy

INBOX = "INBOX"
SEEN = "\\Seen"
FLAGGED = "\\Flagged"
MDN_SENT = "$MDNSent"  # RFC 3503.  req: SD-13
PIECE = 262_144  # octets of a letter that fetch() gives at once, at most


class MailboxTrouble(GatewayError):
    """A mailbox could not do what it was asked. The text names host and cause, never folder or login."""


class MailboxLost(MailboxTrouble):
    """The mail store cannot be reached, does not answer, or cannot be understood. The session is over."""

    reply = Reply(451, "4.4.1", "Messagerie du destinataire injoignable")


class LoginBroken(MailboxLost):
    """The mail store hung up, or fell silent, over our login: one mailbox's trouble rather than the store's.

    So Dovecot does where a master login opens a mailbox that is not there.
    """

    reply = Reply(451, "4.4.2", "La messagerie coupe a l'ouverture de cette boite : existe-t-elle ?")


class MailboxDistrusted(MailboxTrouble):
    """The mail store offers no TLS, or its certificate is not accepted: nothing was said to it. An alarm."""

    reply = Reply(454, DISTRUSTED, "Le certificat ou la negociation TLS de la messagerie est refuse")


class LoginRefused(MailboxTrouble):
    """The mail store refuses login or password. An alarm; to be tried again rarely, lest the account be locked."""

    reply = Reply(454, "4.7.8", "La messagerie refuse notre authentification")


class OverQuota(MailboxTrouble):
    """The mailbox is full. The session goes on."""

    reply = Reply(452, "4.2.2", "Boite aux lettres pleine")


class LetterTooBig(MailboxTrouble):
    """The mail store takes no letter of this size. The session goes on."""

    reply = Reply(552, "5.3.4", "Message plus gros que ce que la messagerie accepte")


class NoSuchFolder(MailboxTrouble):
    """There is no such folder. The session goes on."""


class NoSuchMessage(MailboxTrouble):
    """There is no such message any more. The session goes on."""


class MailboxRefused(MailboxTrouble):
    """The mail store said no to a command, for a reason that its answer does not name. The session goes on."""

    reply = Reply(451, "4.2.0", "La messagerie refuse l'operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where a mailbox is and who opens it. ``name`` stands for it in logs: a word of the configuration.

    ``tls``: any but MUTUAL. ``authorize_as``: the mailbox's own login, where ``login`` is a master user of the store.
    """

    name: str
    host: str
    port: int
    tls: TlsPolicy
    login: str = field(repr=False)
    password: str = field(repr=False)
    authorize_as: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A message in a folder. A store that does not tell where it put a message gives None."""

    uid_validity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A folder as it was opened. Another ``uid_validity`` than before: every UID known of it means nothing any more.

    ``keywords``: whether it keeps flags of our own choice; without, those of the standard only (SEEN). ``deletes``:
    whether it can remove some messages and no others (UIDPLUS, RFC 4315).
    """

    uid_validity: int
    messages: int
    keywords: bool
    deletes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a folder knows of a message. ``letter_id``: when we put it there; ``size`` is the store's own claim."""

    uid: int
    size: int
    flags: frozenset[str]
    received_at: datetime | None
    letter_id: str | None


class Mailbox(Protocol):
    """One session on one mailbox; one task at a time. Every method raises MailboxLost besides what it says.

    UIDs are those of the folder opened last.
    """

    async def append(
        self,
        folder: str,
        letter_id: str,
        content: AsyncIterable[bytes],
        *,
        size: int,
        received_at: datetime,
        flags: Collection[str] = (),
    ) -> Placed | None:
        """Put a letter into a folder, which is made when missing, under the header X-Mssgw-Id.

        ``content``: octets with CRLF line ends, not dot-stuffed, ``size`` of them to the octet; what reading them
        raises is raised, and the store keeps nothing. Raises OverQuota, LetterTooBig, MailboxRefused.
        After MailboxLost the letter may be there: find() tells.
        """

    async def find(self, folders: Sequence[str], letter_id: str, *, since: datetime) -> Placed | None:
        """The letter with that X-Mssgw-Id, in the first of these folders that has it and exists.

        ``since``: it was put there then or later. Leaves the folder it looked at last open.
        """

    async def open(self, folder: str) -> Opened:
        """Make a folder the one that UIDs are of. Raises NoSuchFolder, MailboxRefused."""

    async def folders(self) -> Sequence[str]:
        """All folders that can be opened, INBOX first, a thousand at most. Raises MailboxRefused."""

    async def search(
        self,
        *,
        above: int = 0,
        among: Collection[int] | None = None,
        flagged: Collection[str] = (),
        unflagged: Collection[str] = (),
        before: datetime | None = None,
        limit: int = 1_000,
    ) -> Sequence[int]:
        """UIDs, ascending, the first ``limit`` at most, of messages that have all flags ``flagged`` and none of
        ``unflagged``, a UID greater than ``above``, one ``among`` those, and were received ``before`` that day. Not of
        those that are marked as deleted. Flags in whatever case.
        """

    async def describe(self, uids: Collection[int]) -> Mapping[int, Described]:
        """What is known of these messages, those apart that are gone."""

    def fetch(self, uid: int) -> AsyncIterator[bytes]:
        """The octets of a message to the last, in pieces of at most PIECE; it stays unseen. Raises NoSuchMessage."""

    async def mark(self, uids: Collection[int], *, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        """Set and take away flags. Raises MailboxRefused, also when the folder does not keep such flags."""

    async def move(self, uids: Collection[int], folder: str) -> None:
        """Move to another folder, which is made when missing. Raises OverQuota, MailboxRefused.

        Not all at once: a crash may leave a message in both folders, never in none.
        """

    async def delete(self, uids: Collection[int]) -> None:
        """Remove these messages for good, and no others. Raises MailboxRefused."""

    async def wait(self, limit: float) -> bool:
        """Wait in the open folder until something changes, for up to ``limit`` seconds; whether the store said so.

        False does not mean that nothing changed: it may know no IDLE, or have fallen silent. Look then, too.
        """


class Mailboxes(Protocol):
    """The way to all mailboxes."""

    def open(self, account: Account) -> AbstractAsyncContextManager[Mailbox]:
        """Connect and log in; the session ends with the block.

        Raises MailboxLost (LoginBroken), MailboxDistrusted or LoginRefused.
        """

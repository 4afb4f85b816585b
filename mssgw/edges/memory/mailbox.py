"""The Mailboxes port in dictionaries: a mail store that tests can also look into, fill and break."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from mssgw.core.errors import Undecryptable
from mssgw.formats.letter_id import letter_id_field, letter_id_of
from mssgw.ports.mailbox import (
    INBOX,
    PIECE,
    Account,
    Described,
    LoginRefused,
    MailboxLost,
    MailboxRefused,
    NoSuchFolder,
    NoSuchMessage,
    Opened,
    OverQuota,
    Placed,
)

_DELETED = r"\Deleted"
_STANDARD = frozenset({r"\Seen", r"\Answered", r"\Flagged", r"\Draft", _DELETED})


@dataclass(slots=True)
class Message:
    content: bytes = field(repr=False)
    received_at: datetime
    flags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Folder:
    uid_validity: int
    messages: dict[int, Message] = field(default_factory=dict)
    last_uid: int = 0


@dataclass(slots=True)
class Box:
    """One account. ``quota``: octets that it may hold, None: any number."""

    password: str = field(repr=False)
    quota: int | None = None
    folders: dict[str, Folder] = field(default_factory=dict, repr=False)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    changes: int = 0


class MemoryMailStore:
    """ports.Mailboxes. ``boxes`` by login. ``down``: nobody gets in, and all sessions are lost."""

    def __init__(self, *, keywords: bool = True) -> None:
        self.boxes: dict[str, Box] = {}
        self.keywords, self.deletes, self.down = keywords, True, False
        self._validity = 0

    def add(self, login: str, password: str, *, quota: int | None = None) -> Box:
        box = self.boxes[login] = Box(password, quota)
        self.make(login, INBOX)
        return box

    def make(self, login: str, folder: str) -> Folder:
        """The folder of that name, made when missing."""
        folders = self.boxes[login].folders
        if folder not in folders:
            self._validity += 1
            folders[folder] = Folder(self._validity)
        return folders[folder]

    async def put(self, login: str, folder: str, message: Message) -> Placed:
        """Raises OverQuota."""
        box, there = self.boxes[login], self.make(login, folder)
        held = sum(len(each.content) for one in box.folders.values() for each in one.messages.values())
        if box.quota is not None and held + len(message.content) > box.quota:
            raise OverQuota
        there.last_uid += 1
        there.messages[there.last_uid] = message
        await self.tell(login)
        return Placed(uid_validity=there.uid_validity, uid=there.last_uid)

    async def tell(self, login: str) -> None:
        """Wake who waits for changes."""
        box = self.boxes[login]
        async with box.changed:
            box.changes += 1
            box.changed.notify_all()

    @asynccontextmanager
    async def open(self, account: Account) -> AsyncIterator["MemoryMailbox"]:
        if self.down:
            raise MailboxLost(f"{account.host}: down")
        box = self.boxes.get(account.login)
        if box is None or box.password != account.password:
            raise LoginRefused(f"{account.host}: login refused")
        yield MemoryMailbox(self, account.login)


class MemoryMailbox:
    """ports.Mailbox on one account of the store."""

    def __init__(self, store: MemoryMailStore, login: str) -> None:
        self._store, self._login = store, login
        self._open: Folder | None = None
        self._over = False
        self._seen = 0  # changes of the box that this session has looked at

    def _box(self) -> Box:
        if self._store.down or self._over:
            raise MailboxLost("memory: the connection is lost")
        return self._store.boxes[self._login]

    def _folder(self) -> Folder:
        self._box()
        if self._open is None:
            self._over = True
            raise MailboxLost("memory: a command at the wrong moment")
        return self._open

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
        self._box()
        octets = bytearray()
        try:
            async for piece in content:
                octets += piece
            if len(octets) != size:
                raise Undecryptable("the letter does not have the size that was said")
        except BaseException:
            self._over = True
            raise
        message = Message(letter_id_field(letter_id) + bytes(octets), received_at, set(flags))
        return await self._store.put(self._login, folder, message)

    async def find(self, folders: Sequence[str], letter_id: str, *, since: datetime) -> Placed | None:
        first = since.date() - timedelta(days=1)
        for name in folders:
            if name not in self._box().folders:
                continue
            opened = await self.open(name)
            for uid, each in self._folder().messages.items():
                if letter_id_of(each.content) == letter_id and _day(each.received_at) >= first:
                    return Placed(uid_validity=opened.uid_validity, uid=uid)
        return None

    async def open(self, folder: str) -> Opened:
        box = self._box()
        if folder not in box.folders:
            raise NoSuchFolder
        self._open, self._seen = box.folders[folder], box.changes
        return Opened(
            uid_validity=self._open.uid_validity,
            messages=len(self._open.messages),
            keywords=self._store.keywords,
            deletes=self._store.deletes,
        )

    async def folders(self) -> Sequence[str]:
        return list(dict.fromkeys([INBOX, *self._box().folders]))

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
        folder = self._folder()
        if among is None:
            self._seen = self._box().changes
        return [
            uid
            for uid, each in folder.messages.items()
            if uid > above
            if among is None or uid in among
            if _in_any_case(each.flags) >= _in_any_case(flagged)
            if not _in_any_case(each.flags) & _in_any_case({_DELETED, *unflagged})
            if before is None or _day(each.received_at) < before.date()
        ][:limit]

    async def describe(self, uids: Collection[int]) -> Mapping[int, Described]:
        found = self._folder().messages
        return {
            uid: Described(
                uid=uid,
                size=len(found[uid].content),
                flags=frozenset(found[uid].flags),
                received_at=found[uid].received_at,
                letter_id=letter_id_of(found[uid].content),
            )
            for uid in sorted(uids)
            if uid in found
        }

    async def fetch(self, uid: int) -> AsyncIterator[bytes]:
        message = self._folder().messages.get(uid)
        if message is None:
            raise NoSuchMessage
        for start in range(0, len(message.content), PIECE):
            yield message.content[start : start + PIECE]

    async def mark(self, uids: Collection[int], *, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        folder = self._folder()
        if not self._store.keywords and {*add, *remove} - _STANDARD:
            raise MailboxRefused("memory: the folder keeps no keywords")
        for uid in set(uids) & folder.messages.keys():
            folder.messages[uid].flags |= set(add)
            folder.messages[uid].flags -= set(remove)
        await self._changed()

    async def move(self, uids: Collection[int], folder: str) -> None:
        here, there = self._folder(), self._store.make(self._login, folder)
        for uid in sorted(set(uids) & here.messages.keys()):
            there.last_uid += 1
            there.messages[there.last_uid] = here.messages.pop(uid)
        await self._changed()

    async def delete(self, uids: Collection[int]) -> None:
        folder = self._folder()
        if not self._store.deletes:
            raise MailboxRefused("memory: the store cannot remove some messages and no others")
        for uid in set(uids):
            folder.messages.pop(uid, None)
        await self._changed()

    async def wait(self, limit: float) -> bool:
        box = self._box()
        try:
            async with asyncio.timeout(limit), box.changed:
                await box.changed.wait_for(lambda: box.changes != self._seen or self._store.down)
        except TimeoutError:
            return False
        self._box()
        self._seen = box.changes
        return True

    async def _changed(self) -> None:
        """What we do ourselves is no news to us."""
        own = self._seen == self._box().changes
        await self._store.tell(self._login)
        if own:
            self._seen = self._box().changes


def _in_any_case(flags: Collection[str]) -> set[str]:
    """Case says nothing in them (RFC 3501 section 2.3.2)."""
    return {each.lower() for each in flags}


def _day(when: datetime) -> date:
    return when.astimezone(UTC).date()

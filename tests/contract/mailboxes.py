"""Mailboxes as their owner sees them: what the contract's tests put there, and look at, from outside."""

import asyncio
import imaplib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from mssgw.core.routes import TlsPolicy
from mssgw.edges.imap import ImapMailboxes
from mssgw.edges.imap_limits import Limits
from mssgw.edges.memory.mailbox import MemoryMailStore, Message
from mssgw.edges.tls import client_context
from mssgw.ports import Account, Mailboxes
from tests.peers.mail_store import HOST, PASSWORD, SMALL, MailStore
from tests.peers.ports import free_port

T = TypeVar("T")

QUICK = Limits(connect=10, command=10, probe=5, progress=10, store=10, idle=1, poll=0.2)
SMALL_QUOTA = 40_000


@dataclass
class Owner(ABC):
    """``mailboxes`` opens ``account``; the owner of that mailbox has a client of his own."""

    mailboxes: Mailboxes
    account: Account

    @abstractmethod
    async def put(self, *letters: bytes, folder: str = "INBOX") -> None: ...

    @abstractmethod
    async def letters(self, folder: str = "INBOX") -> list[bytes]: ...

    @abstractmethod
    async def flags(self, folder: str = "INBOX") -> list[frozenset[str]]:
        """Of each letter, oldest first."""

    @abstractmethod
    async def see(self, uid: int) -> None:
        """Open a letter of the inbox and read it."""

    @abstractmethod
    async def forget(self, folder: str) -> None:
        """Delete the folder."""

    @abstractmethod
    def stopped(self) -> Account:
        """An account of a store that is down."""

    @abstractmethod
    def small(self) -> Account:
        """An account that may hold SMALL_QUOTA octets."""


class MemoryOwner(Owner):
    def __init__(self) -> None:
        self.store = MemoryMailStore()
        self.store.add("bal@pharmacie.example", PASSWORD)
        self.store.add(SMALL, PASSWORD, quota=SMALL_QUOTA)
        super().__init__(self.store, account_of("bal@pharmacie.example", 143, TlsPolicy.REQUIRE))

    async def put(self, *letters: bytes, folder: str = "INBOX") -> None:
        for letter in letters:
            await self.store.put(self.account.login, folder, Message(letter, datetime.now(UTC)))

    async def letters(self, folder: str = "INBOX") -> list[bytes]:
        return [each.content for each in self._messages(folder).values()]

    async def flags(self, folder: str = "INBOX") -> list[frozenset[str]]:
        return [frozenset(each.flags) for each in self._messages(folder).values()]

    async def see(self, uid: int) -> None:
        self._messages("INBOX")[uid].flags.add(r"\Seen")
        await self.store.tell(self.account.login)

    async def forget(self, folder: str) -> None:
        del self.store.boxes[self.account.login].folders[folder]

    def stopped(self) -> Account:
        self.store.down = True
        return self.account

    def small(self) -> Account:
        return replace(self.account, login=SMALL)

    def _messages(self, folder: str) -> dict[int, Message]:
        found = self.store.boxes[self.account.login].folders.get(folder)
        return found.messages if found else {}


class ImapOwner(Owner):
    """The owner has the standard library's client; a thread of its own for each visit, for it blocks."""

    def __init__(self, server: MailStore) -> None:
        context = client_context(ca_file=server.anchors, public=False)
        mailboxes = ImapMailboxes(tls_contexts=lambda _: context, limits=QUICK)
        super().__init__(mailboxes, account_of(server.fresh(), server.port, TlsPolicy.REQUIRE))
        self.server = server

    async def _visit(self, do: Callable[[imaplib.IMAP4], T]) -> T:
        def visit() -> T:
            with self.server.client(self.account.login) as client:
                return do(client)

        return await asyncio.to_thread(visit)

    async def put(self, *letters: bytes, folder: str = "INBOX") -> None:
        await asyncio.to_thread(self.server.put, self.account.login, *letters, folder=folder)

    async def letters(self, folder: str = "INBOX") -> list[bytes]:
        return await asyncio.to_thread(self.server.letters, self.account.login, folder)

    async def flags(self, folder: str = "INBOX") -> list[frozenset[str]]:
        def look(client: imaplib.IMAP4) -> list[frozenset[str]]:
            client.select(folder, readonly=True)
            found = [line for line in client.fetch("1:*", "(FLAGS)")[1] if isinstance(line, bytes)]
            lists = [re.search(rb"FLAGS \(([^)]*)\)", line) for line in found]
            return [frozenset(each[1].decode().split()) - {r"\Recent"} for each in lists if each]

        return await self._visit(look)

    async def see(self, uid: int) -> None:
        def see(client: imaplib.IMAP4) -> None:
            client.select("INBOX")
            assert client.uid("STORE", str(uid), "+FLAGS", r"(\Seen)")[0] == "OK"

        await self._visit(see)

    async def forget(self, folder: str) -> None:
        await self._visit(lambda client: client.delete(folder))

    def stopped(self) -> Account:
        return replace(self.account, port=free_port())

    def small(self) -> Account:
        return replace(self.account, login=SMALL)


def account_of(login: str, port: int, tls: TlsPolicy, *, host: str = HOST) -> Account:
    return Account(name="bal", host=host, port=port, tls=tls, login=login, password=PASSWORD)


async def pieces(*octets: bytes) -> AsyncIterator[bytes]:
    """Content for append()."""
    for each in octets:
        yield each

"""Mailboxes in a real IMAP store: Dovecot's where that can run, else pymap's, which comes with the demo."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from demo import dovecot, people
from demo.dovecot import DovecotStore
from demo.gateway import DidNotStart
from demo.mail_store import MailStore
from demo.pymap import PymapStore
from demo.standin import Received

STORES: dict[str, type[MailStore]] = {"dovecot": DovecotStore, "pymap": PymapStore}
POLL = 0.05
FOLDERS = ("INBOX", people.TAKEN)
_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r$", re.MULTILINE)
_RETURN_PATH = re.compile(rb"^Return-Path: <([^>\r\n]*)>\r$", re.MULTILINE)


@contextmanager
def mail_store(name: str | None = None) -> Iterator[MailStore]:
    """A store with the mailboxes of the demo, while the block lasts. Raises DidNotStart."""
    accounts = people.PHARMACY, people.PROGRAM, people.READER
    with ExitStack() as stack:
        try:
            made = STORES[name or ("pymap" if dovecot.missing() else "dovecot")](*accounts)
            stack.enter_context(made)
        except AssertionError as error:
            if name is not None or made.name == "pymap":
                raise DidNotStart(f"nor does its IMAP server\n{error}") from None
            made = stack.enter_context(PymapStore(*accounts))  # a Dovecot that does not run here is no obstacle
        yield made


class Bal:
    """One mailbox, as those who have its password see it. ``owner``: whose it is."""

    def __init__(self, owner: str, store: MailStore, account: str) -> None:
        self.name, self.account, self._store = f"{owner}'s mailbox ({store.name})", account, store

    async def letter(self, message_id: str, limit: float) -> Received | None:
        """The letter with that Message-ID, waiting up to ``limit`` seconds for it."""
        mark = f"\r\nMessage-ID: {message_id}\r\n".encode()
        try:
            async with asyncio.timeout(limit):
                while True:
                    for content in await asyncio.to_thread(self._store.letters, self.account):
                        if mark in content:
                            back = _RETURN_PATH.search(content)
                            sender = back[1].decode() if back else "?"
                            return Received(sender, (self.account,), message_id, content)
                    await asyncio.sleep(POLL)
        except TimeoutError:
            return None

    async def message_ids(self) -> list[str]:
        """Of all that lies in it."""
        inbox, taken = [await asyncio.to_thread(self._store.letters, self.account, each) for each in FOLDERS]
        found = (_MESSAGE_ID.search(content) for content in (*inbox, *taken))
        return [each[1].decode() if each else "?" for each in found]

    async def open_all(self) -> None:
        """What lies in the inbox, as whoever reads it does."""

        def read() -> None:
            with self._store.client(self.account) as client:
                client.select("INBOX")
                client.fetch("1:*", "(BODY[])")

        await asyncio.to_thread(read)

    async def make(self, folder: str) -> None:
        """A new folder."""

        def make() -> None:
            with self._store.client(self.account) as client:
                client.create(folder)

        await asyncio.to_thread(make)

    async def move_all(self, folder: str) -> None:
        """What lies in the inbox, as any program does it."""

        def move() -> None:
            with self._store.client(self.account) as client:
                client.select("INBOX")
                client.copy("1:*", folder)
                client.store("1:*", "+FLAGS", r"(\Deleted)")
                client.expunge()

        await asyncio.to_thread(move)

"""A mailbox in a real IMAP store, as those who have its password see it."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.mailbox_stories.letters import Letter
from tests.peers.mail_store import MailStore

T = TypeVar("T")
LIMIT = 20.0  # seconds


def until(look: Callable[[], T]) -> T:
    """What ``look`` gives, as soon as it is true."""
    end = time.monotonic() + LIMIT
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found


class Box:
    """One account that nobody used before."""

    def __init__(self, server: MailStore) -> None:
        self.server, self.account = server, server.fresh()

    def letters(self, folder: str = "INBOX") -> list[bytes]:
        return self.server.letters(self.account, folder)

    def came(self, letter: Letter, folder: str = "INBOX") -> bytes:
        """Wait for a letter: as it lies there, once."""
        mark = f"\r\nMessage-ID: {letter.message_id}\r\n".encode()
        found = until(lambda: [each for each in self.letters(folder) if mark in each])
        assert len(found) == 1, "it lies there twice"
        return found[0]

    def put(self, *letters: Letter) -> None:
        """As its operator delivers them."""
        self.server.put(self.account, *(each.collected for each in letters))

    def make(self, folder: str) -> None:
        with self.server.client(self.account) as client:
            assert client.create(f'"{folder}"')[0] == "OK"

    def move(self, to: str, *, out_of: str = "INBOX", which: str = "1:*") -> None:
        """All of a folder, or letters by their place in it; as any mail program does."""
        with self.server.client(self.account) as client:
            client.select(f'"{out_of}"')
            assert client.copy(which, f'"{to}"')[0] == "OK"
            client.store(which, "+FLAGS", r"(\Deleted)")
            client.expunge()

    def flag(self, flag: str) -> None:
        """All that lies in the inbox."""
        with self.server.client(self.account) as client:
            client.select("INBOX")
            assert client.store("1:*", "+FLAGS", f"({flag})")[0] == "OK"

    def flags(self) -> str:
        """Of all that lies in the inbox."""
        with self.server.client(self.account) as client:
            client.select("INBOX", readonly=True)
            return str(client.fetch("1:*", "(FLAGS)")[1])

"""A mailbox elsewhere, a gateway that collects from it, and letters to put there: for the tests of collecting."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssgw.app import config as configuration
from mssgw.app.collecting import plans
from mssgw.edges.memory.mailbox import MemoryMailStore, Message
from mssgw.flow.collect import CollectMeans
from mssgw.flow.collectors import Collectors
from mssgw.flow.fetching import Plan
from mssgw.ports import Mailboxes
from tests.installation import PATIENT, install
from tests.peers.mail_store import HOST, PASSWORD, MailStore
from tests.stories.worlds import MemoryWorld

LOGIN, SECRET = "officine@operateur.mssante.fr", "mot de passe"
BAL = "officine@chu.mssante.fr"
SENDER = "dr.durand@ailleurs.mssante.fr"
DONE = "Releves"
OTHER_PATIENT = "177012A12345670@patient.mssante.fr"
LIMIT = 60.0  # seconds that a test waits for anything: a crowded machine is no failure

COLLECTOR = f"""
[[collector]]
name = "officine"
host = "127.0.0.1"
user = "{LOGIN}"
password_file = "bal.password"
recipient = "{BAL}"
"""


def letter(
    number: int | str = 1,
    *fields: str,
    sender: str | None = SENDER,
    author: str | None = None,
    body: bytes = b"Bonjour.\r\n",
    ends: bytes = b"\r\n",
) -> bytes:
    """A letter as the store keeps it. ``sender`` None: no Return-Path; "" is ``<>``. ``author``: From."""
    trace = [f"Return-Path: <{sender}>"] if sender is not None else []
    author = author if author is not None else sender or SENDER
    head = [
        *trace,
        f"From: <{author}>",
        f"To: <{LOGIN}>",
        "Subject: essai",
        f"Message-ID: <{number}@ailleurs>",
        *fields,
    ]
    return ends.join(line.encode() for line in head) + ends * 2 + body.replace(b"\r\n", ends)


def configured(folder: Path, *more: str, collector: str = COLLECTOR, **given: Any) -> configuration.Config:
    """A gateway that collects; ``more``: lines of [[collector]]."""
    (folder / "bal.password").write_text(f"{SECRET}\n", "utf-8")
    (folder / "bal.password").chmod(0o600)
    path = install(folder, hop=given.pop("hop", 9), **given)
    path.write_text(f"{path.read_text('utf-8')}\n{collector}\n" + "\n".join(more), "utf-8")
    return configuration.load(path)


def collects_from(server: MailStore, account: str, *, name: str = "officine", done: str = DONE) -> dict[str, Any]:
    """A [[collector]] for a gateway as tests/peers/gateway.py makes it; [delivery] ca_file is ``server.anchors``."""
    secret = server.home / "bal.password"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    secret.chmod(0o600)
    entry = {
        "name": name,
        "host": HOST,
        "port": server.port,
        "tls": "starttls",
        "user": account,
        "password_file": str(secret),
        "recipient": "officine@ch-test.mssante.fr",
    }
    return {**entry, "done_folder": done} if done else entry


class Bal:
    """The gateway in memory, and a mailbox in memory that it collects from."""

    def __init__(self, config: configuration.Config, mailboxes: Mailboxes | None = None) -> None:
        self.config, self.world, self.store = config, MemoryWorld(config), MemoryMailStore()
        self.box = self.store.add(LOGIN, SECRET)
        self.closed = False
        self.means = CollectMeans(
            mailboxes=mailboxes or self.store,
            reception=self.world.flow.reception,
            memory=self.world.store,  # type: ignore[arg-type]
            live=self.world.live,
            clock=self.world.clock,
            telemetry=self.world.events,
            closed=lambda: self.closed,
        )

    @property
    def plan(self) -> Plan:
        (plan,) = plans(self.config)
        return plan

    async def put(self, *letters: bytes, folder: str = "INBOX") -> None:
        for each in letters:
            await self.store.put(LOGIN, folder, Message(each, datetime.now(UTC)))

    def uids(self, folder: str = "INBOX") -> list[int]:
        return sorted(self.store.make(LOGIN, folder).messages)

    def content(self, folder: str) -> list[bytes]:
        return [each.content for each in self.store.make(LOGIN, folder).messages.values()]

    def flags(self, folder: str = "INBOX") -> list[set[str]]:
        return [each.flags for each in self.store.make(LOGIN, folder).messages.values()]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.world.events.seen if event == name]

    def totals(self) -> dict[str, int]:
        """What all looks so far have brought."""
        looks = self.events("collector.looked")
        return {kind: sum(look[kind] for look in looks) for kind in ("collected", "already", "refused", "later")}

    @property
    def arrived(self) -> list[bytes]:
        """What reached the next hop, without the field that the gateway puts above it."""
        return [re.sub(rb"\AReceived: .*\r\n(?:[ \t].*\r\n)*", b"", each.content) for each in self.world.arrivals]

    @contextlib.asynccontextmanager
    async def collecting(self, *, node: str = "a") -> AsyncIterator[Collectors]:
        """Collect while the block runs."""
        collectors = Collectors(self.means, self.world.store, node=node)  # type: ignore[arg-type]
        collectors.follow(plans(self.config))
        task = asyncio.create_task(collectors.run())
        try:
            yield collectors
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, what: Any) -> None:
        """Wait until ``what()`` is true."""
        try:
            async with asyncio.timeout(LIMIT):
                while not what():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"it did not come to that; events: {self.world.events.seen[-12:]}") from None

    async def looked(self) -> None:
        """Wait until a look that begins from now on has ended, and all is delivered."""
        before = len(self.events("collector.looked"))
        await self.store.tell(LOGIN)
        await self.until(lambda: len(self.events("collector.looked")) > before)


__all__ = ["BAL", "LOGIN", "OTHER_PATIENT", "PATIENT", "SECRET", "SENDER", "Bal", "configured", "letter"]

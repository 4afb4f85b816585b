"""The Revocation port: revocation lists fetched, verified, kept, and told about in good time (TLS-5).

1. ``load`` reads what the last run kept, so that a restart without network costs nothing;
2. one process of a node, whoever has the lock, asks every source each ``poll`` seconds whether it has something new;
   all sources at once, each within its time, so that a slow one holds up no other;
3. what it takes it keeps on disk; the other processes look there every ``FOLLOW`` seconds;
4. every ``FOLLOW`` seconds it is also looked at whether a list ends soon, or has ended, or is missing.

With the default poll a revocation is in force 30 + 20 (sources.TOTAL) + 2 seconds after it was published, at most.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from mssgw.core.errors import GatewayError, SourceUnavailable, StoreUnavailable
from mssgw.core.trust import REVOKED, Chain, Distrust
from mssgw.edges.crl_files import CrlFiles
from mssgw.edges.crl_index import CrlIndex, OlderCrl
from mssgw.edges.crl_news import CrlNews
from mssgw.edges.crl_reading import Authorities, Crl, CrlRefused, CrlUnreadable, Issuer, ders, read_crl
from mssgw.ports import Clock, Source, Telemetry

FOLLOW = 2.0  # seconds
FIRST_FOLLOW = 0.25  # while there is none: of a node that starts for the first time, one process fetches them
LARGEST = 8 * 1024 * 1024  # octets: two hundred thousand entries


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlStatus:
    """One issuer's list, for ``trust status``. ``source``, ``fetched_at``: "" and None when it was only found on disk.

    ``fetched_at``: when the source last gave what could be taken; an answer of "nothing new" counts.
    """

    issuer: str
    number: int | None
    this_update: datetime
    next_update: datetime
    usable_until: datetime
    entries: int
    source: str = ""
    fetched_at: datetime | None = None


@dataclass(slots=True)
class _Feed:
    """A source. ``again``: what it gave and could not be taken; it may be tomorrow, and will not be sent twice.

    ``tried``: its first turn is over, whatever came of it; where another process asks, a while has passed for it.
    """

    source: Source
    tried: bool = False
    again: bytes | None = field(default=None, repr=False)
    lists: tuple[Issuer, ...] = ()
    fetched_at: datetime | None = None


class Crls:
    """``check`` and ``status`` answer from memory; ``run`` is the task that keeps them right."""

    def __init__(
        self,
        sources: Sequence[Source],
        authorities: Authorities,
        directory: Path,
        *,
        clock: Clock,
        telemetry: Telemetry,
        poll: float = 30.0,
        grace: timedelta = timedelta(0),
    ) -> None:
        """``directory``: state_dir/trust. ``poll`` in seconds."""
        self._feeds = [_Feed(source) for source in sources]
        self._index, self._files = CrlIndex(authorities, grace=grace), CrlFiles(directory)
        self._clock, self._poll = clock, poll
        self._news = CrlNews(clock, telemetry)
        self._missed: set[str] = set()  # DNs
        self._reading, self._noting = asyncio.Lock(), asyncio.Lock()

    def load(self) -> None:
        """Take what was kept; what is not believed or cannot be read is told and left. Blocks; call it before run()."""
        try:
            for path, content in self._changed():
                self._take_kept(path, self._read_kept(content))
        except StoreUnavailable as error:  # the published ones make good for it
            self._news.failed(error)

    def check(self, chain: Chain) -> Distrust | None:
        distrust, missing = self._index.check(chain, now=self._clock.now())
        if missing:
            self._missed.add(missing)
        return distrust

    def revoked(self, chain: Chain) -> Distrust | None:
        """What a list that we hold has revoked of it; where that cannot be told, nothing: for a chain of our own."""
        distrust, _ = self._index.check(chain, now=self._clock.now())
        return distrust if distrust is not None and distrust.reply is REVOKED else None

    def status(self) -> tuple[CrlStatus, ...]:
        """Of the lists in force; where they came from is told by the process that fetches, through the disk."""
        notes = self._files.notes()
        return tuple(self._status(crl, notes.get(crl.fingerprint)) for crl in self._index.held.values())

    def lacking(self) -> Sequence[str]:
        """The authorities of ours whose list we do not have: what they issued waits."""
        known = {one.issuer: one.text for each in self._index.authorities.by_name.values() for one in each}
        return [text for issuer, text in known.items() if issuer not in self._index.held]

    @property
    def settled(self) -> bool:
        """Whether no list is about to come for the first time: what is missing now is missing."""
        return all(feed.tried for feed in self._feeds) or not self.lacking()

    def ends(self) -> Sequence[datetime]:
        """Until when each list in force may be gone by, grace included; from memory."""
        return [self._index.usable_until(crl) for crl in self._index.held.values()]

    async def run(self) -> None:
        """Poll and follow until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                for feed in self._feeds:
                    group.create_task(self._ask_again_and_again(feed))
        finally:
            self._files.leave()

    async def ask_now(self) -> bool:
        """Ask each source once, by hand; False: another process does so all the time. Raises StoreUnavailable."""
        if not self._files.be_the_one():
            return False
        try:
            for feed in self._feeds:
                await self._ask(feed)
        finally:
            self._files.leave()
        return True

    async def _ask_again_and_again(self, feed: _Feed) -> None:
        while True:
            if not await self._ask_if_it_is_us(feed) and not feed.tried:
                await asyncio.sleep(FOLLOW)  # what another process is just taking is followed by then
            feed.tried = True
            await asyncio.sleep(self._poll)

    async def _ask_if_it_is_us(self, feed: _Feed) -> bool:
        try:
            if not self._files.be_the_one():
                return False
            await self._ask(feed)
        except Exception as error:  # a loop that fell would take the whole gateway with it
            self._news.failed(error)
        return True

    async def _ask(self, feed: _Feed) -> None:
        try:
            content = await feed.source.fetch(limit=LARGEST)
        except SourceUnavailable as error:
            self._news.out_of_reach(feed.source.name, error)
            return
        self._news.in_reach(feed.source.name)
        content = feed.again = content if content is not None else feed.again  # held until it is taken
        if content is not None:
            async with self._reading:  # one at a time: two readings would fight for the interpreter
                if await self._take(feed, content):
                    feed.again = None
        if feed.again is None:  # else what we have is not what it publishes
            feed.fetched_at = self._clock.now()
        async with self._noting:  # sources answer at the same moment, and write to one file
            await asyncio.to_thread(self._files.note, self._notes())

    async def _take(self, feed: _Feed, content: bytes) -> bool:
        """Whether all lists of the file are in force and kept, or were overtaken. Raises StoreUnavailable."""
        whole, lists = True, list[Crl]()
        try:
            found = await asyncio.to_thread(ders, content)
        except CrlUnreadable as error:
            self._news.refused(feed.source.name, error)
            feed.source.forget()
            return False
        for number, der in enumerate(found):
            place = f"{feed.source.name}#{number + 1}" if len(found) > 1 else feed.source.name
            try:
                crl = await asyncio.to_thread(self._read, der)
                if self._index.take(crl, now=self._clock.now()):
                    self._news.taken(crl, place)
                lists.append(crl)
                self._news.believed(place)
            except OlderCrl as error:
                self._news.overtaken(place, error)
            except CrlRefused as error:
                self._news.refused(place, error)
                whole = False
                if isinstance(error, CrlUnreadable):  # its date would hide the list, when that is back
                    feed.source.forget()
        feed.lists = tuple(crl.issuer for crl in lists) or feed.lists
        await asyncio.to_thread(self._keep, lists)  # when all are in force here
        return whole

    def _keep(self, lists: Sequence[Crl]) -> None:
        """As many as can be. Raises StoreUnavailable for those that cannot."""
        troubles = []
        for crl in lists:
            try:
                self._files.keep(crl)
            except StoreUnavailable as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    async def _follow(self) -> None:
        while True:
            try:
                async with self._reading:
                    for path, content in await asyncio.to_thread(self._changed):
                        self._take_kept(path, await asyncio.to_thread(self._read_kept, content))
                self._look_at_the_time()
            except Exception as error:  # as above
                self._news.failed(error)
            await asyncio.sleep(FOLLOW if self._index.held else FIRST_FOLLOW)

    def _changed(self) -> list[tuple[Path, bytes | StoreUnavailable]]:
        return list(self._files.changed())

    def _read(self, der: bytes) -> Crl:
        """The one in force where it is that: verified already, and not all servers tell. Raises CrlRefused."""
        fingerprint = sha256(der).hexdigest()
        for crl in self._index.held.values():
            if crl.fingerprint == fingerprint:
                return crl
        return read_crl(der, self._index.authorities, now=self._clock.now())

    def _read_kept(self, content: bytes | StoreUnavailable) -> Crl | GatewayError:
        if isinstance(content, StoreUnavailable):
            return content
        try:
            return self._read(content)
        except CrlRefused as error:
            return error

    def _take_kept(self, path: Path, found: Crl | GatewayError) -> None:
        try:
            if isinstance(found, GatewayError):
                raise found
            self._index.take(found, now=self._clock.now())
        except OlderCrl:
            pass  # what this process knows is newer
        except CrlRefused as error:
            self._news.refused(str(path), error)
        except StoreUnavailable as error:
            self._news.unreadable(str(path), error)

    def _look_at_the_time(self) -> None:
        for crl in self._index.held.values() if self._files.is_the_one else ():  # all see it, one tells
            self._news.ending(crl, usable_until=self._index.usable_until(crl))
        for name in self._missed:
            self._news.missing(name)
        self._missed.clear()

    def _notes(self) -> dict[str, Any]:
        held = self._index.held
        return {
            held[issuer].fingerprint: [feed.source.name, feed.fetched_at.isoformat() if feed.fetched_at else ""]
            for feed in self._feeds
            for issuer in feed.lists
            if issuer in held
        }

    def _status(self, crl: Crl, note: object) -> CrlStatus:
        source, fetched_at = "", None
        if isinstance(note, list) and len(note) == 2 and all(isinstance(each, str) for each in note):
            source, moment = note
            fetched_at = datetime.fromisoformat(moment) if moment else None
        return CrlStatus(
            issuer=crl.text,
            number=crl.number,
            this_update=crl.this_update,
            next_update=crl.next_update,
            usable_until=self._index.usable_until(crl),
            entries=len(crl.serials),
            source=source,
            fetched_at=fetched_at,
        )

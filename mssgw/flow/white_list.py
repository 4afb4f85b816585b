"""The white list in force: asked for hourly, judged before it is taken, kept, followed by all workers of a node (WL-7).

One worker at a time asks, in its turn; all look every few seconds at what is kept and take it over. What is kept was
judged when it was taken; its signature is verified again by each that reads it.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mssgw.core.errors import GatewayError, SourceUnavailable, StoreUnavailable
from mssgw.core.list_change import objection
from mssgw.core.trust import WhiteList
from mssgw.flow.list_news import USABLE_FOR, ListNews
from mssgw.formats import white_list
from mssgw.ports import Clock, Source, Telemetry
from mssgw.ports.white_list import Kept, Seal, Shelf

POLL = timedelta(hours=1)
RETRY = timedelta(minutes=5)  # after a list that could not be fetched or kept
KEEP_AGAIN = timedelta(minutes=1)  # where that failed: until then a restart and the other workers go without it
LOOK = 5.0  # seconds between looks at what the others do
FIRST_LOOK = 0.25  # the same while we have no list: of a node that starts for the first time, one worker fetches it
FETCH = 300.0  # seconds, whatever a source promises


class End(StrEnum):
    """How asking for the list ended."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking. ``fingerprint``: of the list that came; ``detail``: why not."""

    end: End
    detail: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The list that this process goes by."""

    list: WhiteList
    verified_at: datetime


def read_list(file: bytes, seal: Seal | None, at: datetime) -> WhiteList:
    """Verify first; read what was signed and nothing else. Takes half a second. Raises GatewayError."""  # req: WL-6
    white_list.check_size(file)
    signed = seal.signed_part(file, at=at) if seal is not None else file
    return white_list.read(signed, fingerprint=hashlib.sha256(file).hexdigest())


class WhiteListKeeper:
    """``start`` before the first letter, then ``run`` until cancelled; ``usable`` at any time."""

    def __init__(
        self,
        *,
        source: Source,
        seal: Seal | None,
        shelf: Shelf,
        clock: Clock,
        telemetry: Telemetry,
        poll: timedelta = POLL,
        aloud: Telemetry | None = None,
    ) -> None:
        """``seal`` None: lists are taken unsigned, as configured. ``aloud``: see ListNews."""
        self._source, self._seal, self._shelf = source, seal, shelf
        self._clock, self._poll = clock, poll
        self._news = ListNews(source.name, clock=clock, telemetry=telemetry, aloud=aloud or telemetry)
        self.held: Held | None = None
        self._version = ""  # of the shelf, as we last read it
        self._floor: datetime | None = None  # no list older than this, where the kept one itself is lost
        self._fetched = ""  # fingerprint of what the source gave last, and the file itself if it was refused
        self._refused: bytes | None = None
        self._unkept: bytes | None = None  # the list in force, while it could not be kept, and when that was tried
        self._tried_to_keep = clock.now()

    def usable(self) -> WhiteList | None:
        """The list in force; None: there is none, or it was last verified too long ago."""  # req: WL-7
        held = self.held
        return held.list if held is not None and self._clock.now() - held.verified_at <= USABLE_FOR else None

    def age(self) -> timedelta | None:
        """Since the list was last verified; None: there is none."""
        return self._clock.now() - self.held.verified_at if self.held is not None else None

    async def start(self) -> None:
        """Take over what was kept, so that a restart needs no network."""
        await self._follow()

    async def run(self) -> None:
        """Follow the others, and ask when it is time. Nothing ends it: without it the list would only grow old."""
        eager = self.held is None  # whoever tried last: without a list no mail moves
        while True:
            try:
                await self.look(eager=eager)
                eager = False
            except StoreUnavailable as error:
                self._news.not_kept(error)
            except Exception as error:
                self._news.failed(error)
                await asyncio.sleep(LOOK)
            await asyncio.sleep(LOOK if self.held is not None else FIRST_LOOK)

    async def look(self, *, eager: bool = False) -> None:
        """Take over what others kept; ask for the list if that is due and nobody else does. Raises StoreUnavailable.

        ``eager``: it is due if we have none.
        """
        if (held := self.held) is not None:  # a clock that went back would keep it for ever, and tell nobody
            self.held = Held(list=held.list, verified_at=min(held.verified_at, self._clock.now()))
        try:
            await self._follow(tell=True)
            if self._unkept_too_long() or await self._due(eager):
                async with self._shelf.turn() as ours:
                    await self._follow(tell=True)
                    if ours:
                        await self._in_turn(eager)
        finally:
            self._news.age(self.age())  # with a full disk too

    async def _in_turn(self, eager: bool) -> None:
        if await self._due(eager):
            await self._ask("")
        elif self._unkept_too_long():
            await self._keep(self._unkept)

    async def refresh(self, *, accepted: str = "", patience: float = 60.0) -> Asked:
        """Ask now, by hand. ``accepted``: the fingerprint of a list that may be so much smaller.

        Waits at most ``patience`` seconds for somebody else's turn to end, then as much longer as a fetch may take.
        Raises StoreUnavailable, TimeoutError.
        """
        async with asyncio.timeout(patience) as limit:
            while True:
                async with self._shelf.turn() as ours:
                    if ours:
                        limit.reschedule(asyncio.get_running_loop().time() + FETCH + patience)
                        await self._follow()
                        return await self._ask(accepted)
                await asyncio.sleep(0.2)

    async def _due(self, eager: bool) -> bool:
        if eager and self.held is None:
            return True
        tried = await self._shelf.tried_at()
        return tried is None or not timedelta(0) <= self._clock.now() - tried < self._poll

    def _unkept_too_long(self) -> bool:
        since = self._clock.now() - self._tried_to_keep
        return self._unkept is not None and not timedelta(0) <= since < KEEP_AGAIN

    # --- what is kept ------------------------------------------------------------------------------------------

    async def _follow(self, *, tell: bool = False) -> None:
        """Take over what is kept, if it is not what we have. ``tell``: that another process took it."""
        version = await self._shelf.version()
        if version == self._version:
            return
        self._version = version
        try:
            kept = await self._shelf.read()
        except StoreUnavailable as error:  # the published one makes good for it
            self._news.lost(error)
            return
        if kept is None:
            return
        verified_at = min(kept.verified_at, self._clock.now())  # a clock that went back would keep it for ever
        self._floor = max(kept.generated_at, self._floor or kept.generated_at)
        if self.held is not None and self.held.list.fingerprint == kept.fingerprint:
            self.held, self._unkept = Held(list=self.held.list, verified_at=verified_at), None
            return
        if self._unkept is not None and self.held is not None and self.held.list.generated_at > kept.generated_at:
            return  # somebody verified the one before ours, that could not be kept yet
        try:
            if hashlib.sha256(kept.file).hexdigest() != kept.fingerprint:
                raise white_list.UnusableList("not the file that was kept")
            new = await self._read(kept.file, kept.verified_at)
        except GatewayError as error:
            self._news.lost(error, kept.fingerprint)
            return
        old, self.held, self._unkept = self.held, Held(list=new, verified_at=verified_at), None
        if tell:
            self._news.followed(new, old.list if old is not None else None)

    async def _read(self, file: bytes, at: datetime) -> WhiteList:
        return await asyncio.to_thread(self._read_now, file, at)

    def _read_now(self, file: bytes, at: datetime) -> WhiteList:
        return read_list(file, self._seal, at)

    # --- what is published -------------------------------------------------------------------------------------

    async def _ask(self, accepted: str) -> Asked:
        """In our turn: fetch, judge, take or refuse. Raises StoreUnavailable when the list taken could not be kept."""
        soon = self._clock.now() - self._poll + min(RETRY, self._poll)
        await self._shelf.mark_tried(soon)  # until we know better: the next tries soon if this process falls
        try:
            async with asyncio.timeout(FETCH):
                file = await self._source.fetch(limit=white_list.LIMIT)
        except (SourceUnavailable, TimeoutError) as error:
            detail = str(error) or "no answer in time"
            self._news.unreachable(detail)
            return Asked(end=End.UNREACHABLE, detail=detail)
        asked = await self._judge(file, accepted)
        await self._shelf.mark_tried(self._clock.now())
        return asked

    async def _judge(self, file: bytes | None, accepted: str) -> Asked:
        if file is None:  # as we fetched it last: refused then, it is not verified now
            file = self._refused
        if file is not None:
            return await self._judge_file(file, accepted)
        if self.held is not None and self.held.list.fingerprint == self._fetched:
            return await self._confirm()
        return self._refuse("older", "the source is back at a list before ours", self._fetched)

    async def _judge_file(self, file: bytes, accepted: str) -> Asked:
        self._refused, self._fetched = file, hashlib.sha256(file).hexdigest()
        now = self._clock.now()
        try:
            new = await self._read(file, now)  # unchanged or not: its signer may have ended
        except GatewayError as error:
            self._source.forget()  # of what is no list, such as a page that says "closed", the date would hide the list
            return self._refuse("unusable", str(error), self._fetched)
        old = self.held.list if self.held is not None else None
        if why := objection(new, old, now=now, not_before=self._floor, accepted=accepted):
            return self._refuse(why[0].value, why[1], new.fingerprint)
        self._refused = None
        if old is not None and old.fingerprint == new.fingerprint:
            return await self._confirm(file)
        return await self._take(new, old, file)

    def _refuse(self, why: str, detail: str, fingerprint: str) -> Asked:
        self._news.refused(why, detail, fingerprint)
        return Asked(end=End.REFUSED, detail=f"{why}: {detail}", fingerprint=fingerprint)

    async def _take(self, new: WhiteList, old: WhiteList | None, file: bytes) -> Asked:
        """In force at once; kept for the others and for a restart."""
        self.held, self._unkept = Held(list=new, verified_at=self._as_of()), file
        self._news.taken(new, old)
        await self._keep(file)
        return Asked(end=End.TAKEN, fingerprint=new.fingerprint)

    async def _confirm(self, file: bytes | None = None) -> Asked:
        """It is still the published one: its age begins anew, or as of when that is known."""  # req: WL-8
        held = self.held
        assert held is not None
        as_of, before = self._as_of(), min(held.verified_at, self._clock.now())
        self.held = Held(list=held.list, verified_at=max(as_of, before))
        if as_of > before:
            self._news.verified()
        await self._keep(file if file is not None else self._unkept)
        return Asked(end=End.UNCHANGED, fingerprint=held.list.fingerprint)

    def _as_of(self) -> datetime:
        """When the source last knew its file to be the published one."""
        now = self._clock.now()
        return min(self._source.as_of or now, now)

    async def _keep(self, file: bytes | None) -> None:
        """``file`` None: it is kept already. Raises StoreUnavailable: it will be tried again."""
        held = self.held
        assert held is not None
        if file is None:
            there = await self._shelf.read()
            if there is None or hashlib.sha256(there.file).hexdigest() != held.list.fingerprint:
                self._source.forget()
                raise StoreUnavailable("the list that was kept is gone")
            file = there.file
        self._unkept, self._tried_to_keep = file, self._clock.now()
        kept = Kept(
            file=file,
            fingerprint=held.list.fingerprint,
            generated_at=held.list.generated_at,
            verified_at=held.verified_at,
        )
        await self._shelf.keep(kept)
        self._unkept, self._version = None, await self._shelf.version()

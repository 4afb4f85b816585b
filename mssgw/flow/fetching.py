"""One message of a mailbox that is collected from, by the path of SMTP mail: its octets in, our reply out.

1. its first piece has the header: Return-Path, else From, is the reverse-path, as MAIL would have said it;
2. the pieces go on in wire form as DATA brings them, under the same rules for CR, LF, NUL, lines and size;
3. a message of this Message-ID and content that was taken before, under another number, is not taken again;
4. the commit of the letter also holds the number of the message. Only what is in a commit may be marked or moved.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope, ForwardPath, Origin, Role
from mssgw.core.errors import GatewayError
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.core.rules.content import too_big
from mssgw.flow.accept import IncomingLetter
from mssgw.flow.live import Live
from mssgw.flow.reading import LONG
from mssgw.flow.reception import Reception
from mssgw.formats.data_phase import Problem
from mssgw.formats.fetched import WireForm, has_header, header_of, message_id_of, reverse_path_of
from mssgw.formats.headers import Header
from mssgw.formats.received import COLLECTED_BY
from mssgw.ports import Account, AlreadyCollected, Clock, Collected, CollectedLetters, Mailbox, Telemetry
from mssgw.ports.mailbox import MailboxTrouble, NoSuchMessage

END_WITHIN = 300.0  # seconds for a commit, as at the listeners; it goes on by itself afterwards
DRAIN = 10.0  # seconds that commits have when we stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One [[collector]]. What was collected goes to ``done_folder``; without one it stays, with the keyword ``mark``.

    ``client``: what is known of letters from there; its name is the collector's.
    """

    account: Account
    client: Client
    recipient: Address
    folder: str = field(repr=False)
    done_folder: str | None = field(repr=False)
    mark: str
    refused_folder: str = field(repr=False)
    poll: timedelta

    @property
    def name(self) -> str:
        return self.client.name

    @property
    def place(self) -> str:
        """Where the numbers of messages mean something: by another name it is the same, on another server not."""
        return f"{self.account.host}\n{self.account.login}\n{self.folder}"


class Fate(Enum):
    KEPT = auto()
    ALREADY = auto()  # it was kept before
    REFUSED = auto()
    LATER = auto()
    GONE = auto()  # somebody else took it away


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a message; ``spool_id`` finds it in the journal."""

    fate: Fate
    reply: Reply | None = None
    spool_id: str = ""
    message_id: str | None = None


class Commits:
    """Commits under way: each outlives whoever waits for it, and has a parent."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def outlived(self, commit: Coroutine[Any, Any, Reply]) -> Reply:
        """Its reply. Raises TimeoutError after END_WITHIN; it goes on."""
        task = asyncio.create_task(commit)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        async with asyncio.timeout(END_WITHIN):
            return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for those under way, for a while."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN)


class Fetcher:
    """Takes messages of one mailbox in."""

    def __init__(
        self,
        plan: Plan,
        *,
        reception: Reception,
        memory: CollectedLetters,
        live: Live,
        clock: Clock,
        telemetry: Telemetry,
        commits: Commits,
    ) -> None:
        self._plan, self._reception, self._memory, self._live = plan, reception, memory, live
        self._clock, self._telemetry, self._commits = clock, telemetry, commits

    async def take(self, mailbox: Mailbox, uid_validity: int, uid: int) -> Taken:
        """Raises MailboxTrouble when the session fails; the message is as it was then."""
        message = _Message(self._plan, self._reception, self._live.settings.limit_for(Role.COLLECTED))
        try:
            refusal = await message.receive(mailbox, uid)
            if refusal is not None:
                return message.taken(refusal)
            return await self._keep(message, uid_validity, uid)
        except NoSuchMessage:
            await message.abandon()
            return Taken(fate=Fate.GONE)
        except MailboxTrouble:
            await message.abandon()
            raise
        except GatewayError as error:
            await message.abandon(error.reply)
            return message.taken(error.reply)
        except Exception as error:  # one letter that nobody can take must not stop all others
            await message.abandon()
            self._telemetry.event("collector.failed", alarm=True, collector=self._plan.name, failure=error)
            return message.taken(INTERNAL_ERROR)
        except BaseException:
            await message.abandon()
            raise

    async def _keep(self, message: "_Message", uid_validity: int, uid: int) -> Taken:
        described = message.described(uid_validity, uid)
        if await self._memory.alike_collected(described):
            await message.abandon()
            await self._memory.recognise(described, now=self._clock.now())
            return Taken(fate=Fate.ALREADY)
        try:
            return message.taken(await self._commits.outlived(message.end(described)))
        except AlreadyCollected:
            return Taken(fate=Fate.ALREADY)


class _Message:
    """One message on its way in: whatever happens, its letter is ended once."""

    def __init__(self, plan: Plan, reception: Reception, limit: int) -> None:
        self._plan, self._reception, self._limit = plan, reception, limit
        self._form, self._digest = WireForm(limit), hashlib.sha256()
        self._beginning = bytearray()  # until its header is whole
        self._letter: IncomingLetter | None = None
        self._over = False
        self._message_id: str | None = None
        self._spool_id = ""

    async def receive(self, mailbox: Mailbox, uid: int) -> Reply | None:
        """Take all of it in; the reply that refuses it on the way. Raises MailboxTrouble, GatewayError."""
        async with contextlib.aclosing(mailbox.fetch(uid)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                self._digest.update(piece)
                if (refusal := await self._take(piece)) is not None:
                    return refusal
        if self._letter is None:  # a header and no more, or less than that
            if (refusal := await self._begin()) is not None:
                return refusal
            if (refusal := await self._pass_on(self._form.feed(bytes(self._beginning)))) is not None:
                return refusal
        return await self._pass_on(self._form.end())

    async def _take(self, piece: bytes) -> Reply | None:
        if self._letter is None:
            self._beginning += piece
            if not has_header(self._beginning):
                return None
            if (refusal := await self._begin()) is not None:
                return refusal
            piece, self._beginning = bytes(self._beginning), bytearray()
        return await self._pass_on(self._form.feed(piece))

    async def _pass_on(self, wire: bytes) -> Reply | None:
        assert self._letter is not None
        if (problem := self._form.problem) is not None:
            reply = too_big(self._limit) if problem is Problem.TOO_BIG else problem.value
            await self.abandon(reply)
            return reply
        if wire:
            await self._letter.write(wire)
        return None

    async def _begin(self) -> Reply | None:
        """What MAIL FROM would have said, and what would have been answered."""
        beginning = bytes(self._beginning)
        header: Header = (
            await asyncio.to_thread(header_of, beginning) if len(beginning) > LONG else header_of(beginning)
        )
        self._message_id = message_id_of(header)
        envelope = self._envelope(reverse_path_of(header))
        refusal = await self._reception.sender(self._plan.client, envelope, 0)
        if refusal is not None:
            self._over = True
            return refusal
        self._letter = self._reception.letter(self._plan.client, envelope)
        self._spool_id = self._letter.spool_id
        return None

    def _envelope(self, reverse_path: Address | None) -> Envelope:
        plan = self._plan
        origin = Origin(
            role=Role.COLLECTED,
            client=plan.name,
            peer=plan.account.host,
            helo=plan.account.host,
            protocol=COLLECTED_BY,
        )
        return Envelope(reverse_path=reverse_path, forward_paths=(ForwardPath(address=plan.recipient),), origin=origin)

    def described(self, uid_validity: int, uid: int) -> Collected:
        return Collected(
            collector=self._plan.name,
            place=self._plan.place,
            uid_validity=uid_validity,
            uid=uid,
            message_id=self._message_id,
            digest=self._digest.digest(),
        )

    async def end(self, described: Collected) -> Reply:
        assert self._letter is not None
        self._over = True
        self._letter.collected = described
        return await self._letter.end(size=self._form.size)

    async def abandon(self, reply: Reply | None = None) -> None:
        """Forget it, unless it was ended."""
        if self._letter is not None and not self._over:
            self._over = True
            await self._letter.abort(reply)

    def taken(self, reply: Reply) -> Taken:
        fate = Fate.KEPT if reply.ok else Fate.LATER if reply.transient else Fate.REFUSED
        return Taken(fate=fate, reply=reply, spool_id=self._spool_id, message_id=self._message_id)

"""Mailboxes by IMAP4rev1 (RFC 3501): the Mailboxes port over one connection for each session.

Rooms: imap_dial connects and logs in, imap_wire says commands, imap_session looks, and here letters come and go;
formats/imap_* write and read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from mssgw.edges.imap_answers import by_uid
from mssgw.edges.imap_dial import Dialer, TlsContexts
from mssgw.edges.imap_limits import DEFAULT_LIMITS, Limits
from mssgw.edges.imap_session import STANDARD, Session
from mssgw.edges.imap_trouble import refusal
from mssgw.edges.imap_wire import Wire
from mssgw.edges.resolver import DnsResolver, Resolver
from mssgw.formats.imap_reading import Garbled, Value, number, parse, uid
from mssgw.formats.imap_writing import batches, day, flag_list, folder, moment, quoted, uid_set
from mssgw.formats.letter_id import HEADER, letter_id_field
from mssgw.ports.mailbox import (
    PIECE,
    Account,
    MailboxLost,
    MailboxRefused,
    MailboxTrouble,
    NoSuchFolder,
    NoSuchMessage,
    Placed,
)

_MARGIN = 65_536  # octets of an answer beside the piece of a letter
_DELETED = r"\Deleted"


class ImapMailboxes:
    """ports.Mailboxes. ``tls_contexts``: see imap_dial; ``resolver``: default the system's."""

    def __init__(
        self, *, tls_contexts: TlsContexts, resolver: Resolver | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._dialer = Dialer(tls_contexts=tls_contexts, resolver=resolver or DnsResolver(), limits=limits)

    @asynccontextmanager
    async def open(self, account: Account) -> AsyncIterator["ImapMailbox"]:
        wire, offers = await self._dialer.dial(account)
        try:
            yield ImapMailbox(wire, offers)
            if wire.usable:
                with contextlib.suppress(MailboxLost):
                    await wire.ask("LOGOUT", limit=wire.limits.farewell)
        finally:
            wire.fail("the session has ended")


class ImapMailbox(Session):
    """ports.Mailbox on one connection."""

    def __init__(self, wire: Wire, offers: frozenset[str]) -> None:
        super().__init__(wire, offers)
        self._idles = "IDLE" in offers

    async def append(
        self,
        folder_name: str,
        letter_id: str,
        content: AsyncIterable[bytes],
        *,
        size: int,
        received_at: datetime,
        flags: Collection[str] = (),
    ) -> Placed | None:
        field = letter_id_field(letter_id)
        chosen = (flag_list(flags),) if flags else ()
        await self._make(folder_name)
        answer = await self._wire.ask_with_literal(
            "APPEND",
            folder(folder_name),
            *chosen,
            moment(received_at),
            literal=_after(field, content),
            size=len(field) + size,
        )
        if answer.status.kind != "OK":
            self._made.discard(folder_name)  # somebody may have removed it
            raise refusal(self._wire.name, answer.status)
        with self._reading():
            match parse([answer.status.rest]) if answer.status.code == "APPENDUID" else []:
                case [validity, placed]:
                    return Placed(uid_validity=uid(validity), uid=uid(placed))
        return None

    async def find(self, folders: Sequence[str], letter_id: str, *, since: datetime) -> Placed | None:
        # A day is the server's, in whatever time zone, and its clock is its own: one day more.
        arrived = f"SINCE {day(since - timedelta(days=1))}"
        for name in folders:
            try:
                opened = await self.open(name)
            except NoSuchFolder:
                continue
            if (there := await self._uid_of(letter_id, arrived)) is not None:
                return Placed(uid_validity=opened.uid_validity, uid=there)
        return None

    async def _uid_of(self, letter_id: str, arrived: str) -> int | None:
        """Where it is in the open folder.

        Some servers look only through the header fields that they have an index of, and find nothing in others
        (Stalwart, Dovecot with some full-text indexes). One that does not find our last letter either is such a one:
        then the headers of all that arrived are read.
        """
        if (there := await self._among(letter_id, await self._with_id(letter_id, arrived))) is not None:
            return there
        last = await self.describe(sorted(await self._with_id("", arrived))[-1:])
        for each in last.values():
            if each.letter_id is not None and each.uid in await self._with_id(each.letter_id, arrived):
                return each.uid if each.letter_id == letter_id else None
        windows = [window async for window in self._windows(0, None)]
        return await self._among(
            letter_id, [uid for each in windows for uid in await self._search(f"UID {each}", arrived)]
        )

    async def _with_id(self, letter_id: str, arrived: str) -> Sequence[int]:
        """Messages with a part of this id, "" for any, as far as the server finds them."""
        try:
            return await self._search(arrived, "HEADER", HEADER, quoted(letter_id))
        except MailboxRefused:
            return ()

    async def _among(self, letter_id: str, uids: Collection[int]) -> int | None:
        found = await self.describe(uids)  # a search for Q1.1 finds Q1.10
        return next((each.uid for each in found.values() if each.letter_id == letter_id), None)

    async def fetch(self, message: int) -> AsyncIterator[bytes]:
        """A piece that is shorter than asked is the last one.

        That is believed when the size claimed says so too, or when nothing follows: a server that cuts pieces short
        must not make us take a part for the whole. The size alone decides nothing, for some stores only estimate it.
        Nothing follows in a message that was removed meanwhile, either (Dovecot says NIL): it has to be there still.
        """
        offset, claimed, short = 0, -1, False
        while True:
            items = await self._piece(message, offset, PIECE)
            with self._reading():
                piece = items[f"BODY[]<{offset}>"]
                if piece is None and not offset:
                    raise NoSuchMessage(f"{self._wire.name}: the message is gone")
                if piece is not None and "RFC822.SIZE" in items:  # of a message that is gone Dovecot says 0
                    claimed = number(items["RFC822.SIZE"])
                piece = piece or b""
                if not isinstance(piece, bytes) or len(piece) > PIECE or (short and piece):
                    raise Garbled("a piece of a letter of another size")
                if not piece and not offset and claimed:
                    raise Garbled("a letter without its text")
            if piece:
                yield piece
            offset, short = offset + len(piece), len(piece) < PIECE
            if not piece and offset != claimed and not (await self._piece(message, 0, 1))["BODY[]<0>"]:
                raise NoSuchMessage(f"{self._wire.name}: the message is gone")
            if not piece or (short and offset == claimed):
                return

    async def _piece(self, message: int, offset: int, size: int) -> dict[str, Value]:
        """The items of a message with so much of its text. Raises NoSuchMessage."""
        what = f"(UID RFC822.SIZE BODY.PEEK[]<{offset}.{size}>)"
        answer = await self._ok("FETCH", str(message), what, prefix="UID", budget=PIECE + _MARGIN)
        with self._reading():
            items = by_uid(answer, [message]).get(message)
        if items is None or f"BODY[]<{offset}>" not in items:
            raise NoSuchMessage(f"{self._wire.name}: the message is gone")
        return items

    async def mark(self, uids: Collection[int], *, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        if not self._keywords and {*add, *remove} - STANDARD.keys():
            raise MailboxRefused(f"{self._wire.name}: the folder keeps no keywords")
        for batch in batches(uids):
            for sign, chosen in (("+", add), ("-", remove)):
                if chosen:
                    await self._ok("STORE", uid_set(batch), f"{sign}FLAGS.SILENT", flag_list(chosen), prefix="UID")

    async def move(self, uids: Collection[int], folder_name: str) -> None:
        await self._make(folder_name)
        for batch in batches(uids):
            if "MOVE" in self._offers:  # RFC 6851
                await self._ok("MOVE", uid_set(batch), folder(folder_name), prefix="UID")
            else:
                await self._ok("COPY", uid_set(batch), folder(folder_name), prefix="UID")
                await self._remove(batch)

    async def delete(self, uids: Collection[int]) -> None:
        if "UIDPLUS" not in self._offers:
            raise MailboxRefused(f"{self._wire.name}: the server cannot remove some messages and no others")
        for batch in batches(uids):
            try:
                await self._remove(batch)
            except MailboxRefused:  # left marked, they would go with the next EXPUNGE of anybody, and nobody would know
                with contextlib.suppress(MailboxTrouble):
                    await self._ok("STORE", uid_set(batch), "-FLAGS.SILENT", f"({_DELETED})", prefix="UID")
                raise

    async def _remove(self, batch: Sequence[int]) -> None:
        """Without UIDPLUS they stay, marked: a plain EXPUNGE would remove what others have marked."""
        await self._ok("STORE", uid_set(batch), "+FLAGS.SILENT", f"({_DELETED})", prefix="UID")
        if "UIDPLUS" in self._offers:
            await self._ok("EXPUNGE", uid_set(batch), prefix="UID")

    async def wait(self, limit: float) -> bool:
        wire, loop = self._wire, asyncio.get_running_loop()
        end = loop.time() + limit
        wire.listening = True
        try:
            while not wire.news.is_set():
                # Before an IDLE, too: not every server begins it with what has happened since the last command.
                await self._ok("NOOP", limit=wire.limits.probe)
                left = end - loop.time()
                if wire.news.is_set() or left <= 0:
                    break
                if self._idles:
                    await self._idle(min(left, wire.limits.idle))
                else:
                    await self._told(min(left, wire.limits.poll))
            wire.check()
            return wire.news.is_set()
        finally:
            wire.listening = False
            wire.news.clear()

    async def _idle(self, span: float) -> None:
        """One IDLE (RFC 2177). A server that refuses it, or ends it at once, is asked from time to time instead."""
        wire = self._wire
        try:
            wire.begin("IDLE")
            if began := await wire.may_go_on(wire.limits.probe):
                await self._told(span)
                wire.say(b"DONE\r\n")
            answer = await wire.end(wire.limits.probe)
        except BaseException:
            wire.fail("IDLE was given up")
            raise
        self._idles = began and answer.status.kind == "OK"

    async def _told(self, span: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(span):
                await self._wire.news.wait()


async def _after(field: bytes, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield field
    async for piece in content:
        yield piece

"""Mailboxes by IMAP4rev1 (RFC 3501): the Mailboxes port over one connection for each session.

Rooms: imap_dial connects and logs in, imap_wire says commands, formats/imap_* write and read them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from mssgw.edges.imap_dial import Dialer, TlsContexts
from mssgw.edges.imap_trouble import refusal
from mssgw.edges.imap_wire import BUDGET, SELECTED, Answer, Limits, Wire
from mssgw.edges.resolver import DnsResolver, Resolver
from mssgw.formats.imap_reading import Garbled, Value, fetched, flags, number, numbers, parse, uid
from mssgw.formats.imap_writing import batches, day, flag_list, folder, moment, quoted, read_moment, uid_set
from mssgw.formats.letter_id import HEADER, letter_id_field, letter_id_of
from mssgw.ports.mailbox import (
    INBOX,
    PIECE,
    Account,
    Described,
    MailboxLost,
    MailboxRefused,
    NoSuchFolder,
    NoSuchMessage,
    Opened,
    Placed,
)

FEW = 20_000  # messages that one SEARCH may look through: its answer is one line
_MARGIN = 65_536  # octets of an answer beside the piece of a letter
_STANDARD = {r"\Seen": "SEEN", r"\Answered": "ANSWERED", r"\Flagged": "FLAGGED", r"\Draft": "DRAFT"}
_DELETED = r"\Deleted"
_WHAT = f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({HEADER})])"

DEFAULT_LIMITS = Limits()


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


class ImapMailbox:
    """ports.Mailbox on one connection. ``offers``: the capabilities of the server."""

    def __init__(self, wire: Wire, offers: frozenset[str]) -> None:
        self._wire, self._offers = wire, offers
        self._idles = "IDLE" in offers
        self._keywords = False  # of the open folder
        self._next = 1  # the UID that it would give next when it was opened
        self._made: set[str] = {INBOX}  # folders that are there, or that may not be made

    # --- letters in ----------------------------------------------------------------------------------------------

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
        keys = ("SINCE", day(since - timedelta(days=1)), "HEADER", HEADER, quoted(letter_id))
        for name in folders:
            try:
                opened = await self.open(name)
            except NoSuchFolder:
                continue
            found = await self.describe(await self._search(*keys))  # HEADER looks for a part: Q1.1 is in Q1.10
            for each in found.values():
                if each.letter_id == letter_id:
                    return Placed(uid_validity=opened.uid_validity, uid=each.uid)
        return None

    # --- the open folder -----------------------------------------------------------------------------------------

    async def open(self, folder_name: str) -> Opened:
        wire = self._wire
        answer = await wire.ask("SELECT", folder(folder_name))
        if answer.status.kind != "OK":
            raise refusal(wire.name, answer.status, opening=True)
        wire.state = SELECTED
        wire.news.clear()
        with self._reading():
            validity = answer.note("UIDVALIDITY")
            if validity is None:
                raise Garbled("a folder without UIDVALIDITY")
            following = answer.note("UIDNEXT")
            self._next = uid(following.rest) if following is not None else 1
            kept = answer.note("PERMANENTFLAGS")
            # Without PERMANENTFLAGS all flags are kept (RFC 3501 section 7.1); with, "\*" stands for those of our own.
            self._keywords = kept is None or r"\*" in flags(parse([kept.rest])[0])
            return Opened(uid_validity=uid(validity.rest), messages=wire.exists, keywords=self._keywords)

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
        if not self._keywords and set(flagged) - _STANDARD.keys():
            return ()
        keys = ["UNDELETED", *(_key(each) for each in flagged)]
        keys += [_key(each, "UN") for each in unflagged if self._keywords or each in _STANDARD]
        if before is not None:
            keys.append(f"BEFORE {day(before)}")
        found: set[int] = set()
        async for window in self._windows(above, among):
            uids = await self._search(f"UID {window}", *keys)
            found |= {each for each in uids if each > above and (among is None or each in among)}
            if len(found) >= limit:
                break
        return sorted(found)[:limit]

    async def _windows(self, above: int, among: Collection[int] | None) -> AsyncIterator[str]:
        """UIDs that cover these messages, or all that the folder has by now, oldest first, FEW at once.

        Not by sequence numbers: pymap takes them for UIDs. The last message is in every range that ends with "*".
        """
        if among is not None:
            for batch in batches(among):
                yield uid_set(batch)
            return
        self._wire.news.clear()
        await self._ok("NOOP")
        first = above + 1
        if self._wire.exists > FEW:
            step = max(FEW, (self._next - first) // 1_000)  # few letters may have large UIDs
            while first + step < self._next:
                yield f"{first}:{first + step - 1}"
                first += step
        yield f"{first}:*"

    async def _search(self, *keys: str) -> list[int]:
        answer = await self._ok("SEARCH", *keys, prefix="UID")
        with self._reading():
            return [each for data in answer.named("SEARCH") for each in numbers(data.values())]

    async def describe(self, uids: Collection[int]) -> Mapping[int, Described]:
        found: dict[int, Described] = {}
        for batch in batches(uids):
            answer = await self._ok("FETCH", uid_set(batch), _WHAT, prefix="UID")
            with self._reading():
                items = _by_uid(answer, batch)
                found |= {each: _described(each, said) for each, said in items.items() if "RFC822.SIZE" in said}
        return found

    async def fetch(self, message: int) -> AsyncIterator[bytes]:
        """A piece that is shorter than asked is the last one. That is believed when the size claimed says so too, or

        when nothing follows: a server that cuts letters short must not make us take a part for the whole.
        """
        offset, claimed, short = 0, -1, False
        while True:
            what = f"(UID RFC822.SIZE BODY.PEEK[]<{offset}.{PIECE}>)"
            answer = await self._ok("FETCH", str(message), what, prefix="UID", budget=PIECE + _MARGIN)
            with self._reading():
                items = _by_uid(answer, [message]).get(message)
                if items is None or f"BODY[]<{offset}>" not in items:
                    raise NoSuchMessage(f"{self._wire.name}: the message is gone")
                piece = items[f"BODY[]<{offset}>"] or b""
                claimed = number(items["RFC822.SIZE"]) if "RFC822.SIZE" in items else claimed
                if not isinstance(piece, bytes) or len(piece) > PIECE or (short and piece):
                    raise Garbled("a piece of a letter of another size")
            if piece:
                yield piece
            offset, short = offset + len(piece), len(piece) < PIECE
            if not piece or (short and offset == claimed):
                return

    async def mark(self, uids: Collection[int], *, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        if not self._keywords and {*add, *remove} - _STANDARD.keys():
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
            await self._remove(batch)

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
            return wire.news.is_set()
        finally:
            wire.listening = False
            wire.news.clear()

    async def _idle(self, span: float) -> None:
        """One IDLE (RFC 2177). A server that refuses it is asked from time to time instead."""
        wire = self._wire
        try:
            wire.begin("IDLE")
            if await wire.may_go_on(wire.limits.probe):
                await self._told(span)
                wire.say(b"DONE\r\n")
            answer = await wire.end(wire.limits.probe)
        except BaseException:
            wire.fail("IDLE was given up")
            raise
        self._idles = answer.status.kind == "OK"

    async def _told(self, span: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(span):
                await self._wire.news.wait()

    # --- commands ------------------------------------------------------------------------------------------------

    async def _make(self, folder_name: str) -> None:
        """Make sure once a session that a folder is there. A refusal mostly means that it is."""
        if folder_name in self._made:
            return
        if (await self._wire.ask("CREATE", folder(folder_name))).status.kind == "OK":
            await self._wire.ask("SUBSCRIBE", folder(folder_name))  # so that people see it
        self._made.add(folder_name)

    async def _ok(
        self, name: str, *args: str, prefix: str | None = None, budget: int = BUDGET, limit: float | None = None
    ) -> Answer:
        answer = await self._wire.ask(name, *args, prefix=prefix, budget=budget, limit=limit)
        if answer.status.kind != "OK":
            raise refusal(self._wire.name, answer.status)
        return answer

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """What cannot be understood ends the session: the next answer would be no better."""
        try:
            yield
        except Garbled as garbled:
            raise self._wire.fail(str(garbled)) from None


async def _after(field: bytes, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield field
    async for piece in content:
        yield piece


def _key(flag: str, un: str = "") -> str:
    flag_list((flag,))
    return f"{un}{_STANDARD[flag]}" if flag in _STANDARD else f"{un}KEYWORD {flag}"


def _by_uid(answer: Answer, asked: Collection[int]) -> dict[int, dict[str, Value]]:
    """The items of the messages that were asked for. A server may tell of others, too, and of one in several parts."""
    found: dict[int, dict[str, Value]] = {}
    for data in answer.named("FETCH"):
        items = fetched(data)
        if "UID" in items and (told := uid(items["UID"])) in asked:
            known = found.setdefault(told, {})
            if any(name.startswith("BODY[") and name in known for name in items):
                raise Garbled("two texts for one message")
            known |= items
    return found


def _described(message: int, items: Mapping[str, Value]) -> Described:
    header = next((value for name, value in items.items() if name.startswith("BODY[HEADER")), None)
    arrived = items.get("INTERNALDATE")
    return Described(
        uid=message,
        size=number(items["RFC822.SIZE"]),
        flags=flags(items.get("FLAGS", [])),
        received_at=read_moment(arrived.decode("ascii", "replace")) if isinstance(arrived, bytes) else None,
        letter_id=letter_id_of(header) if isinstance(header, bytes) else None,
    )

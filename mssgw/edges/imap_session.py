"""A session on a mailbox: the folder that is open, what is in it, and how commands are said and judged."""

import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from mssgw.edges.imap_answers import Answer, by_uid, described, listed
from mssgw.edges.imap_limits import BUDGET, FEW
from mssgw.edges.imap_trouble import refusal
from mssgw.edges.imap_wire import AUTH, SELECTED, Wire
from mssgw.formats.imap_reading import Garbled, flags, numbers, parse, uid
from mssgw.formats.imap_writing import batches, day, flag_list, folder, uid_set
from mssgw.formats.letter_id import HEADER
from mssgw.ports.mailbox import INBOX, Described, Opened

STANDARD = {r"\Seen": "SEEN", r"\Answered": "ANSWERED", r"\Flagged": "FLAGGED", r"\Draft": "DRAFT"}
_FOLDERS = 1_000
_WHAT = f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({HEADER})])"


class Session:
    """What looks and changes nothing; ``offers``: the capabilities of the server. See ports.Mailbox."""

    def __init__(self, wire: Wire, offers: frozenset[str]) -> None:
        self._wire, self._offers = wire, offers
        self._keywords = False  # of the open folder
        self._next = 1  # the UID that it would give next when it was opened
        self._made: set[str] = {INBOX}  # folders that are there, or that may not be made

    async def open(self, folder_name: str) -> Opened:
        wire = self._wire
        answer = await wire.ask("SELECT", folder(folder_name))
        if answer.status.kind != "OK":
            wire.state = AUTH  # none is open now (RFC 3501 section 6.3.1)
            missing = not answer.status.code and not await self._is_listed(folder_name)
            raise refusal(wire.name, answer.status, opening=missing)
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
            return Opened(
                uid_validity=uid(validity.rest),
                messages=wire.exists,
                keywords=self._keywords,
                deletes="UIDPLUS" in self._offers,
            )

    async def folders(self) -> Sequence[str]:
        answer = await self._ok("LIST", '""', '"*"')
        with self._reading():
            names = [listed(data) for data in answer.named("LIST")]
        found = dict.fromkeys([INBOX, *(name for name in names if name is not None)])
        return list(found)[:_FOLDERS]

    async def _is_listed(self, folder_name: str) -> bool:
        """Whether there is such a folder. A NO without a code may mean as well that the server is busy: whoever looked
        for a letter there and believed that there is none would put it there twice.
        """
        answer = await self._ok("LIST", '""', folder(folder_name))
        with self._reading():
            return folder_name in map(listed, answer.named("LIST"))

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
        if not self._keywords and set(flagged) - STANDARD.keys():
            return ()
        keys = ["UNDELETED", *(_key(each) for each in flagged)]
        keys += [_key(each, "UN") for each in unflagged if self._keywords or each in STANDARD]
        if before is not None:
            keys.append(f"BEFORE {day(before)}")
        found: set[int] = set()
        wanted = None if among is None else frozenset(among)
        async for window in self._windows(above, wanted):
            uids = await self._search(f"UID {window}", *keys)
            found |= {each for each in uids if each > above and (wanted is None or each in wanted)}
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
                items = by_uid(answer, batch)
                found |= {each: described(each, said) for each, said in items.items() if "RFC822.SIZE" in said}
        return found

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


def _key(flag: str, un: str = "") -> str:
    flag_list((flag,))
    return f"{un}{STANDARD[flag]}" if flag in STANDARD else f"{un}KEYWORD {flag}"

"""What an IMAP server said to a command, and what can be read from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mssgw.formats.imap_reading import Data, Garbled, Status, Value, fetched, flags, number, uid
from mssgw.formats.imap_writing import folder_name, read_moment
from mssgw.formats.letter_id import letter_id_of
from mssgw.ports.mailbox import INBOX, Described


@dataclass(slots=True)
class Answer:
    """What the server said to a command: how it ended, and what came before that."""

    status: Status = field(default_factory=lambda: Status("", ""))
    data: list[Data] = field(default_factory=list)
    notes: list[Status] = field(default_factory=list)  # untagged OK, NO, BAD

    def named(self, name: str) -> list[Data]:
        return [each for each in self.data if each.name == name]

    def note(self, code: str) -> Status | None:
        """The last note, or the end, with that response code."""
        return next((each for each in (self.status, *reversed(self.notes)) if each.code == code), None)


def by_uid(answer: Answer, asked: Collection[int]) -> dict[int, dict[str, Value]]:
    """The items of the messages that were asked for. A server may tell of others, too, and of one in several parts.

    Raises Garbled.
    """
    found: dict[int, dict[str, Value]] = {}
    for data in answer.named("FETCH"):
        items = fetched(data)
        if "UID" in items and (told := uid(items["UID"])) in asked:
            known = found.setdefault(told, {})
            if any(name.startswith("BODY[") and name in known for name in items):
                raise Garbled("two texts for one message")
            known |= items
    return found


def described(message: int, items: Mapping[str, Value]) -> Described:
    """What the items of a FETCH response tell of a message. Raises Garbled."""
    header = next((value for name, value in items.items() if name.startswith("BODY[HEADER")), None)
    arrived = items.get("INTERNALDATE")
    return Described(
        uid=message,
        size=number(items["RFC822.SIZE"]),
        flags=flags(items.get("FLAGS", [])),
        received_at=read_moment(arrived.decode("ascii", "replace")) if isinstance(arrived, bytes) else None,
        letter_id=letter_id_of(header) if isinstance(header, bytes) else None,
    )


def listed(data: Data) -> str | None:
    """The name in a LIST response; None when it cannot be opened, or not be written again. Raises Garbled."""
    match data.values():
        case [list() as words, _, bytes() as written]:
            if {each.lower() for each in flags(words)} & {r"\noselect", r"\nonexistent"}:
                return None
            return INBOX if written.upper() == INBOX.encode() else folder_name(written)
    raise Garbled("no folder where there should be one")

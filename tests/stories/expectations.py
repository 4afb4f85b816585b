"""What a step must have brought about: one small check for each key of ``expect``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mssgw.core.addresses import Address
from mssgw.core.conversation import State
from mssgw.core.journal import Entry
from tests.stories.letters import message_id
from tests.stories.people import PEOPLE, address, filled
from tests.stories.worlds import Answer, Arrival, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one step left to be seen."""

    answer: Answer | None
    arrivals: list[Arrival]
    events: list[tuple[str, dict[str, Any]]]

    @property
    def answered(self) -> Answer:
        assert self.answer is not None, "nothing was sent"
        return self.answer


async def check(world: World, expect: dict[str, Any], seen: Seen) -> None:
    """Raises AssertionError for the first expectation that is not met."""
    for key, wanted in expect.items():
        await CHECKS[key](world, wanted, seen)


async def answer(world: World, wanted: str, seen: Seen) -> None:
    got = seen.answered
    assert got.text.startswith(wanted), f"answered {got.text!r} at {got.stage}, not {wanted!r}"


async def at(world: World, wanted: str, seen: Seen) -> None:
    assert seen.answered.stage == wanted, f"answered {seen.answered.text!r} at {seen.answered.stage}, not at {wanted}"


async def says(world: World, wanted: str, seen: Seen) -> None:
    assert wanted in seen.answered.text, f"answered {seen.answered.text!r}, which does not say {wanted!r}"


async def refused(world: World, wanted: dict[str, str], seen: Seen) -> None:
    got = {who: seen.answered.refused.get(address(who), "accepted") for who in wanted}
    assert all(got[who].startswith(reply) for who, reply in wanted.items()), f"{got}, not {wanted}"
    assert len(wanted) == len(seen.answered.refused), f"others were refused too: {seen.answered.refused}"


async def arrives(world: World, wanted: list[str], seen: Seen) -> None:
    got = sorted(arrival.who for arrival in seen.arrivals)
    assert got == sorted(wanted), f"arrived: {got}, not {sorted(wanted)}"


async def contains(world: World, wanted: list[str], seen: Seen) -> None:
    for text in wanted:
        octets = filled(text).replace("\n", "\r\n").encode()
        assert any(octets in each.content for each in seen.arrivals), f"no arrival contains {text!r}"


async def lacks(world: World, wanted: list[str], seen: Seen) -> None:
    for text in wanted:
        assert not any(filled(text).encode() in each.content for each in seen.arrivals), f"arrived with {text!r}"


async def conversation(world: World, wanted: dict[str, str], seen: Seen) -> None:
    """``"patient doctor" = "open"``."""
    for pair, state in wanted.items():
        patient, bal = (Address.parse(address(who)) for who in pair.split())
        rows = await world.desk.conversations(limit=10, patient=patient, bal=bal)
        states = [row.state for row in rows if row.bal is not None] or [State.ABSENT]
        assert states == [State(state)], f"{pair}: {[each.value for each in states]}, not {state}"


async def events(world: World, wanted: list[str], seen: Seen) -> None:
    names = [name for name, _ in seen.events]
    assert not set(wanted) - set(names), f"happened: {names}, not {wanted}"


async def alarms(world: World, wanted: list[str], seen: Seen) -> None:
    names = sorted(name for name, fields in seen.events if fields["alarm"])
    assert names == sorted(wanted), f"alarms: {names}, not {sorted(wanted)}"


async def held(world: World, wanted: int, seen: Seen) -> None:
    found = len(await world.desk.queue(limit=10, state="held"))
    assert found == wanted, f"held: {found}, not {wanted}"


async def waiting(world: World, wanted: int, seen: Seen) -> None:
    found = len(await world.desk.queue(limit=10, state="queued"))
    assert found == wanted, f"queued: {found}, not {wanted}"


async def trace(world: World, wanted: list[dict[str, Any]], seen: Seen) -> None:
    """``of``: a letter or somebody; ``events``: all that happened, in order; the rest stands on one of the lines."""
    for about in wanted:
        entries = await life_of(world, about["of"])
        happened = [entry.event.value for entry in entries]
        assert about.get("events", happened) == happened, f"life of {about['of']}: {happened}, not {about['events']}"
        absent = about.get("never", [])
        assert not set(absent) & set(happened), f"life of {about['of']}: {happened}, with one of {absent}"
        line = {key: value for key, value in about.items() if key not in ("of", "events", "never")}
        assert any(_shows(entry, line) for entry in entries), f"no line of {about['of']} shows {line}: {entries}"


async def life_of(world: World, of: str) -> list[Entry]:
    """As ``mssgw trace`` tells it: the lines found, then all others of the letters that they belong to."""
    if of in PEOPLE or "@" in of:
        return list(await world.desk.trace(address=Address.parse(address(of)), limit=100))
    found = await world.desk.trace(message_id=message_id(of), limit=100)
    lives = [entry for entry in found if not entry.spool_id]
    for spool_id in dict.fromkeys(entry.spool_id for entry in found if entry.spool_id):
        lives += await world.desk.trace(spool_id=spool_id, limit=100)
    return sorted(lives, key=lambda entry: entry.at)


def _shows(entry: Entry, line: dict[str, Any]) -> bool:
    values: dict[str, str | None] = {
        "event": entry.event.value,
        "detail": entry.detail,
        "person": entry.person,
        "client": entry.client,
        "operator": entry.operator,
        "reply": str(entry.reply) if entry.reply else "",
        "to": entry.recipient.text if entry.recipient else "",
    }
    for key, wanted in line.items():
        if key == "finding":  # "rule" or "rule detail"
            found = {finding.rule for finding in entry.findings}
            found |= {f"{finding.rule} {finding.detail}" for finding in entry.findings}
            if wanted not in found:
                return False
        elif key == "reply":
            if not str(values[key]).startswith(wanted):
                return False
        elif values[key] != address(wanted):
            return False
    return True


async def notice(world: World, wanted: dict[str, Any], seen: Seen) -> None:
    """The one notice that arrived: RFC 3464 in its fields, French in its text."""
    (arrival,) = (each for each in seen.arrivals if each.sender == "")
    report = arrival.parsed
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["auto-submitted"] == "auto-replied"
    text, status, returned = report.iter_parts()
    fields = "\n".join(str(group) for group in status.get_payload())
    assert arrival.recipient == address(wanted["to"])
    for line in wanted.get("fields", []):
        assert filled(line).lower() in fields.lower(), f"no {line!r} in\n{fields}"
    for phrase in wanted.get("says", []):
        assert filled(phrase) in text.get_content(), f"no {phrase!r} in\n{text.get_content()}"
    assert wanted.get("subject", "") in report["subject"], report["subject"]
    assert wanted.get("returns", returned.get_content_type()) == returned.get_content_type()


async def word(world: World, wanted: dict[str, Any], seen: Seen) -> None:
    """The one plain letter of the gateway's own that arrived: Mon espace santé's notice, or that something waits."""
    (arrival,) = (each for each in seen.arrivals if each.sender == "" and each.recipient == address(wanted["to"]))
    letter = arrival.parsed
    assert letter.get_content_type() == "text/plain"
    assert letter["auto-submitted"] in ("auto-replied", "auto-generated")
    for key, field_name in (("from", "from"), ("subject", "subject")):
        if key in wanted:
            assert letter[field_name] == filled(address(wanted[key])), letter[field_name]
    if "answers" in wanted:
        assert letter["in-reply-to"] == letter["references"] == message_id(wanted["answers"])
    text = letter.get_content().replace("\r\n", "\n").rstrip("\n")
    assert text == filled(wanted.get("text", text)), text
    for phrase in wanted.get("says", []):
        assert filled(phrase) in text, text


Check = Callable[[World, Any, Seen], Awaitable[None]]
CHECKS: dict[str, Check] = {
    each.__name__: each
    for each in (
        answer,
        at,
        says,
        refused,
        arrives,
        contains,
        lacks,
        conversation,
        events,
        alarms,
        held,
        waiting,
        trace,
        notice,
        word,
    )
}

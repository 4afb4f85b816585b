"""One letter as commands tell it: its envelope, deliveries, findings and journal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.ordinary import PrivateAddress
from mssgw.app.cli.people import shown
from mssgw.app.office import Office
from mssgw.core.delivery import State
from mssgw.core.envelope import Envelope
from mssgw.core.errors import Gone, Undecryptable
from mssgw.core.journal import Entry
from mssgw.core.patients import HOUSEHOLD
from mssgw.core.routes import PATIENTS_HEAR
from mssgw.core.verdict import Finding
from mssgw.ports import QueueRow, Stored

_OF_DOCUMENTS = re.compile("(?:CDA|GRD|XDM)-")
JOURNAL_LIMIT = 10_000  # lines: a letter to 1 000 recipients with ten attempts each


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLetter:
    """What is left of a letter. ``stored`` None: ``why`` it cannot be shown; only the journal remembers."""

    spool_id: str
    stored: Stored | None
    why: str = ""
    rows: tuple[QueueRow, ...]
    entries: tuple[Entry, ...]


async def look_up(office: Office, spool_id: str) -> KnownLetter | None:
    """Everything the store knows of that queue id; None when that is nothing."""
    stored, why = None, ""
    try:
        stored = await office.store.load(spool_id)
    except Gone:
        why = "erased"
    except Undecryptable as error:  # a damaged letter is the one that an operator needs to look at
        why = f"unreadable: {error}"
    rows: dict[int, QueueRow] = {}
    for state in (None, *(state.value for state in State if state.final)):
        for row in await office.desk.queue(limit=JOURNAL_LIMIT, state=state, spool_id=spool_id):
            rows[row.delivery.number] = row
    entries = tuple(await office.desk.trace(spool_id=spool_id, limit=JOURNAL_LIMIT))
    if stored is None and not rows and not entries:
        return None
    return KnownLetter(
        spool_id=spool_id,
        stored=stored,
        why=why,
        rows=tuple(rows[number] for number in sorted(rows)),
        entries=entries,
    )


def print_letter(letter: KnownLetter, now: datetime) -> None:
    """Print a letter for people, addresses in full."""
    if letter.stored is None:
        paper.facts([("letter", letter.spool_id), ("content", f"{letter.why}; the journal remains")])
    else:
        print_envelope(letter.stored)
    if letter.rows:
        click.echo("\nDeliveries")
        print_deliveries(letter.rows, now)
    if letter.stored is not None and letter.stored.verdict.findings:
        click.echo("\nFindings")
        print_findings(letter.stored.verdict.findings)
    if letter.entries:
        click.echo("\nJournal")
        print_timeline(letter.entries, full=True)


def print_envelope(stored: Stored) -> None:
    envelope, origin = stored.envelope, stored.envelope.origin
    paper.facts(
        [
            ("letter", stored.spool_id),
            ("accepted", paper.when(stored.accepted_at)),
            ("verdict", type(stored.verdict).__name__.lower()),
            ("message-id", stored.facts.head.message_id if stored.facts.head else ""),
            ("size", f"{stored.body.size} octets"),
            ("sender", shown(envelope.reverse_path, full=True)),
            *(("recipient", shown(path.address, full=True)) for path in envelope.forward_paths),
            ("client", f"{origin.client} ({origin.role})"),
            ("peer", " ".join(filter(None, (origin.peer, origin.helo, origin.protocol)))),
            ("tls", origin.tls),
            ("person", origin.person or "unknown"),  # req: SD-6
            ("esmtp", esmtp(envelope)),
        ]
    )


def esmtp(envelope: Envelope) -> str:
    """The parameters of MAIL that travel on."""
    parameters = {
        "BODY=8BITMIME": envelope.eight_bit,
        "SMTPUTF8": envelope.smtputf8,
        f"RET={envelope.ret}": envelope.ret,
        f"ENVID={envelope.envid}": envelope.envid,
    }
    return " ".join(text for text, given in parameters.items() if given)


def print_deliveries(rows: Sequence[QueueRow], now: datetime) -> None:
    paper.table(
        ("no", "recipient", "state", "attempts", "next try", "last reply"),
        [
            (
                row.delivery.number,
                shown(row.delivery.forward_path.address, full=True),
                state_of(row),
                row.delivery.attempts,
                next_try(row, now),
                row.delivery.last_reply or "-",
            )
            for row in rows
        ],
        right=("no", "attempts"),
    )


def print_findings(findings: Iterable[Finding]) -> None:
    """Each finding with the rule that made it and the requirements behind it; of one about a document, what it asks."""
    listed = tuple(findings)
    asked = ("rule asks",) if any(sentence_of(finding) for finding in listed) else ()
    paper.table(
        ("rule", "requirement", "severity", "recipient", *asked, "detail", "reply"),
        [
            (
                finding.rule,
                finding.requirement,
                paper.plain(finding.severity, full=False),
                "all" if finding.recipient is None else finding.recipient,
                *((sentence_of(finding) or "-",) if asked else ()),
                finding.detail or "-",
                finding.reply or "-",
            )
            for finding in listed
        ],
    )


def sentence_of(finding: Finding) -> str:
    """What a rule about documents asks, in French; "" for the others, which say it in their reply or detail."""
    return _sentences().get(finding.rule, "") if _OF_DOCUMENTS.match(finding.rule) else ""


@cache
def _sentences() -> Mapping[str, str]:
    from mssgw.app.cli.cda_rules import all_rules  # it pulls in lxml: most letters have no such finding

    return {rule.id: rule.sentence for rule in all_rules()}


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding for machines, with what its rule asks where that is about documents."""
    fields = {name: getattr(finding, name) for name in finding.__dataclass_fields__}
    asked = sentence_of(finding)
    return {**fields, "sentence": asked} if asked else fields


def print_timeline(entries: Iterable[Entry], *, full: bool, with_id: bool = False) -> None:
    """Journal lines as they happened, oldest first."""
    first = ("id",) if with_id else ()
    paper.table(
        ("when", *first, "event", "who", "sender", "recipient", "detail"),
        [
            (
                paper.when(entry.at),
                *((entry.spool_id or "-",) if with_id else ()),
                entry.event,
                who(entry),
                shown(entry.sender, full=full) if entry.sender else "-",
                shown(entry.recipient, full=full) if entry.recipient else "-",
                detail(entry) or "-",
            )
            for entry in entries
        ],
    )


def who(entry: Entry) -> str:
    """The natural person, the operator, or the client an entry names (SD-6, TRC-1)."""
    if entry.operator:
        return f"operator {entry.operator}"
    if entry.person:
        return f"{entry.person} ({entry.client})" if entry.client else entry.person
    if entry.client == HOUSEHOLD:  # a patient of ours writes under his own address alone
        return f"the patient ({entry.client})"
    return f"person unknown ({entry.client})" if entry.client else "-"


def detail(entry: Entry) -> str:
    """What else an entry says, on one line."""
    rules = ", ".join(_told(finding) for finding in entry.findings)
    next_hop = f"via {entry.next_hop}" if entry.next_hop else ""
    named = any(finding.rule == entry.detail for finding in entry.findings)  # with its requirements, in ``rules``
    said = "" if named else entry.detail
    return "; ".join(filter(None, (said, str(entry.reply or ""), next_hop, rules)))


def _told(finding: Finding) -> str:
    asked = f"« {sentence} »" if (sentence := sentence_of(finding)) else ""
    return " ".join(filter(None, (f"{finding.rule}[{finding.requirement}]", asked, finding.detail)))


def entry_json(entry: Entry) -> dict[str, Any]:
    """One journal line for machines; the person too, which hides from repr."""
    fields = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    findings = [finding_json(each) for each in fields.pop("findings")]
    return {"id": fields.pop("spool_id"), **fields, "findings": findings}


def delivery_json(row: QueueRow, now: datetime) -> dict[str, Any]:
    """One delivery for machines. ``age`` in seconds, since the 250, whatever was held and released meanwhile."""
    due, address = row.delivery, row.delivery.forward_path.address
    return {
        "id": due.spool_id,
        "number": due.number,
        "state": due.state,
        "sender": row.sender,
        "recipient": PrivateAddress.of(address) if due.domain == PATIENTS_HEAR else address,
        "domain": due.domain,
        "size": row.size,
        "attempts": due.attempts,
        "created_at": row.since,
        "age": now - row.since,
        "due_at": None if due.state is not State.QUEUED else due.due_at,
        "sending": row.leased,
        "warned": due.warned,
        "held_because": row.held_because,
        "last_reply": due.last_reply,
    }


def letter_json(letter: KnownLetter, now: datetime) -> dict[str, Any]:
    """One letter for machines, on one line."""
    stored = letter.stored
    about: Mapping[str, Any] = {"content": letter.why}
    if stored is not None:
        about = {
            "content": "stored",
            "accepted_at": stored.accepted_at,
            "size": stored.body.size,
            "message_id": stored.facts.head.message_id if stored.facts.head else None,
            "envelope": stored.envelope,
            "verdict": type(stored.verdict).__name__.lower(),
            "findings": [finding_json(each) for each in stored.verdict.findings],
        }
    deliveries = [delivery_json(row, now) for row in letter.rows]
    journal = [entry_json(entry) for entry in letter.entries]
    return {"id": letter.spool_id, **about, "deliveries": deliveries, "journal": journal}


def state_of(row: QueueRow) -> str:
    """The state of a delivery, and what it waits for or does."""
    if row.held_because:
        return f"{row.delivery.state} ({row.held_because})"
    return "sending" if row.leased and row.delivery.state is State.QUEUED else str(row.delivery.state)


def next_try(row: QueueRow, now: datetime) -> str:
    """When a queued delivery is tried next: "now", or in how long."""
    if row.delivery.state is not State.QUEUED:
        return "-"
    wait = row.delivery.due_at - now
    return f"in {paper.span(wait)}" if wait.total_seconds() > 0 else "now"


def count(number: int, one: str, many: str) -> str:
    """``1 delivery``, ``3 deliveries``."""
    return f"{number} {one if number == 1 else many}"


def tell_listed(found: int, limit: int | None, one: str, many: str, *, as_json: bool) -> None:
    """On stderr: how many a listing has, and that there may be more. A script that counts lines must hear of that.

    ``limit`` None: these are all.
    """
    more = "; there may be more, see --limit" if limit is not None and found >= limit else ""
    if more or not as_json:
        click.echo(f"{count(found, one, many)}{more}", err=True)

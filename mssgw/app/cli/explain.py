"""``mssgw explain``: what is, or was, decided of a letter, and by which rules. Changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mssgw.app.cli import letters, paper
from mssgw.app.cli.exits import Code, Failure, given_as, no
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.ordinary import apart, facts_apart
from mssgw.app.cli.people import queue_id, recipients_option, shown, unseen
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind, Party
from mssgw.core.conversation import Move
from mssgw.core.errors import MalformedMatricule
from mssgw.core.facts import Exchange, Facts
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.replies import Reply
from mssgw.core.verdict import Admit, Hold, Refuse, Verdict

_CODES = {Admit: Code.OK, Refuse: Code.NO, Hold: Code.HELD}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is typed: a queue id, or the name of a file. ``content``: of that file, or why it cannot be read."""

    typed: str
    content: bytes | OSError


def _subject(typed: str) -> Subject:
    """Read at once: afterwards the command goes on as the gateway's user, who may not look into root's folders."""
    try:
        return Subject(typed, Path(typed).read_bytes())
    except OSError as error:
        return Subject(typed, error)


@click.command(short_help="Say what is, or was, decided of a letter, and why.")
@click.argument("subject", metavar="FILE.eml|ID", type=_subject)
@click.option(
    "--from", "sender", metavar="ADDRESS", callback=unseen, help="The reverse-path of MAIL FROM; '<>' for null."
)
@recipients_option("A forward-path of RCPT TO; repeatable.")
@click.option(
    "--client", metavar="NAME", help="The configured client that sends; default: the one that may use --from."
)
@addresses_option
@json_option
@at_the_office()
async def explain(
    office: Office,
    subject: Subject,
    sender: str | None,
    recipients: Sequence[str],
    client: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Say what is decided of a file in that envelope, or was decided of a letter, by which rules and requirements.

    A file is judged against the conversations as they stand now; nothing is kept, moved, sent or journalled. Of a
    letter that was refused, or whose content is erased, the findings in the journal are shown. An address "-" is read
    from standard input, a line for each. Exit code 0: admitted, 1: refused (or unknown), 2: held.

    \b
    Examples:
      mssgw explain lettre.eml --from dr.martin@cabinet.mssante.fr --to 279035121518989@patient.mssante.fr
      mssgw explain recu.eml --from '<>' --to dr.martin@cabinet.mssante.fr --client mon-espace-sante
      mssgw explain 1M8Z7Q4X9TB20KEV --json
    """
    if sender is None and not recipients and not {"/", "."} & set(subject.typed):
        await _explain_letter(office, queue_id(subject.typed), full=full, as_json=as_json)
        return
    if sender is None or not recipients:
        raise click.UsageError("a file needs --from and --to", click.get_current_context())
    with given_as("--from"):
        reverse_path = None if sender == "<>" else Address.parse(sender)
    with given_as("--to"):
        forward_paths = [Address.parse(recipient) for recipient in recipients]
    if isinstance(subject.content, OSError):
        code = Code.NO_PERMISSION if isinstance(subject.content, PermissionError) else Code.DATA
        raise Failure(code, f"explain: {subject.typed}: {subject.content.strerror}")
    try:
        facts, verdict = await office.explain_file(
            subject.content, sender=reverse_path, recipients=forward_paths, client=client
        )
    except MalformedMatricule as error:  # refused before any rule is asked, in the words of the SMTP reply (INS-3)
        refusal = Refuse(findings=(), reply=_as_at_the_door(office, reverse_path, error))
        _tell(None, refusal, (), full=full, as_json=as_json)
        return
    _tell(facts, verdict, verdict.findings, full=full, as_json=as_json)


def _as_at_the_door(office: Office, sender: Address | None, error: MalformedMatricule) -> Reply:
    """The reply to MAIL or to RCPT, by whose matricule is wrong."""
    try:
        office.space.sender(sender)
    except MalformedMatricule as wrong:
        return Reply(553, "5.1.7", wrong.reply.text)
    return error.reply


async def _explain_letter(office: Office, spool_id: str, *, full: bool, as_json: bool) -> None:
    facts, verdict, entries = await office.explain_id(spool_id)
    if facts is not None:
        facts = facts_apart(facts, entries)
    if verdict is not None:
        _tell(facts, verdict, verdict.findings, full=full, as_json=as_json)
        return
    if not entries:
        raise no(f"explain: no letter {spool_id} in the queue or the journal")
    _tell_erased(apart(entries), full=full, as_json=as_json)


def _tell(facts: Facts | None, verdict: Verdict, findings: Sequence[Any], *, full: bool, as_json: bool) -> None:
    if as_json:
        paper.json_line(_json(facts, verdict), full=full)
    else:
        if facts is not None:
            _print_facts(facts, full=full)
        if findings:
            click.echo("\nFindings")
            letters.print_findings(findings)
        _print_moves("Moves", getattr(verdict, "moves", ()), full=full)
        _print_moves("Moves that wait for the release", getattr(verdict, "withheld", ()), full=full)
        reply = getattr(verdict, "reply", None)
        above = "\n" if facts is not None or findings else ""
        click.echo(f"{above}Verdict: {_word(verdict)}" + (f": {reply}" if reply else ""))
    raise click.exceptions.Exit(_CODES[type(verdict)])


def _tell_erased(entries: Sequence[Entry], *, full: bool, as_json: bool) -> None:
    """The facts are gone, or were never kept; the journal kept what the rules said, if they said anything."""
    findings = list(dict.fromkeys(finding for entry in entries for finding in entry.findings))
    refusal = next((entry.reply for entry in entries if entry.event is JournalEvent.REFUSED), None)
    word = "refuse" if refusal else None
    if as_json:
        journal = [letters.entry_json(entry) for entry in entries if entry.findings]
        told = {
            "erased": True,
            "verdict": word,
            "reply": refusal,
            "findings": [letters.finding_json(each) for each in findings],
            "journal": journal,
        }
        paper.json_line(told, full=full)
    else:
        what = "It was refused: no content was kept." if refusal else "The content is erased; the journal remains."
        click.echo(f"{what}\n")
        letters.print_timeline(entries, full=full)
        if findings:
            click.echo("\nFindings")
            letters.print_findings(findings)
        if refusal:
            click.echo(f"\nVerdict: refuse: {refusal}")
    if refusal:
        raise click.exceptions.Exit(Code.NO)


def _print_facts(facts: Facts, *, full: bool) -> None:
    head = facts.head
    paper.facts(
        [
            ("sender", f"{shown(facts.sender, full=full)} ({_party(facts.sender_party, facts.sender_bal)})"),
            ("client", f"{facts.client.name} ({facts.envelope.origin.role})"),
            ("person", facts.envelope.origin.person or "unknown"),
            ("size", f"{facts.size} octets of {facts.policy.size_limit}"),
            ("conversations", "enforced" if facts.policy.enforcing else "observed only"),
            ("automatic", "yes" if facts.automatic else "no"),
            ("FIN", _fin(facts)),
            ("unreadable", ", ".join(head.unreadable) if head else ""),
            ("taken", paper.when(facts.taken_at)),
        ]
    )
    click.echo("\nRecipients")
    paper.table(
        ("no", "recipient", "party", "conversation", "route"),
        [_exchange_cells(number, exchange, full) for number, exchange in enumerate(facts.exchanges)],
        right=("no",),
    )


def _party(party: Party, bal: Bal) -> str:
    """Who it is, and what is configured of a professional's mailbox (WHO-3)."""
    known = "" if party is not Party.PROFESSIONAL or bal.kind is BalKind.UNKNOWN else str(bal.kind)
    return " ".join(filter(None, (party, known, "pharmacy" if bal.pharmacy else "")))


def _fin(facts: Facts) -> str:
    """How the letter asks to close the exchange, if it does (FIN-1, FIN-2)."""
    if facts.head is None:
        return ""
    subject = "" if facts.head.subject_fin == "no" else f"subject {facts.head.subject_fin}"
    return " and ".join(filter(None, (subject, "X-MSS-MES" if facts.head.mss_fin else ""))) or "no"


def _exchange_cells(number: int, exchange: Exchange, full: bool) -> tuple[object, ...]:
    known = exchange.conversation
    words = (
        str(known.state),
        "blocked" if known.blocked else "",
        "closed thread" if exchange.in_closed_thread else "",
        "directory unusable" if exchange.directory_unusable else "",
    )
    return (
        number,
        shown(exchange.forward_path.address, full=full),
        _party(exchange.party, exchange.bal),
        ", ".join(filter(None, words)) if exchange.pair else "-",
        "yes" if exchange.relayable else "none",
    )


def _print_moves(title: str, moves: Iterable[Move], *, full: bool) -> None:
    rows = [(shown(move.pair.patient, full=full), shown(move.pair.bal, full=full), move.event) for move in moves]
    if rows:
        click.echo(f"\n{title}")
        paper.table(("patient", "mailbox", "event"), rows)


def _json(facts: Facts | None, verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": _word(verdict),
        "reply": getattr(verdict, "reply", None),
        "findings": [letters.finding_json(each) for each in verdict.findings],
        "moves": getattr(verdict, "moves", ()),
        "withheld": getattr(verdict, "withheld", ()),
        "facts": facts,
    }


def _word(verdict: Verdict) -> str:
    if isinstance(verdict, Refuse) and verdict.reply.transient:
        return "defer"
    return type(verdict).__name__.lower()

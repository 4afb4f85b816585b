"""``mssgw conversation``: who may answer whom, and what an operator changes about it."""

from datetime import UTC, datetime
from typing import BinaryIO

import click

from mssgw.app.cli import imports, letters, pairs, paper
from mssgw.app.cli.exits import given_as, no
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.people import operator, patient, professional, unseen
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair, State
from mssgw.core.journal import Entry, JournalEvent

PATIENT = click.argument("patient_text", metavar="PATIENT", callback=unseen)
BAL = click.argument("bal_text", metavar="BAL")
ANY_BAL = click.argument("bal_text", metavar="[BAL]", required=False)  # none named: all


@click.group()
def conversation() -> None:
    """Conversations between a patient and a mailbox.

    PATIENT is an address or a bare matricule INS, or "-": then it is read from standard input, which keeps it out of
    `ps`, the shell's history and sudo's log. BAL is the address of a professional mailbox.
    """


@conversation.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many lines.")
@click.option("--state", type=click.Choice(list(pairs.STATES)), help="Only this state.")
@click.option("--patient", "patient_text", metavar="PATIENT", callback=unseen, help="Only this patient's.")
@click.option("--bal", "bal_text", metavar="BAL", help="Only this mailbox's.")
@addresses_option
@json_option
@at_the_office()
async def list_(
    office: Office,
    limit: int,
    state: str | None,
    patient_text: str | None,
    bal_text: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """List conversations and oppositions, latest change first. Patients are masked without --addresses.

    \b
    Examples:
      mssgw conversation list --bal officine@pharmacie.mssante.fr
      mssgw conversation list --state closed --json --limit 1000000 | wc -l
    """
    rows = await office.desk.conversations(
        limit=limit,
        patient=_patient(patient_text, office, "--patient") if patient_text else None,
        bal=_bal(bal_text, office, "--bal"),
        state=pairs.STATES[state] if state else None,
    )
    if as_json:
        for row in rows:
            paper.json_line(pairs.as_json(row), full=full)
    else:
        pairs.print_rows(rows, full=full)
    letters.tell_listed(len(rows), limit, "conversation", "conversations", as_json=as_json)


@conversation.command()
@PATIENT
@ANY_BAL
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many lines, the last ones."
)
@json_option
@at_the_office()
async def show(office: Office, patient_text: str, bal_text: str | None, limit: int, as_json: bool) -> None:
    """Show what is known of a patient's conversations, or of one, with its journal. Prints addresses in full.

    Exit code 1 when nothing is known.

    \b
    Examples:
      mssgw conversation show 279035121518989
      mssgw conversation show 279035121518989 dr.martin@cabinet.mssante.fr --json
    """
    who = _patient(patient_text, office)
    bal = _bal(bal_text, office)
    rows = [
        row
        for row in await office.desk.conversations(limit=letters.JOURNAL_LIMIT, patient=who)
        if bal is None or row.bal in (None, bal)  # an opposition to all mailboxes bears on this one too (SD-12)
    ]
    most = max(limit, letters.JOURNAL_LIMIT) + 1  # many of them may be about other mailboxes
    journal = await office.desk.trace(address=who, limit=most if bal else limit + 1)
    entries = [
        entry
        for entry in journal
        if bal is None or bal in (entry.sender, entry.recipient) or _is_about_all_mailboxes(entry)
    ]
    if not rows and not entries:
        raise no("conversation show: nothing is known of this patient" + (" and this mailbox" if bal else ""))
    if as_json:
        told = [letters.entry_json(entry) for entry in entries[-limit:]]
        paper.json_line({"conversations": [pairs.as_json(row) for row in rows], "journal": told}, full=True)
    else:
        pairs.print_known(rows, entries[-limit:])
    if len(entries) > limit or len(journal) >= most:
        click.echo(f"the journal stopped at {len(entries[-limit:])} lines; see --limit", err=True)


@conversation.command()
@PATIENT
@BAL
@click.option("--create", is_flag=True, help="Close it also when none of these two is known.")
@at_the_office()
async def close(office: Office, patient_text: str, bal_text: str, *, create: bool) -> None:
    """Close a conversation, as the mailbox's own [FIN] would: the patient can no longer answer.

    Exit code 1 when none of these two is known, and nothing is changed: of a mistyped mailbox one would be closed that
    is nobody's, and the one meant stay open. --create closes one that the gateway has never seen.

    \b
    Examples:
      mssgw conversation close 279035121518989 dr.martin@cabinet.mssante.fr
      mssgw conversation close 279035121518989 accueil@cabinet.mssante.fr --create
    """
    await _put(office, patient_text, bal_text, State.CLOSED, create=create)


@conversation.command()
@PATIENT
@BAL
@click.option("--create", is_flag=True, help="Open it also when none of these two is known.")
@at_the_office()
async def reopen(office: Office, patient_text: str, bal_text: str, *, create: bool) -> None:
    """Open a conversation again: the patient may write to this mailbox.

    Exit code 1 when none of these two is known, and nothing is changed: a mistyped mailbox would be opened instead of
    the one meant. --create opens one that the gateway has never seen.

    \b
    Examples:
      mssgw conversation reopen 279035121518989 dr.martin@cabinet.mssante.fr
      mssgw conversation reopen 279035121518989 accueil@cabinet.mssante.fr --create
    """
    await _put(office, patient_text, bal_text, State.OPEN, create=create)


@conversation.command()
@PATIENT
@ANY_BAL
@at_the_office(founds=True)
async def block(office: Office, patient_text: str, bal_text: str | None) -> None:
    """Record a patient's opposition, to this mailbox or to all: mail between them is refused, both ways.

    \b
    Examples:
      mssgw conversation block 279035121518989
      mssgw conversation block 279035121518989 dr.martin@cabinet.mssante.fr
    """
    await _set_block(office, patient_text, bal_text, blocked=True)


@conversation.command()
@PATIENT
@ANY_BAL
@at_the_office()
async def unblock(office: Office, patient_text: str, bal_text: str | None) -> None:
    """Lift an opposition. Without BAL only the one to all mailboxes is lifted; those to single ones stay.

    \b
    Example:
      mssgw conversation unblock 279035121518989
    """
    await _set_block(office, patient_text, bal_text, blocked=False)


@conversation.command("import")
@click.argument("file", type=click.File("rb"))  # opened before the command goes on as the gateway's user
@click.option("--skip-errors", is_flag=True, help="Import the good lines although others are wrong.")
@json_option
@at_the_office(limit=None, founds=True)
async def import_(office: Office, file: BinaryIO, skip_errors: bool, as_json: bool) -> None:
    """Import conversations from earlier mail logs (SD-9): a CSV file with the header patient,bal,state,date.

    patient: address or matricule. bal: address. state: open or closed. date: ISO 8601, UTC unless it says otherwise.
    Of several lines about a pair the latest date counts. Conversations that the gateway knows already stay as they
    are, so running it again is harmless. All lines are checked before the first is written; errors name lines, never
    values. A mailbox of no [[establishment]] is imported with a warning. Exit code 65: wrong lines; nothing is imported
    then, or with --skip-errors all the others are.

    \b
    Example:
      patient,bal,state,date
      279035121518989,dr.martin@cabinet.mssante.fr,open,2026-03-01
    \b
      mssgw conversation import paires.csv
    """
    await imports.run(office, file, skip_errors=skip_errors, as_json=as_json)


def _is_about_all_mailboxes(entry: Entry) -> bool:
    """An opposition to all, or its end: it bears on each one (SD-12)."""
    return entry.event is JournalEvent.CONVERSATION and entry.sender is None


async def _put(office: Office, patient_text: str, bal_text: str, state: State, *, create: bool) -> None:
    pair = Pair(_patient(patient_text, office), _mailbox(bal_text, office))
    _warn_of_a_stranger(office, pair.bal)
    if not create and not await _is_known(office, pair):
        what, to = ("reopen", "open") if state is State.OPEN else ("close", "close")
        more = f"see `conversation list --patient PATIENT`, or --create to {to} a new one"
        raise no(f"conversation {what}: no exchange of these two is known: mistyped? {more}")
    changed = await office.desk.set_state([(pair, state, datetime.now(UTC))], operator=operator(), only_absent=False)
    click.echo(f"conversation {state}" if changed else f"conversation was {state} already")


async def _is_known(office: Office, pair: Pair) -> bool:
    """Whether they ever had a conversation; an opposition alone is none."""
    rows = await office.desk.conversations(limit=letters.JOURNAL_LIMIT, patient=pair.patient, bal=pair.bal)
    return any(row.bal == pair.bal and row.state is not State.ABSENT for row in rows)


async def _set_block(office: Office, patient_text: str, bal_text: str | None, *, blocked: bool) -> None:
    who = _patient(patient_text, office)
    bal = _bal(bal_text, office)
    _warn_of_a_stranger(office, bal)
    changed = await office.desk.set_block(who, bal, blocked=blocked, operator=operator(), now=datetime.now(UTC))
    where = "this mailbox" if bal else "all mailboxes"
    if blocked:
        click.echo(f"opposition to {where} recorded" if changed else f"opposition to {where} was recorded already")
    else:
        click.echo(f"opposition to {where} lifted" if changed else f"there was no opposition to {where}")
        await _tell_what_still_stands(office, who, bal)


async def _tell_what_still_stands(office: Office, who: Address, bal: Address | None) -> None:
    """Lifting one opposition leaves the others: mail may go on being refused (SD-12)."""
    rows = await office.desk.conversations(limit=letters.JOURNAL_LIMIT, patient=who)
    blocks = [row.bal for row in rows if row.blocked]
    if None in blocks:
        click.echo("note: the opposition to all mailboxes stands: `unblock PATIENT` without BAL lifts it", err=True)
    elif bal is None and blocks:
        left = letters.count(len(blocks), "opposition", "oppositions")
        click.echo(f"note: {left} to single mailboxes left: see `conversation show`", err=True)


def _warn_of_a_stranger(office: Office, bal: Address | None) -> None:
    """A mistyped mailbox would make a conversation, or an opposition, that is never looked up."""
    if bal is not None and not office.ours(bal):
        click.echo("warning: that BAL is of no [[establishment]] in the configuration; mistyped?", err=True)


def _patient(text: str, office: Office, named: str = "PATIENT") -> Address:
    """The patient meant, by the argument or option ``named``. Raises Failure for what is malformed.

    Raises BadParameter for a professional: the journal of one names all his patients, and an opposition or exchange of
    his, as a patient, is never looked up.
    """
    with given_as(named):
        who = patient(text, office.space)
    if who.domain != office.space.domain:
        why = "expected a patient, not a mailbox: `mssgw conversation list --bal ADDRESS` lists those of a mailbox"
        raise click.BadParameter(why, ctx=click.get_current_context(), param_hint=f"'{named}'")
    return who


def _mailbox(text: str, office: Office, named: str = "BAL") -> Address:
    """The mailbox meant, by the argument or option ``named``. Raises Failure."""
    with given_as(named):
        return professional(text, office.space)


def _bal(text: str | None, office: Office, named: str = "BAL") -> Address | None:
    """As _mailbox; None: none was named."""
    return _mailbox(text, office, named) if text else None

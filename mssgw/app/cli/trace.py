"""``mssgw trace``: the whole life of a letter."""

from collections.abc import Sequence

import click

from mssgw.app.cli import letters, paper
from mssgw.app.cli.exits import given_as, no
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.ordinary import apart
from mssgw.app.cli.passage import passage_json, print_passages
from mssgw.app.cli.people import is_queue_id, looks_like_matricule, may_be_alias, patient, queue_id, unseen
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedMatricule
from mssgw.core.journal import THE_DIRECTORY, THE_PATIENTS, WHITE_LIST, Entry
from mssgw.core.passage import passages

_NO_LETTERS = (WHITE_LIST, THE_DIRECTORY, THE_PATIENTS)  # stand for a queue id in lines about something else


@click.command(short_help="Tell the whole life of a letter.")
@click.argument("subject", metavar="ID|MESSAGE-ID|ADDRESS|MATRICULE|HASH|-", callback=unseen)
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many lines.")
@addresses_option
@json_option
@at_the_office()
async def trace(office: Office, subject: str, limit: int, full: bool, as_json: bool) -> None:
    """Tell the life of a letter from the journal, oldest first: accepted, delivered, read, refused, who did what.

    By queue id, by <Message-ID>, by the address (or bare matricule) of a sender or recipient, or by the keyed hash
    that stands for an address in the log. Names the person behind a shared mailbox and the operator of a command;
    masks patients without --addresses. Ends with a summary: for each recipient when it was accepted, delivered and, if
    a receipt came, read; with --json, lines whose event is "summary". With "-" it is read from standard input, which
    keeps a matricule out of `ps`, the shell's history and sudo's log. In place of a letter, `white-list` tells who
    accepted one by hand, `directory` who imported or set what, `patients` who imported them. Exit code 1 when the
    journal knows nothing of it.

    \b
    Examples:
      mssgw trace 1M8Z7Q4X9TB20KEV
      mssgw trace '<20260301.8421@chu-exemple.mssante.fr>'
      mssgw trace 279035121518989 --json | jq -r 'select(.event == "refused") | .at'
      mssgw trace 1M8Z7Q4X9TB20KEV --json | jq -r 'select(.event == "summary") | .read // "not read"'
    """
    entries = await _find(office, subject.strip(), limit)
    if not entries:
        raise no(f"trace: the journal knows nothing of it{_doubt(subject.strip(), office)}")
    if as_json:
        for entry in entries:
            paper.json_line(letters.entry_json(entry), full=full)
        for passage in passages(entries):
            paper.json_line(passage_json(passage), full=full)
    else:
        several = len({entry.spool_id for entry in entries}) > 1
        letters.print_timeline(entries, full=full, with_id=several)
        print_passages(passages(entries), office.space, full=full, with_id=several)
        if len(entries) >= limit:
            click.echo(f"stopped at {limit} lines; see --limit", err=True)


def _doubt(subject: str, office: Office) -> str:
    """Of a bare matricule whose key is wrong: letters to it were refused, if there were any, and it may be a slip."""
    try:
        if "@" not in subject and looks_like_matricule(subject):
            patient(subject, office.space)
    except MalformedMatricule:
        return "; as typed, it is no matricule INS: its key is wrong"
    return ""


async def _find(office: Office, subject: str, limit: int) -> Sequence[Entry]:
    desk = office.desk
    if subject.startswith("<") and subject.endswith(">"):
        return await _lives(office, await desk.trace(message_id=subject, limit=limit), limit)
    if subject in _NO_LETTERS:
        return await desk.trace(spool_id=subject, limit=limit)
    if "@" in subject or looks_like_matricule(subject):
        # Not by its key: what was refused because of a mistyped one is what is asked for.
        with given_as("ADDRESS"):
            address = Address.parse(subject if "@" in subject else f"{subject}@{office.space.domain}")
        found = await _lives(office, await desk.trace(address=address, limit=limit), limit)
        # A Message-ID without its brackets, as it is copied from a mail client, has the look of an address.
        return found or await _lives(office, await desk.trace(message_id=f"<{subject}>", limit=limit), limit)
    if not is_queue_id(subject) and may_be_alias(subject):
        return await _lives(office, await desk.trace(alias=subject, limit=limit), limit)
    if not is_queue_id(subject):
        raise click.BadParameter(
            "expected a queue id of 16 letters and digits, a Message-ID, an address, a matricule INS of 15 characters, "
            "the hash that stands for an address in the log, or white-list, directory, patients",
            param_hint="'ID|MESSAGE-ID|ADDRESS|MATRICULE|HASH|-'",
            ctx=click.get_current_context(),
        )
    found = await _life(office, queue_id(subject), limit)
    if found or not may_be_alias(subject):
        return found
    return await _lives(office, await desk.trace(alias=subject, limit=limit), limit)


def _of_a_letter(entry: Entry) -> bool:
    """Not of the directory, the registry of patients or a white list: what became of others there is another story."""
    return entry.spool_id not in ("", *_NO_LETTERS)


async def _lives(office: Office, found: Sequence[Entry], limit: int) -> Sequence[Entry]:
    """The lines found, and all others of the letters that they belong to: deliveries, receipts, erasure."""
    lives = [entry for entry in found if not _of_a_letter(entry)]
    for spool_id in dict.fromkeys(entry.spool_id for entry in found if _of_a_letter(entry)):
        if len(lives) >= limit:
            break
        lives += await _life(office, spool_id, limit - len(lives))
    return sorted(lives, key=lambda entry: entry.at)


async def _life(office: Office, spool_id: str, limit: int) -> Sequence[Entry]:
    """The last lines of a letter, with patients' addresses as such: what it is stands in its first."""
    lines = await office.desk.trace(spool_id=spool_id, limit=max(limit, letters.JOURNAL_LIMIT))
    return apart(lines)[-limit:]

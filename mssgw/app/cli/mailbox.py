"""``mssgw mailbox``: what is configured of our mailboxes, and which letters leave them when (TRC-3)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.opening import at_the_office, json_option
from mssgw.app.office import Office
from mssgw.core.retention import Announced, Retained


@click.group(short_help="Mailboxes of ours, and which letters leave them when.")
def mailbox() -> None:
    """Mailboxes of ours, and which letters leave them when: list.

    They are set up in the configuration: [[mailbox]], [[mail_store]], [[collector]]; docs/mailboxes.md shows how.
    """


@mailbox.command("list", short_help="List every [[mailbox]], and what will be deleted when.")
@json_option
@at_the_office(keyless=True)
async def list_(office: Office, as_json: bool) -> None:
    """List every [[mailbox]], how long its letters stay, and what will be deleted on which day.

    What is deleted was announced to its readers before, by a letter in the mailbox: nothing announced, nothing goes.
    Letters that nobody has read, that are flagged, or that lie in other folders stay.

    \b
    Examples:
      mssgw mailbox list
      mssgw mailbox list --json | jq 'select(.due != null)'
    """
    terms = {each.mailbox.key: each for each in office.settings.retained}
    silent = {address.key: after for address, after in office.settings.close_after}
    rows = []
    for key, bal in sorted(office.settings.mailboxes.items()):
        term = terms.get(key)
        closes = "on every letter" if bal.closes_on_send else _days(silent[key]) if key in silent else "-"
        row = {"mailbox": key, "kind": bal.kind, "pharmacy": bal.pharmacy, "closes": closes}
        rows.append(row | await _leaving(office, term))
    if as_json:
        for row in rows:
            paper.json_line(row)
    elif rows:
        _print(rows)
    else:
        click.echo("no [[mailbox]] in the configuration", err=True)


async def _leaving(office: Office, term: Retained | None) -> dict[str, Any]:
    """What goes from one mailbox."""
    if term is None:
        return {"purge_after": None, "due": None, "letters": 0}
    asked = [await office.purges.announced(term.mailbox, folder) for folder in term.folders]
    now = datetime.now(UTC)
    found = [each for each in asked if each is not None and each.holds(term, each.uid_validity, now)]
    due = min((each.due_at for each in found), default=None)
    return {"purge_after": term.after, "due": due, "letters": _letters(found)}


def _letters(found: Sequence[Announced]) -> int:
    return sum(each.letters for each in found)


def _print(rows: Sequence[dict[str, Any]]) -> None:
    paper.table(
        ("mailbox", "kind", "pharmacy", "closes after", "letters go after", "next"),
        [
            (
                row["mailbox"],
                row["kind"].value,
                "yes" if row["pharmacy"] else "-",
                row["closes"],
                _days(row["purge_after"]) if row["purge_after"] else "never",
                _next(row),
            )
            for row in rows
        ],
    )


def _next(row: dict[str, Any]) -> str:
    if row["purge_after"] is None:
        return "-"
    if row["due"] is None:
        return "nothing announced"
    return f"{row['letters']} announced, from {paper.when(row['due'])} on"


def _days(length: timedelta) -> str:
    return f"{length.days}d" if length == timedelta(days=length.days) else paper.span(length)

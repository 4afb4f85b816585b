"""Conversations as operators write and read them."""

from collections.abc import Sequence
from typing import Any

import click

from mssgw.app.cli import letters, paper
from mssgw.app.cli.people import shown
from mssgw.core.conversation import State
from mssgw.core.journal import Entry
from mssgw.ports import ConversationRow

STATES = {"open": State.OPEN, "closed": State.CLOSED}


def print_known(rows: Sequence[ConversationRow], entries: Sequence[Entry]) -> None:
    """What is known of a patient: his conversations, and their journal."""
    if rows:
        print_rows(rows, full=True)
    if entries:
        click.echo("\nJournal")
        letters.print_timeline(entries, full=True, with_id=True)


def print_rows(rows: Sequence[ConversationRow], *, full: bool) -> None:
    """One line each; ``full``: with the patients' addresses."""
    paper.table(
        ("patient", "mailbox", "state", "since"),
        [
            (
                shown(row.patient, full=full),
                shown(row.bal, full=full) if row.bal else "(all)",
                " ".join(filter(None, (str(row.state), "blocked" if row.blocked else ""))),
                paper.when(row.since),
            )
            for row in rows
        ],
    )


def as_json(row: ConversationRow) -> dict[str, Any]:
    """As ``--json`` prints it."""
    return {
        "patient": row.patient,
        "bal": row.bal,
        "state": row.state,
        "since": row.since,
        "blocked": row.blocked,
    }

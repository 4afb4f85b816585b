"""The summary of a trace: when each recipient's letter was accepted, delivered, read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.people import shown
from mssgw.core.bal import PatientSpace
from mssgw.core.passage import Passage


def print_passages(passages: Sequence[Passage], space: PatientSpace, *, full: bool, with_id: bool) -> None:
    """A table below the journal lines; nothing when none of them is about an accepted letter."""
    if not passages:
        return
    click.echo("\nSummary")
    first = ("id",) if with_id else ()
    paper.table(
        (*first, "recipient", "accepted", "delivered", "read"),
        [
            (
                *((passage.spool_id,) if with_id else ()),
                shown(passage.recipient, full=full),
                paper.when(passage.accepted),
                _delivered(passage),
                _read(passage, space),
            )
            for passage in passages
        ],
    )


def passage_json(passage: Passage) -> dict[str, Any]:
    """A summary for machines; ``receipt`` is the disposition of the receipt, "" without one."""
    return {
        "id": passage.spool_id,
        "event": "summary",
        "recipient": passage.recipient,
        "accepted": passage.accepted,
        "delivered": passage.delivered,
        "read": passage.read,
        "receipt": passage.receipt,
        "receipt_at": passage.receipt_at,
        "bounced": passage.bounced,
    }


def _delivered(passage: Passage) -> str:
    if passage.delivered is not None:
        return _later(passage.delivered, passage.accepted)
    return "never: bounced" if passage.bounced is not None else "not yet"


def _read(passage: Passage, space: PatientSpace) -> str:
    """Receipts of patients are linked to their letters; of colleagues none is."""
    if passage.read is not None:
        return _later(passage.read, passage.accepted)
    if passage.receipt_at is not None:
        return f"{passage.receipt}: {_later(passage.receipt_at, passage.accepted)}"
    return "no receipt" if space.is_patient(passage.recipient) else "-"


def _later(moment: datetime, begin: datetime) -> str:
    return f"{paper.when(moment)} (+{paper.span(moment - begin)})"

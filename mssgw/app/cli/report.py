"""``mssgw report``: what somebody should look after, although no rule was broken."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, given_as
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.people import professional, shown
from mssgw.app.office import Office
from mssgw.core.addresses import Address, domain_key
from mssgw.ports import UnreadRow

LIMIT = 1000


@click.group(short_help="Letters that somebody should look after.")
def report() -> None:
    """Tell of letters that somebody should look after, although no rule was broken."""


def _age(_context: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    from mssgw.app.config.values import duration  # it pulls in pydantic: not for --help

    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _domain(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    return None if text is None else domain_key(text)


@report.command(short_help="List letters to patients without their read receipt.")
@click.option("--older", metavar="AGE", callback=_age, help='Sent so long ago: "7d", "12h". Default: unread_after.')
@click.option("--sender", metavar="ADDRESS", help="Only letters of this mailbox.")
@click.option("--domain", metavar="DOMAIN", callback=_domain, help="Only letters of this sender's domain.")
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT, show_default=True, help="At most so many letters.")
@addresses_option
@json_option
@at_the_office(keyless=True)
async def unread(
    office: Office,
    older: timedelta | None,
    sender: str | None,
    domain: str | None,
    limit: int,
    full: bool,
    as_json: bool,
) -> None:
    """List letters to patients that asked for a read receipt and have none, latest first.

    Nobody may have read them: a patient who does not open Mon espace santé, or has no mailbox there. Not those that
    bounced: their senders were told. Without --older, letters as old as [reports] unread_after (7 days). Masks patients
    without --addresses. Exit code 1 when there are any, so that a script can tell.

    \b
    Examples:
      mssgw report unread --older 7d
      mssgw report unread --domain chu-exemple.mssante.fr --json | jq -r '.id'
      mssgw report unread --sender dr.martin@chu-exemple.mssante.fr --addresses
    """
    before = datetime.now(UTC) - (older if older is not None else office.settings.unread_after)
    with given_as("--sender"):
        mailbox = professional(sender.strip(), office.space) if sender else None
    rows = await office.desk.unread(before=before, limit=limit, sender=mailbox, domain=domain)
    if as_json:
        for row in rows:
            paper.json_line(_json(row), full=full)
    else:
        _print(rows, full=full)
    if len(rows) >= limit:
        click.echo(f"stopped at {limit} letters; see --limit", err=True)
    if rows:
        raise click.exceptions.Exit(Code.NO)


def _print(rows: Sequence[UnreadRow], *, full: bool) -> None:
    if not rows:
        click.echo("none: no letter of that age, sender and domain waits for its receipt")
        return
    paper.table(
        ("id", "sent", "sender", "patient", "delivered", "account", "receipt to"),
        [
            (
                row.spool_id,
                paper.when(row.sent_at),
                shown(row.sender, full=full) if row.sender else "-",
                shown(row.patient, full=full) if row.patient else "-",
                paper.when(row.delivered_at) if row.delivered_at else "not yet",
                row.account or "-",
                " ".join(_named(each, full=full) for each in row.receipt_to),
            )
            for row in rows
        ],
    )


def _named(who: Address | str, *, full: bool) -> str:
    return who if isinstance(who, str) else shown(who, full=full)


def _json(row: UnreadRow) -> dict[str, Any]:
    return {
        "id": row.spool_id,
        "sent_at": row.sent_at,
        "sender": row.sender,
        "patient": row.patient,
        "delivered_at": row.delivered_at,
        "account": row.account,
        "receipt_to": row.receipt_to,
    }

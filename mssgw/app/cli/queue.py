"""``mssgw queue``: what waits, and what an operator does about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mssgw.app.cli import letters, paper
from mssgw.app.cli.exits import no
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.people import operator, queue_id, shown
from mssgw.app.office import Office
from mssgw.core.delivery import State
from mssgw.core.errors import Gone, Undecryptable
from mssgw.core.verdict import Admit, Finding, Hold, Refuse, strictest
from mssgw.ports import Conflict, QueueRow

if TYPE_CHECKING:
    from mssgw.flow.release import Effects

_EVERYTHING = 10_000_000  # deliveries
_AT_ONCE = 500  # letters that one transaction holds
LOOKS = 3  # at what the rules look at, when it changes under our eyes


@click.group()
def queue() -> None:
    """Letters that wait: list, show, retry, hold, release, bounce."""


@queue.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many lines.")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only this state.")
@click.option("--domain", help="Only recipients of this domain.")
@addresses_option
@json_option
@at_the_office()
async def list_(office: Office, limit: int, state: str | None, domain: str | None, full: bool, as_json: bool) -> None:
    """List deliveries that wait, oldest due first: one line for each recipient of each letter.

    Exit code 0 also when nothing waits.

    \b
    Examples:
      mssgw queue list
      mssgw queue list --domain patient.mssante.fr --state held
      mssgw queue list --json --limit 1000000 | jq -r 'select(.attempts > 3) | .id' | sort -u
    """
    now = office.clock.now()
    rows = await office.desk.queue(limit=limit, state=state, domain=domain.lower() if domain else None)
    if as_json:
        for row in rows:
            paper.json_line(letters.delivery_json(row, now), full=full)
    else:
        _print(rows, now, full)
    letters.tell_listed(len(rows), limit, "delivery", "deliveries", as_json=as_json)


def _print(rows: Sequence[QueueRow], now: datetime, full: bool) -> None:
    columns = ("id", "no", "state", "age", "attempts", "next try", "size", "domain", "last reply")
    people = ("sender", "recipient") if full else ()
    paper.table(
        (*columns[:-1], *people, columns[-1]),
        [_list_cells(row, now, full) for row in rows],
        right=("no", "age", "attempts", "size"),
    )


def _list_cells(row: QueueRow, now: datetime, full: bool) -> tuple[object, ...]:
    due = row.delivery
    people = (shown(row.sender, full=True), shown(due.forward_path.address, full=True)) if full else ()
    return (
        due.spool_id,
        due.number,
        letters.state_of(row),
        paper.span(now - row.since),
        due.attempts,
        letters.next_try(row, now),
        paper.octets(row.size),
        due.domain,
        *people,
        f"{due.last_reply.code} {due.last_reply.status}".strip() if due.last_reply else "-",
    )


@queue.command()
@click.argument("spool_id", metavar="ID", type=queue_id)
@json_option
@at_the_office()
async def show(office: Office, spool_id: str, as_json: bool) -> None:
    """Show one letter: envelope, deliveries with their last replies, findings and journal.

    Prints addresses in full. Exit code 1 when no such letter is known. The content itself is never shown.

    \b
    Examples:
      mssgw queue show 1M8Z7Q4X9TB20KEV
      mssgw queue show 1M8Z7Q4X9TB20KEV --json | jq .deliveries
    """
    letter = await letters.look_up(office, spool_id)
    if letter is None:
        raise no(f"queue show: no letter {spool_id} in the queue or the journal")
    now = office.clock.now()
    if as_json:
        paper.json_line(letters.letter_json(letter, now), full=True)
    else:
        letters.print_letter(letter, now)


@queue.command()
@click.argument("spool_ids", metavar="[ID]...", nargs=-1, type=queue_id)
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@at_the_office()
async def retry(office: Office, spool_ids: Sequence[str], everything: bool) -> None:
    """Try queued deliveries again now instead of when they are due.

    Where the next hop did not answer a moment ago it is spared: they wait for up to half a minute, very many of them
    for some minutes. Held letters stay held: see `release`. Exit code 1 when none of the letters named has a queued
    delivery.

    \b
    Examples:
      mssgw queue retry 1M8Z7Q4X9TB20KEV
      mssgw queue retry --all
    """
    if bool(spool_ids) == everything:
        raise click.UsageError("expected queue ids, or --all", click.get_current_context())
    made_due = await office.desk.retry(spool_ids, operator=operator(), now=office.clock.now())
    if made_due:
        click.echo(f"{letters.count(made_due, 'delivery is', 'deliveries are')} due now")
    elif await _queued(office, spool_ids or [None]):
        click.echo("all due already")
    elif everything:
        click.echo("nothing waits to be tried")
    else:
        raise no("queue retry: none of these letters has a queued delivery")


async def _queued(office: Office, spool_ids: Sequence[str | None]) -> bool:
    """Whether any of these letters (None: any at all) waits for nobody but the daemon."""
    for spool_id in spool_ids:
        if await office.desk.queue(limit=1, state=State.QUEUED.value, spool_id=spool_id):
            return True
    return False


@queue.command()
@click.argument("spool_ids", metavar="[ID]...", nargs=-1, type=queue_id)
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@at_the_office(limit=None)
async def hold(office: Office, spool_ids: Sequence[str], everything: bool) -> None:
    """Keep queued deliveries from being tried until `release`.

    What is being sent at this moment is left alone. --all is for a database given back from a backup, before the daemon
    starts: what comes later is not held. Exit code 1 when nothing could be held.

    \b
    Examples:
      mssgw queue hold 1M8Z7Q4X9TB20KEV
      mssgw queue hold --all
    """
    if bool(spool_ids) == everything:
        raise click.UsageError("expected queue ids, or --all", click.get_current_context())
    if everything:
        rows = await office.desk.queue(limit=_EVERYTHING, state=State.QUEUED.value)
        spool_ids = list(dict.fromkeys(row.delivery.spool_id for row in rows))
    held = 0
    for start in range(0, len(spool_ids), _AT_ONCE):  # letters get in between; and no statement takes so many
        some = spool_ids[start : start + _AT_ONCE]
        held += await office.desk.hold(some, operator=operator(), now=office.clock.now())
    if not held and everything:
        raise no("queue hold: nothing waits that nobody is sending")
    if not held:
        raise no("queue hold: none of these letters has a queued delivery that nobody is sending")
    click.echo(f"{letters.count(held, 'delivery', 'deliveries')} held")


@queue.command()
@click.argument("spool_id", metavar="ID", type=queue_id)
@at_the_office()
async def release(office: Office, spool_id: str) -> None:
    """Send a held letter on its way, if the rules admit it as things stand.

    Whatever held it, it is judged as if it had just arrived (SD-10, SD-12). One that the inspection held also moves its
    conversations and counts as receipt or notice now; one held by hand did so when it came. Our own notices are not
    judged. Exit code 1 when the letter is not held, cannot be read, or is refused, by an exchange closed or an
    opposition recorded meanwhile: it stays held. Then change what the rules look at (`conversation reopen`), or
    `queue bounce`: the sender is told. A letter whose documents nobody could judge stays held too
    (`documents-verified`); other faults of documents pass now, unless they are a danger: another patient's, or hidden.

    \b
    Example:
      mssgw queue release 1M8Z7Q4X9TB20KEV
    """
    for _ in range(LOOKS):
        effects = await _effects_now(office, spool_id)
        try:
            released = await _release(office, spool_id, effects)
            break
        except Conflict:
            continue  # a receipt was counted or an exchange closed just now: look again
    else:
        raise no(f"queue release: {spool_id} stays held, for what it depends on keeps changing; try again")
    click.echo(f"{letters.count(released, 'delivery', 'deliveries')} released")


async def _release(office: Office, spool_id: str, effects: "Effects") -> int:
    return await office.desk.release(
        spool_id,
        operator=operator(),
        now=office.clock.now(),
        moves=effects.moves,
        receipt=effects.receipt,
        notice=effects.notice,
        entries=effects.entries,
    )


async def _effects_now(office: Office, spool_id: str) -> "Effects":
    """What the release brings about. Raises Failure when the letter stays held, with the rule that refuses it."""
    try:
        judged = await office.judge(spool_id)
    except (Gone, Undecryptable) as error:
        how = "give its file back from a backup and release again; or tell its sender (`trace`), then `bounce --untold`"
        raise no(f"queue release: {spool_id} stays held, for it cannot be read ({error}): {how}") from None
    if judged is None:
        raise no(f"queue release: {spool_id} has no held delivery")
    match judged.verdict:
        case Admit():
            return judged.effects
        case Refuse(findings=findings, reply=reply):
            why = f"it is refused as things stand{_by(findings)}: {reply}"
            raise no(f"queue release: {spool_id} stays held, for {why}")
        case Hold(findings=findings):
            raise no(f"queue release: {spool_id} stays held, for the rules still hold it{_by(findings)}")


def _by(findings: Sequence[Finding]) -> str:
    worst = strictest(findings)
    return f" by {worst.rule} ({worst.requirement})" if worst else ""


@queue.command()
@click.argument("spool_id", metavar="ID", type=queue_id)
@click.option("--untold", is_flag=True, help="End a letter too that cannot be read any more: nobody can be told.")
@at_the_office()
async def bounce(office: Office, spool_id: str, *, untold: bool) -> None:
    """Give up on a letter: its open deliveries end, and its sender gets a failure notice.

    No notice goes to a null sender. Exit code 1 when the letter is unknown or has nothing open.

    \b
    Example:
      mssgw queue bounce 1M8Z7Q4X9TB20KEV
    """
    try:
        bounced = await office.bounce(spool_id, operator=operator(), untold=untold)
    except Undecryptable:
        raise no(
            f"queue bounce: {spool_id} is held, and cannot be read: tell its sender yourself (`mssgw trace {spool_id}` "
            "names him), for no notice can; --untold ends it"
        ) from None
    if not bounced:
        raise no(f"queue bounce: {spool_id} has no open delivery")
    click.echo(f"{letters.count(bounced, 'delivery', 'deliveries')} bounced")

"""``mssgw trust diff``: what a new white list changes, and whom of those that we write with it cuts off."""

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, no
from mssgw.app.cli.opening import at_the_office, json_option
from mssgw.app.office import Office
from mssgw.core.correspondents import Because, Loss, correspondents, losses
from mssgw.core.list_change import Change
from mssgw.core.names import Name
from mssgw.core.trust import WhiteList

if TYPE_CHECKING:
    from mssgw.app.trust_desk import Compared

DAYS = 30
_WHY = {
    Because.UNLISTED: "not in it: nothing moves, both ways",
    Because.REPLACED: "listed for other operators only: nothing moves until they serve it",
    Because.SENDER: "whoever sends in its name is listed for it no more",
}


@click.command(short_help="Say what a new list changes, and whom it cuts off.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@at_the_office(keyless=True)
async def diff(office: Office, file: Path | None, as_json: bool) -> None:
    """Say what a new white list adds and removes, and whom it cuts off.

    Of a file, or without one of the list that is published now. Names each domain with whom we exchanged mail in the
    last 30 days, in either direction, that would lose some of it. Keeps nothing. Exit code 1: it would be refused.

    \b
    Examples:
      mssgw trust diff
      mssgw trust diff listeblanchemssante.xml --json | jq -r '.losing[].domain'
    """
    desk = await office.trust()
    compared = await desk.compare(file)
    if compared.new is None:
        if as_json:
            paper.json_line({"taken": False, "refused": compared.refused})
        raise no(f"trust diff: it would be refused: {compared.refused}")
    known = correspondents(await office.desk.traffic(since=desk.since(DAYS)), desk.ours)
    losing = losses(known, compared.old, compared.new)
    gone = sorted(compared.changed.removed & desk.own_domains) if compared.changed else []
    own = sorted({*gone, *desk.refused_by_others(compared.new)})
    if as_json:
        paper.json_line(_json(compared, compared.new, losing) | {"own_removed": gone, "own_refused": own})
    else:
        _print(compared, compared.new, losing, len(known), own, len(desk.own_domains))
    if compared.refused:
        raise click.exceptions.Exit(Code.NO)


def _print(
    compared: "Compared", new: WhiteList, losing: Collection[Loss], known: int, own: Collection[str], ours: int
) -> None:
    old, changed = compared.old, compared.changed
    before = (len(old.operators), len(old.domains), old.entries, paper.when(old.generated_at)) if old else ("-",) * 4
    after = len(new.operators), len(new.domains), new.entries, paper.when(new.generated_at)
    names = ("domains", "operators", "entries", "generated")
    paper.facts(
        [
            ("fingerprint", new.fingerprint),
            *((name, f"{now} (ours: {then})") for name, now, then in zip(names, after, before, strict=True)),
            ("unreadable", new.unreadable or ""),
        ]
    )
    rows = list(_rows(new, old, changed)) if changed is not None and old is not None else []
    if rows:
        click.echo("")
        paper.table(("change", "domain", "operators"), rows)
    click.echo(f"\nCorrespondents of the last {DAYS} days who would lose mail: {len(losing)} of {known}")
    if losing:
        paper.table(
            ("domain", "received", "sent", "last", "why"),
            [(*_counts(loss), paper.when(_last(loss)), _why(loss)) for loss in losing],
            right=("received", "sent"),
        )
    click.echo(f"\nDomains of our own that would lose mail: {len(own)} of {ours}")
    for each in own:
        paper.sentence(f"warning: {each} is our own: other operators would refuse its letters")
    click.echo("")
    paper.sentence(f"Verdict: it would be {f'refused: {compared.refused}' if compared.refused else 'taken'}")
    if compared.refused.startswith("shrunk"):
        _advise(compared, new)


def _advise(compared: "Compared", new: WhiteList) -> None:
    """How to take it by hand: never a command to paste for a list that may not be the published one."""
    if compared.published:
        click.echo(f"If that is meant: mssgw trust refresh --accept {new.fingerprint}")
        return
    paper.sentence(
        "This file is not known to be the published list, and only that can be accepted: `mssgw trust diff` without a "
        "file tells what is published now, and how to accept it."
    )


def _rows(new: WhiteList, old: WhiteList, changed: Change) -> Iterator[tuple[str, str, str]]:
    for domain in sorted(changed.added):
        yield "added", domain, _joined(new.operators[domain])
    for domain in sorted(changed.removed):
        yield "removed", domain, _joined(old.operators[domain])
    for domain, (gained, lost) in sorted(changed.rebound.items()):
        for word, names in (("gains", gained), ("loses", lost)):
            if names:
                yield word, domain, _joined(names)


def _joined(names: Collection[Name]) -> str:
    return "; ".join(_texts(names))


def _texts(names: Collection[Name]) -> list[str]:
    return sorted(each.text for each in names)


def _counts(loss: Loss) -> tuple[str, int, int]:
    return loss.correspondent.domain, loss.correspondent.received, loss.correspondent.sent


def _last(loss: Loss) -> datetime | None:
    one = loss.correspondent
    return max((at for at in (one.received_at, one.delivered_at) if at is not None), default=None)


def _why(loss: Loss) -> str:
    who = f" ({', '.join(sorted(loss.clients))})" if loss.clients else ""
    return _WHY[loss.because] + who


def _json(compared: "Compared", new: WhiteList, losing: Collection[Loss]) -> dict[str, Any]:
    changed = compared.changed
    about: dict[str, Any] = {}
    if changed is not None:
        about = {
            "added": changed.added,
            "removed": changed.removed,
            "rebound": {
                domain: {"gains": _texts(gained), "loses": _texts(lost)}
                for domain, (gained, lost) in sorted(changed.rebound.items())
            },
            "operators_added": _texts(changed.operators_added),
            "operators_removed": _texts(changed.operators_removed),
        }
    return {
        "taken": not compared.refused,
        "refused": compared.refused,
        "published": compared.published,
        "fingerprint": new.fingerprint,
        "generated_at": new.generated_at,
        "entries": new.entries,
        "domains": len(new.operators),
        "operators": len(new.domains),
        **about,
        "losing": [
            {
                **dict(zip(("domain", "received", "sent"), _counts(loss), strict=True)),
                "last": _last(loss),
                "because": loss.because,
                "clients": loss.clients,
            }
            for loss in losing
        ],
    }

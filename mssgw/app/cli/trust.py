"""``mssgw trust``: the white list, the revocation lists, our certificates, and whom we trust by them."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mssgw.app.cli import paper
from mssgw.app.cli.exits import Code, Failure, no
from mssgw.app.cli.letters import count
from mssgw.app.cli.opening import at_the_office, at_the_trust, json_option
from mssgw.app.cli.people import operator
from mssgw.app.cli.trust_diff import diff
from mssgw.app.cli.trust_peer import peer
from mssgw.app.office import Office
from mssgw.core.addresses import domain_key
from mssgw.core.correspondents import Correspondent, correspondents

if TYPE_CHECKING:
    from mssgw.app.trust_desk import TrustDesk
    from mssgw.app.trust_status import TrustStatus
    from mssgw.flow.white_list import Asked

DAYS = 30  # of journal that are looked through


@click.group()
def trust() -> None:
    """The trust space: status, refresh, domain, diff, peer."""


trust.add_command(diff)
trust.add_command(peer)


@trust.command(short_help="Say how old lists are, and when certificates end.")
@json_option
@at_the_trust(keyless=True)
async def status(desk: "TrustDesk", as_json: bool) -> None:
    """Say how old white list and revocation lists are, and when certificates end.

    Reads what the daemon keeps, and works without one. Each error stops mail, each warning soon will. Exit code 1:
    there are errors.

    \b
    Examples:
      mssgw trust status
      mssgw trust status --json | jq -r '.errors[]'
    """
    found = await desk.status()
    if as_json:
        paper.json_line(paper.plain(found, full=True))
    else:
        _print_status(found)
    if found.errors:
        raise click.exceptions.Exit(Code.NO)


def _print_status(found: "TrustStatus") -> None:
    listed = found.white_list
    paper.facts(
        [
            ("white list", ("usable" if listed.usable else "too old") if listed else "none"),
            *(
                [
                    ("verified", f"{paper.when(listed.verified_at)} ({paper.span(listed.age)} ago)"),
                    ("generated", paper.when(listed.generated_at)),
                    ("entries", _entries(listed.entries, listed.unreadable)),
                    ("domains", listed.domains),
                    ("operators", listed.operators),
                    ("fingerprint", listed.fingerprint),
                ]
                if listed
                else []
            ),
            ("signed by", found.signer or "nobody, as configured"),
            ("source", found.source),
            ("asked", paper.when(found.asked_at)),
        ]
    )
    click.echo("\nRevocation lists")
    paper.table(
        ("number", "entries", "updated", "next update", "asked", "issuer", "source"),
        [
            (
                "-" if each.number is None else each.number,
                each.entries,
                paper.when(each.this_update),
                paper.when(each.next_update),
                paper.when(each.fetched_at),
                each.issuer,
                each.source or "-",
            )
            for each in found.crls
        ],
        right=("number", "entries"),
    )
    click.echo("\nCertificates")
    paper.table(
        ("certificate", "days left", "ends", "subject", "file"),
        [
            (each.what, max(0, each.left.days), paper.when(each.not_after), each.subject, each.file)
            for each in found.certificates
        ],
        right=("days left",),
    )
    for severity, texts in (("error", found.errors), ("warning", found.warnings)):
        for number, text in enumerate(texts):
            if not number:
                click.echo("")
            paper.sentence(f"{severity}: {text}")


def _entries(entries: int, unreadable: int) -> str:
    return f"{entries} ({unreadable} of them unreadable)" if unreadable else str(entries)


def _fingerprint(_: click.Context, __: click.Parameter, text: str | None) -> str:
    wanted = (text or "").strip().lower()
    if text is not None and not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise click.BadParameter("expected a fingerprint: 64 hexadecimal digits, as the refusal named it")
    return wanted


@trust.command(short_help="Ask for the published white list now.")
@click.option(
    "--accept",
    "accepted",
    metavar="FINGERPRINT",
    callback=_fingerprint,
    help="Take this list although more than a fifth of it is gone.",
)
@json_option
@at_the_office(limit=None, founds=True)
async def refresh(office: Office, accepted: str, as_json: bool) -> None:
    """Ask for the published white list now, judge it, and keep it.

    A running daemon goes by it within seconds. Without one, the revocation lists are asked for too. Refused are lists
    that are unreadable, unsigned, older than ours, or without a fifth of its domains or operators; of the last kind
    --accept takes the one that it names, after `mssgw trust diff` told whom it cuts off. That is journalled: see
    `mssgw trace white-list`. Exit code 1: refused, 69: it could not be fetched.

    \b
    Examples:
      mssgw trust refresh
      mssgw trust refresh --accept 5f0c…64 digits…9a
    """
    desk = await office.trust()
    if accepted:
        await desk.journal(office.store, operator(), f"accept {accepted}")
    try:
        asked, revocation = await desk.refresh(accepted=accepted)
    except TimeoutError:
        raise Failure(Code.UNAVAILABLE, "trust refresh: somebody else asks for it, and does not end") from None
    for each in desk.about_crls():
        click.echo(f"warning: {paper.printable(each)}", err=True)
    ended = asked.end.value in ("taken", "unchanged")
    if accepted and not ended:
        await desk.journal(office.store, operator(), f"accept {accepted}: {asked.end}")
    if as_json:
        said = {"end": asked.end, "detail": asked.detail, "fingerprint": asked.fingerprint, "revocation": revocation}
        paper.json_line(said)
    if not ended:
        raise _refused(asked)
    if not as_json:
        click.echo(f"white list {asked.end}: {asked.fingerprint}")


def _refused(asked: "Asked") -> Failure:
    if asked.end.value == "unreachable":
        return Failure(Code.UNAVAILABLE, f"trust refresh: the list could not be fetched: {asked.detail}")
    hint = ""
    if asked.detail.startswith("shrunk"):
        hint = f"; if that is meant, `mssgw trust refresh --accept {asked.fingerprint}`"
    return no(f"trust refresh: the published list is refused, ours stays: {asked.detail}{hint}")


@trust.command(short_help="Say whether a domain is listed, and for whom.")
@click.argument("name", metavar="NAME")
@click.option("--days", type=click.IntRange(1, 366), default=DAYS, show_default=True, help="How far back to look.")
@json_option
@at_the_office(keyless=True)
async def domain(office: Office, name: str, days: int, as_json: bool) -> None:
    """Say whether a domain is listed, for which DNs, and when mail was last exchanged with it.

    In any case, and with accents. Exit code 1: it is not in the list, or there is no list that may be gone by.

    \b
    Examples:
      mssgw trust domain chu-exemple.mssante.fr
      mssgw trust domain CHU-Exemple.mssante.fr --days 90 --json
    """
    desk, key = await office.trust(), domain_key(name.strip())
    white_list = desk.white_list
    may = white_list.operators.get(key, frozenset()) if white_list else frozenset()
    operators = sorted(each.text for each in may)
    known = correspondents(await office.desk.traffic(since=desk.since(days)), desk.ours).get(key)
    if as_json:
        _json_domain(key, operators, known, usable=desk.usable, ours=desk.ours(key))
    else:
        _print_domain(key, operators, known, days, usable=desk.usable, ours=desk.ours(key))
    if not operators or not desk.usable:
        raise click.exceptions.Exit(Code.NO)


def _print_domain(
    key: str, operators: Sequence[str], known: Correspondent | None, days: int, *, usable: bool, ours: bool
) -> None:
    known = known or Correspondent(domain=key)
    within = f"in {count(days, 'day', 'days')}"
    paper.facts(
        [
            ("domain", key + (" (one of our own)" if ours else "")),
            (
                "listed",
                ("yes" if operators else "no") + ("" if usable else " (but there is no list that is not too old)"),
            ),
            *(("operator", each) for each in operators),
            ("received", _last(known.received_at, known.via, "from", within)),
            ("delivered", _last(known.delivered_at, known.next_hop, "to", within)),
            ("letters", f"{known.received} from it, {known.sent} for it {within}"),
        ]
    )


def _last(at: object, who: str, word: str, within: str) -> str:
    return " ".join(filter(None, (paper.when(at), word if who else "", who))) if at else f"nothing {within}"  # type: ignore[arg-type]


def _json_domain(key: str, operators: Sequence[str], known: Correspondent | None, *, usable: bool, ours: bool) -> None:
    known = known or Correspondent(domain=key)
    paper.json_line(
        {
            "domain": key,
            "ours": ours,
            "listed": bool(operators),
            "list_usable": usable,
            "operators": operators,
            "received": known.received,
            "received_at": known.received_at,
            "received_from": known.via,
            "sent": known.sent,
            "delivered_at": known.delivered_at,
            "delivered_to": known.next_hop,
        }
    )

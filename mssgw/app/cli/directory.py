"""``mssgw directory``: which mailboxes are pharmacies', by the national extraction and by hand (WHO-3, §11)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from mssgw.app.cli import paper
from mssgw.app.cli.directory_import import import_
from mssgw.app.cli.exits import Code, given_as, no
from mssgw.app.cli.letters import tell_listed
from mssgw.app.cli.opening import at_the_office, json_option
from mssgw.app.cli.people import operator, professional
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, BalKind
from mssgw.core.directory import Listing, Overview, Word, judged
from mssgw.core.errors import MalformedAddress

KINDS = [each.value for each in BalKind if each is not BalKind.UNKNOWN]
ADDRESS = click.argument("address_text", metavar="ADDRESS")


@click.group()
def directory() -> None:
    """The directory of mailboxes: import, status, find, set, unset.

    It says which mailboxes are pharmacies', which patients may write to first. First decides [[mailbox]] in the
    configuration, then what `directory set` said, then the imported extraction if [directory] is configured.
    """


directory.add_command(import_)


@directory.command(short_help="Say what is loaded, and how old it is.")
@json_option
@at_the_office(keyless=True)
async def status(office: Office, as_json: bool) -> None:
    """Say what is loaded, how old it is, and how many mailboxes there are of each kind.

    Exit code 1: [directory] is configured, and nothing is loaded or it is too old: patients' first letters wait.

    \b
    Examples:
      mssgw directory status
      mssgw directory status --json | jq .age
    """
    found, now, most = await office.directory.overview(), datetime.now(UTC), office.settings.directory_max_age
    state = _state(found, most, now)
    if as_json:
        paper.json_line(_status_json(found, most, state, now))
    else:
        _print_status(found, most, state, now)
    if state in ("missing", "too old"):
        raise click.exceptions.Exit(Code.NO)


def _state(found: Overview, most: timedelta | None, now: datetime) -> str:
    if most is None:
        return "not gone by: no [directory] in the configuration"
    if found.edition is None:
        return "missing"
    return "too old" if found.edition.age(now) > most else "in force"


def _status_json(found: Overview, most: timedelta | None, state: str, now: datetime) -> dict[str, Any]:
    edition = found.edition
    return {
        "state": state.partition(":")[0],
        "age": edition.age(now) if edition else None,
        "max_age": most,
        "edition": edition,
        "kinds": {kind.value: number for kind, number in found.kinds},
        "set_by_hand": found.by_hand,
        "leftover": found.leftover,
    }


def _print_status(found: Overview, most: timedelta | None, state: str, now: datetime) -> None:
    edition = found.edition
    loaded: list[tuple[str, object]] = []
    if edition is not None:
        limit = f", usable for {paper.span(most)}" if most is not None else ""
        loaded = [
            ("made", f"{paper.when(edition.made_at)} ({paper.span(edition.age(now))} ago{limit})"),
            ("imported", paper.when(edition.imported_at)),
            ("source", edition.source),
            ("fingerprint", edition.fingerprint),
            ("mailboxes", edition.mailboxes),
            *((f"  {kind}", number) for kind, number in found.kinds),
            ("pharmacies", f"{edition.pharmacies} mailboxes, by {edition.structures} known structures"),
        ]
    left = f"{found.leftover} rows of other imports, erased by the next" if found.leftover else ""
    paper.facts([("directory", state), *loaded, ("set by hand", found.by_hand), ("left over", left)])


@directory.command()
@click.argument("text", metavar="ADDRESS|TEXT")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many lines.")
@json_option
@at_the_office(keyless=True)
async def find(office: Office, text: str, limit: int, as_json: bool) -> None:
    """Say what is known of a mailbox, or list those that hold a text.

    In their address, structure (FINESS, SIRET), name or place. Of one address it also says whether patients may write
    to it first. Exit code 1: nothing is known of it, nor is it in [[mailbox]], which is no reason to refuse its mail.

    \b
    Examples:
      mssgw directory find officine@pharmacie-exemple.mssante.fr
      mssgw directory find "pharmacie du port"
      mssgw directory find 750000001 --json
    """
    mailbox = _address(text, office)
    configured = office.settings.mailboxes.get(mailbox.key) if mailbox is not None else None
    if mailbox is None:
        found = await office.directory.find(text.strip(), limit=limit)
    else:
        found = await office.directory.look_up(mailbox)
    _print_found(found, as_json=as_json)
    if mailbox is not None and configured is not None and not found and as_json:
        alone = Listing(mailbox=mailbox.key, kind=configured.kind, pharmacy=configured.pharmacy)
        paper.json_line(_as_json(alone) | {"said_by": "configuration"})
    if mailbox is not None:
        await _print_answer(office, mailbox, found, as_json=as_json)
    else:
        tell_listed(len(found), limit, "mailbox", "mailboxes", as_json=as_json)
    if not found and configured is None:
        what = "no mailbox holds that" if mailbox is None else "nothing is known of this mailbox"
        raise no(f"directory find: {what}")


def _address(text: str, office: Office) -> Address | None:
    """The mailbox that is meant; None for a part of one."""
    try:
        return professional(text.strip(), office.space) if "@" in text else None
    except MalformedAddress:
        return None


def _print_found(found: Sequence[Listing], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            paper.json_line(_as_json(each))
    elif found:
        paper.table(
            ("mailbox", "kind", "pharmacy", "said by", "structure", "name", "place"),
            [
                (
                    each.mailbox,
                    each.kind,
                    "yes" if each.pharmacy else "-",
                    _said_by(each),
                    each.structure or "-",
                    each.name or "-",
                    each.place or "-",
                )
                for each in found
            ],
        )


def _as_json(listing: Listing) -> dict[str, Any]:
    return {
        "mailbox": listing.mailbox,
        "kind": listing.kind,
        "pharmacy": listing.pharmacy,
        "said_by": _said_by(listing),
        "structure": listing.structure,
        "name": listing.name,
        "place": listing.place,
    }


def _said_by(listing: Listing) -> str:
    return "set" if listing.by_hand else "import"


async def _print_answer(office: Office, mailbox: Address, found: Sequence[Listing], *, as_json: bool) -> None:
    """Whether a patient may write to it first, as it would be decided now."""
    if as_json:
        return
    settings, edition = office.settings, await office.directory.edition()
    if (configured := settings.mailboxes.get(mailbox.key)) is not None:
        answer, why = ("yes" if configured.takes_first_letters else "no"), "[[mailbox]] in the configuration"
    else:
        word = Word(listing=found[0] if found else None, made_at=edition.made_at if edition else None)
        bal, unusable = judged(word, settings.directory_max_age, datetime.now(UTC))
        answer = "not to be known" if unusable else "yes" if bal.takes_first_letters else "no"
        why = _why(word, unusable=unusable, gone_by=settings.directory_max_age is not None)
    click.echo(f"patients may write first: {answer} ({why})")


def _why(word: Word, *, unusable: bool, gone_by: bool) -> str:
    if word.listing is not None and word.listing.by_hand:
        return "set by hand"
    if not gone_by:
        return "no [directory] in the configuration"
    if unusable:
        return "the directory is missing or too old: their letters wait"
    return "the imported directory"


@directory.command("set", short_help="Say what a mailbox is, whatever the import says.")
@ADDRESS
@click.option(
    "--kind", type=click.Choice(KINDS), required=True, help="ORG: a service's or a pharmacy's; PER: a person's…"
)
@click.option("--pharmacy/--no-pharmacy", default=False, help="Whether it is a pharmacy's: ORG only.  [no]")
@at_the_office(founds=True)
async def set_(office: Office, address_text: str, kind: str, *, pharmacy: bool) -> None:
    """Say what a mailbox is, whatever the import says: whether patients may write to it first.

    In force at once, with or without [directory]; journalled with your name: see `mssgw trace directory`.

    \b
    Examples:
      mssgw directory set officine@pharmacie-exemple.mssante.fr --kind ORG --pharmacy
      mssgw directory set accueil@ehpad-exemple.mssante.fr --kind ORG --no-pharmacy
    """
    if pharmacy and kind != BalKind.ORG:  # req: WHO-3
        raise click.UsageError("patients write first to a pharmacy's ORG mailbox only: --pharmacy goes with --kind ORG")
    with given_as("ADDRESS"):
        mailbox = professional(address_text, office.space)
    bal, now = Bal(kind=BalKind(kind), pharmacy=pharmacy), datetime.now(UTC)
    changed = await office.directory.put(mailbox, bal, operator=operator(), now=now)
    what = f"{kind}, {'a' if pharmacy else 'not a'} pharmacy's"
    click.echo(f"mailbox set: {what}" if changed else f"it was set so already: {what}")
    if mailbox.key in office.settings.mailboxes:
        click.echo("warning: [[mailbox]] in the configuration names it too, and decides first", err=True)


@directory.command()
@ADDRESS
@at_the_office()
async def unset(office: Office, address_text: str) -> None:
    """Take back what `directory set` said of a mailbox. Exit code 1: nothing was set.

    \b
    Example:
      mssgw directory unset officine@pharmacie-exemple.mssante.fr
    """
    with given_as("ADDRESS"):
        mailbox = professional(address_text, office.space)
    if not await office.directory.withdraw(mailbox, operator=operator(), now=datetime.now(UTC)):
        raise no("directory unset: nothing was set of this mailbox")
    click.echo("mailbox unset")

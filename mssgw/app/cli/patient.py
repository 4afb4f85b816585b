"""``mssgw patient``: the registry of the patients whose mailboxes we keep ([patient_space])."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from mssgw.app.cli import paper, patient_import
from mssgw.app.cli.exits import Failure, given_as, no
from mssgw.app.cli.letters import tell_listed
from mssgw.app.cli.opening import addresses_option, at_the_office, json_option
from mssgw.app.cli.people import matricule, operator, ordinary, shown, unseen
from mssgw.app.office import Office
from mssgw.core.addresses import Address
from mssgw.core.ins import Matricule
from mssgw.core.journal import Entry, JournalEvent
from mssgw.core.patients import HOUSEHOLD, IllegalWishes, Patient, PatientState, Wish

# Eager: of several lines on standard input his is the first, wherever the options stand.
MATRICULE = click.argument("text", metavar="MATRICULE", callback=unseen, is_eager=True)
STATE = click.Choice([each.value for each in PatientState])
EMAIL = click.option(
    "--email", metavar="ADDRESS", callback=unseen, help="An ordinary address, to be told that something waits."
)


@click.group()
def patient() -> None:
    """Patients whose mailboxes we keep: add, list, set, password, import.

    MATRICULE is a matricule INS, or the address that it makes, or "-": it, and after it an --email that is "-", is
    then a line of standard input, which keeps it out of `ps`, the shell's history and sudo's log. A profile is
    created, active, opposed or closed: letters reach the first two; who writes to the others, or to somebody who is
    not registered, gets Mon espace santé's notice. Only active ones log in and write. Every change is journalled with
    your name: `mssgw trace`.
    """


@patient.command()
@MATRICULE
@click.option("--state", type=STATE, default=PatientState.CREATED.value, show_default=True, help="Of the profile.")
@EMAIL
@at_the_office(founds=True)
async def add(office: Office, text: str, state: str, email: str | None) -> None:
    """Register a patient. Exit code 1 when he is registered already.

    \b
    Examples:
      mssgw patient add 279035121518989
      mssgw patient add 279035121518989 --state active --email patiente@fai.example
    """
    _warn_without_a_space(office)
    who = _meant(text, office)
    if await office.patients.find(who) is not None:
        raise no("patient add: registered already; see `mssgw patient set`")
    wish = Wish(matricule=who, state=PatientState(state), email=_email(email, office))
    await office.patients.put([wish], _line(office, who, f"added {state}"))
    click.echo(f"patient added, {state}")


@patient.command("set", short_help="Change a patient's profile or ordinary address.")
@MATRICULE
@click.option("--state", type=STATE, help="How the profile is from now on.")
@EMAIL
@click.option("--no-email", is_flag=True, help="Take the ordinary address away: nobody is told.")
@at_the_office()
async def set_(office: Office, text: str, state: str | None, email: str | None, no_email: bool) -> None:
    """Change a patient's profile or ordinary address. Exit code 1: he is not registered, or his profile does not go
    that way.

    A created profile may become anything; an active one only closed: who has activated his does not oppose it any
    more; an opposed or a closed one created or active.

    \b
    Examples:
      mssgw patient set 279035121518989 --state active
      mssgw patient set 279035121518989 --email patiente@fai.example
      mssgw patient set 279035121518989 --state closed --no-email
    """
    if state is None and email is None and not no_email:
        raise click.UsageError("expected --state, --email or --no-email", click.get_current_context())
    if email is not None and no_email:
        raise click.UsageError("--email or --no-email, not both", click.get_current_context())
    who = await _registered(office, text, "set")
    wish = Wish(
        matricule=who,
        state=PatientState(state) if state else None,
        email=_email(email, office),
        keeps_email=email is None and not no_email,
    )
    told = [state or "", "email set" if email else "", "email taken away" if no_email else ""]
    detail = ", ".join(filter(None, told))
    try:
        tally = await office.patients.put([wish], _line(office, who, detail))
    except IllegalWishes as error:
        why = f"{error.wrong[0]}: a profile does not go that way"
        raise no(f"patient set: {why}; see `mssgw patient set --help`") from None
    click.echo(f"patient: {detail}" if tally.changed else "patient: as it was already")


@patient.command("list", short_help="List patients, latest change of state first.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many lines.")
@click.option("--state", type=STATE, help="Only this state.")
@click.option(
    "--patient", "text", metavar="MATRICULE", callback=unseen, help="Only this one; exit code 1 when there is none."
)
@addresses_option
@json_option
@at_the_office()
async def list_(office: Office, limit: int, state: str | None, text: str | None, full: bool, as_json: bool) -> None:
    """List patients, latest change of state first. Who they are, and their addresses, is hidden without --addresses.

    \b
    Examples:
      mssgw patient list --state opposed
      mssgw patient list --patient 279035121518989
      mssgw patient list --json --limit 1000000 | jq -r .state | sort | uniq -c
    """
    _warn_without_a_space(office)
    found: Sequence[Patient]
    if text is not None:
        one = await office.patients.find(_meant(text, office, "--patient"))
        found = [one] if one is not None and state in (None, one.state.value) else []
    else:
        found = await office.patients.listed(limit=limit, state=PatientState(state) if state else None)
    if as_json:
        for each in found:
            paper.json_line(_as_json(each, office, full=full), full=full)
    else:
        _print(found, office, full=full)
    tell_listed(len(found), limit if text is None else None, "patient", "patients", as_json=as_json)
    if text is not None and not found:
        raise no("patient list: not registered, or not in that state")


@patient.command(short_help="Give a patient a password to log in with.")
@MATRICULE
@at_the_office(limit=None)
async def password(office: Office, text: str) -> None:
    """Give a patient a password to log in with; his sessions with the one before end with their next letter.

    Asks twice without showing it; from a pipe, reads one line. Only its Argon2id hash is kept, sealed.

    \b
    Examples:
      mssgw patient password 279035121518989
      pwgen -s 20 1 | tee /dev/tty | mssgw patient password 279035121518989
    """
    from mssgw.app.cli.password import secret
    from mssgw.edges.passwords import hash_password  # argon2 is not for --help

    who = await _registered(office, text, "password")
    hashed = hash_password(secret())
    if not await office.patients.set_password(who, hashed, _line(office, who, "password")):
        raise _unknown("password")
    click.echo("password set")


@patient.command("import", short_help="Register or change many patients, from a CSV file.")
@click.argument("file", type=click.File("rb"))  # opened before the command goes on as the gateway's user
@json_option
@at_the_office(limit=None, founds=True)
async def import_(office: Office, file: Any, as_json: bool) -> None:
    """Register or change many patients: a CSV file with the header matricule,state,email ("-": standard input).

    matricule: bare, or as an address. state: created, active, opposed or closed. email: an ordinary address, or
    nothing: then an address that is known is taken away. All lines are checked before the first is written, and all
    are written in one commit: errors name lines, never values, and then nothing is imported (exit code 65). Running
    it again changes nothing. Passwords are not imported.

    \b
    Example:
      matricule,state,email
      279035121518989,active,patiente@fai.example
      146026322000196,opposed,
    \b
      mssgw patient import patients.csv
    """
    _warn_without_a_space(office)
    await patient_import.run(office, file, as_json=as_json)


def _meant(text: str, office: Office, named: str = "MATRICULE") -> Matricule:
    """The matricule in the argument or option ``named``. Raises Failure."""
    with given_as(named):
        return matricule(text, office.space)


def _email(text: str | None, office: Office) -> Address | None:
    """The ordinary address in ``--email``. Raises Failure."""
    with given_as("--email"):
        return ordinary(text, office.space) if text else None


async def _registered(office: Office, text: str, command: str) -> Matricule:
    """The matricule of somebody who is registered. Raises Failure."""
    _warn_without_a_space(office)
    who = _meant(text, office)
    if await office.patients.find(who) is None:
        raise _unknown(command)
    return who


def _unknown(command: str) -> Failure:
    return no(f"patient {command}: not registered; see `mssgw patient add`")


def _line(office: Office, who: Matricule, detail: str) -> Entry:
    now = datetime.now(UTC)
    mailbox = Patient(matricule=who, since=now).address(office.space.domain)
    return Entry(at=now, event=JournalEvent.PATIENT, recipient=mailbox, operator=operator(), detail=detail)


def _warn_without_a_space(office: Office) -> None:
    if office.settings.owners.get(office.space.domain) != HOUSEHOLD:
        message = "warning: there is no [patient_space] in the configuration: nothing reads this registry"
        click.echo(message, err=True)


def _as_json(each: Patient, office: Office, *, full: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "patient": each.address(office.space.domain),
        "state": each.state.value,
        "since": each.since,
        "notified": each.email is not None,
        "password": each.has_password,
    }
    if full:
        told["email"] = each.email.text if each.email is not None else None
    return told


def _print(found: Sequence[Patient], office: Office, *, full: bool) -> None:
    def where(each: Patient) -> str:
        if each.email is None:
            return "-"
        return each.email.text if full else "yes"

    rows = [
        (
            shown(each.address(office.space.domain), full=full),
            each.state.value,
            paper.when(each.since),
            where(each),
            "yes" if each.has_password else "-",
        )
        for each in found
    ]
    paper.table(("patient", "state", "since", "notified", "password"), rows)

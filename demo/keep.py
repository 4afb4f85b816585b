"""`make run`: the set-up of the demo stays up, and says how to write to it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from demo import people
from demo.gateway import DidNotStart
from demo.mail_store import HOST, PASSWORD
from demo.stage import Stage, stage
from demo.standin import Received, Standin
from demo.timeline import Timeline


async def keep(home: Path, timeline: Timeline, store: str | None) -> None:
    """Run until cancelled. Raises DidNotStart, also when the gateway ends by itself."""

    def tell(standin: Standin, letter: Received) -> None:
        to = ", ".join(f"<{address}>" for address in letter.recipients)
        text = f"from <{letter.sender}> to {to}, {len(letter.content)} octets, {letter.message_id}"
        timeline.note(f"{datetime.now():%H:%M:%S} {standin.name} received a letter {text}")

    with _alone(home):
        async with stage(home, tell, store=store) as here:
            timeline.note(manual(here, home))
            await here.gateway.ended()
            raise DidNotStart(f"it has ended by itself\n{here.gateway.last_lines()}")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """A second one would write its configuration over that of the first."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DidNotStart(f"another one runs in {home} already") from None
        yield


def manual(here: Stage, home: Path) -> str:
    """What to type in another terminal."""
    config = _short(here.gateway.config)
    doctor, patient = people.DOCTOR, people.PATIENT
    hospital = f"swaks --server 127.0.0.1:{here.establishments} --local-interface {here.hospital.ip}"
    shown = f"--tls --tls-cert {_short(here.space.folder)}/{{0}}.pem --tls-key {_short(here.space.folder)}/{{0}}.key"
    outside = f"swaks --server 127.0.0.1:{here.trust_space}"
    mes = f"{outside} {shown.format(people.MES_HOST)}"
    stranger = f"{outside} {shown.format(people.STRANGER_HOST)}"
    listening = "\n".join(f"  {each.name:<16} {each.ip}:{each.port}" for each in here.standins)
    return f"""\
The gateway runs. Establishments knock at 127.0.0.1:{here.establishments}, operators of the trust space at \
127.0.0.1:{here.trust_space};
it knows the former by the address they come from, the latter by their certificates, so these are part of each command.
Mail arrives at
{listening}
and for <{people.PHARMACY}> and <{people.PROGRAM}> in mailboxes of a private {here.store.name}.

Try, in another terminal (swaks is a Debian package):

  # a doctor writes to a patient: 250, and it arrives below
  {hospital} --from {doctor} --to {patient} --h-Subject 'Compte rendu'

  # the patient answers: 250 now, 550 5.7.1 had no doctor written first
  {mes} --from {patient} --to {doctor} --h-Subject 'Re: Compte rendu'

  # the doctor closes the exchange; after this the patient's answer is 550 5.7.1
  {hospital} --from {doctor} --to {patient} --h-Subject '[FIN]'

  # refused: the key of that INS is wrong (553 5.1.3)
  {hospital} --from {doctor} --to {people.WRONG_KEY}

  # a patient writes first to a pharmacy: 250; to another doctor: 550 5.7.1
  {mes} --from {people.CUSTOMER} --to {people.PHARMACY} --h-Subject 'Ordonnance'
  {mes} --from {people.CUSTOMER} --to {people.OTHER_DOCTOR}

  # an operator whose certificate is not in the white list: 554 5.7.1, whatever it sends
  {stranger} --from {people.CUSTOMER} --to {people.PHARMACY}

  # what lies in the pharmacy's mailbox
  curl -s --ssl-reqd --cacert {here.store.anchors} --user '{people.PHARMACY}:{PASSWORD}' 'imap://{HOST}:{here.store.port}/INBOX;MAILINDEX=1'

Look, as an administrator:

  .venv/bin/mssgw queue list --config {config}
  .venv/bin/mssgw trace {patient} --config {config}
  .venv/bin/mssgw conversation list --config {config}
  curl -s http://127.0.0.1:{here.monitoring}/metrics
  tail -f {_short(here.gateway.log_file)}

State and configuration stay in {_short(home)}. Ctrl-C ends everything.
"""


def _short(path: Path) -> str:
    """From where we are, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

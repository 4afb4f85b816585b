"""Scenes in a patient space: a second gateway keeps the mailboxes of patients, and says when one opens his letter."""

import secrets
import time
from email import message_from_bytes
from email.policy import default as readable
from pathlib import Path
from string import Template

from demo import mail, people
from demo.acting import ARRIVAL, Acting
from demo.gateway import Gateway
from demo.mail_store import HOST, MASTER, MASTER_PASSWORD
from demo.ports import free_port
from demo.stage import keep

_CONFIG = Path(__file__).with_suffix(".toml")


async def patient_space(play: Acting) -> None:
    """The patient opens a doctor's letter in his mailbox: then, and not before, its receipt goes out (MDN-3)."""
    home = play.stage.gateway.config.with_name("patient-space")
    async with Gateway(home / "mssgw.toml") as gateway:
        port, monitoring = free_port(), free_port()
        _configure(play, gateway, port, monitoring)
        await gateway.start(port, monitoring=monitoring)
        what = "a second gateway, that keeps patients' mailboxes: he registers one"
        play.timeline.scene("Administrator", "Patient space", what)
        matricule = people.READER.partition("@")[0]
        code, output = await gateway.command("patient", "add", matricule, "--state", "active")
        play.timeline.show(f"mssgw patient add {matricule} --state active", output)
        play.timeline.check(code == 0 and "active" in output, "the patient has activated his profile", "active")
        await _letter(play, port)
        code = await gateway.stop()
        play.timeline.check(code == 0, f"it is asked to end: exit code {code}", "exit code 0")
        play.names_nobody(gateway)


async def _letter(play: Acting, port: int) -> None:
    letter, bal = mail.letter(people.READER), play.stage.reader
    what = "a doctor writes to that patient and asks for a read receipt"
    play.timeline.scene(play.hospital.name, bal.name, what, f"from <{letter.sender}> to <{letter.recipient}>")
    answer = await play.hospital.send(letter, port=port)
    if not play.accepted(answer):
        return
    await play.arrival(bal, letter)
    play.timeline.scene("Patient", bal.name, "opens it")
    began = time.monotonic()
    await bal.open_all()
    receipt = await play.hospital.such(lambda each: _tells_of(letter.message_id, each.content), 2 * ARRIVAL)
    told = f"the receipt is at {play.hospital.name} {time.monotonic() - began:.2f} s later"
    play.timeline.check(receipt is not None, told if receipt else "no receipt came", "once he opens it")
    if receipt is not None:
        play.expected_arrivals.add(receipt.message_id)
        text = " ".join(message_from_bytes(receipt.content, policy=readable).get_body(("plain",)).get_content().split())
        play.timeline.check("a bien été ouvert par votre destinataire" in text, text, "in Mon espace santé's words")


def _tells_of(message_id: str, content: bytes) -> bool:
    return f"Original-Message-ID: {message_id}".encode() in content


def _configure(play: Acting, gateway: Gateway, port: int, monitoring: int) -> None:
    home, store = gateway.config.parent, play.stage.store
    home.mkdir(mode=0o700, exist_ok=True)
    keep(home / "master.key", secrets.token_bytes(32))
    keep(home / "store.password", MASTER_PASSWORD.encode())
    text = Template(_CONFIG.read_text("utf-8")).substitute(
        mes=people.MES_HOST,
        trust_space=port,
        hospital=play.hospital.port,
        imap_host=HOST,
        imap=store.port,
        imap_anchors=store.anchors,
        master=MASTER,
        monitoring=monitoring,
    )
    gateway.config.write_text(text, "utf-8")

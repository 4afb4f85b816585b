"""A gateway that keeps the patients' mailboxes on Dovecot and on pymap, as an operator would configure it."""

import email
import itertools
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from email import policy
from typing import Any

import pytest
from click.testing import CliRunner

from mssgw.app.cli import main
from tests.corpus import SENDER
from tests.peers import dovecot
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, DovecotStore
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.mail_store import HOST, PASSWORD, MailStore
from tests.peers.pymap import PymapStore

DOMAIN = "patient.mssante.fr"
SUBJECT = "=?utf-8?q?R=C3=A9sultats?="
_BORN = itertools.count(1)


def number(*, year: str = "79") -> str:
    """A matricule of an invented person whom no other test knows."""
    thirteen = f"2{year}0351215{next(_BORN):03}"
    return f"{thirteen}{97 - int(thirteen) % 97:02}"


ADULTS, CHILDREN = [number() for _ in range(60)], [number(year="15") for _ in range(4)]
CORSICAN = "177012A12345670"
MAILBOXES = [f"{each.lower()}@{DOMAIN}" for each in (*ADULTS, *CHILDREN, CORSICAN)]


@pytest.fixture(scope="module")
def dovecot_store() -> Iterator[DovecotStore]:
    dovecot.required()
    with DovecotStore(*MAILBOXES) as server:
        yield server


@pytest.fixture(scope="module")
def pymap_store() -> Iterator[PymapStore]:
    with PymapStore(*MAILBOXES) as server:
        yield server


_FRESH = iter(ADULTS)


def fresh() -> str:
    return next(_FRESH)


class Space:
    """The gateway; ``doctor``: the account of who writes to patients."""

    def __init__(self, server: MailStore, **space: Any) -> None:
        self.server, self.doctor = server, server.fresh()
        for name, text in (("password", PASSWORD), ("master", MASTER_PASSWORD)):
            (server.home / name).write_text(f"{text}\n", "utf-8")
            (server.home / name).chmod(0o600)
        secret = {"password_file": str(server.home / "password")}
        store = {"host": HOST, "port": server.port, "tls": "starttls"}
        master = {"master_user": MASTER, "master_password_file": str(server.home / "master")}
        settings = {
            "gateway": {"workers": 1},
            "documents": {"validators": 1},
            "log": {"level": "info", "format": "json"},
            "delivery": {"first_retry": "1s", "longest_retry": "2s", "ca_file": str(server.anchors)},
            "mail_store": [{"name": "patients", **store, **master}, {"name": "bals", **store}],
            "mailbox": [{"address": SENDER, "kind": "PER", "mail_store": "bals", "user": self.doctor, **secret}],
            "patient_space": {"mail_store": "patients", **space},
            "trusted_domain": [
                {
                    "name": "liberal",
                    "domains": ["liberal.mssante.fr"],
                    "next_hop": "127.0.0.1:9",
                    "next_hop_tls": "none",
                }
            ],
        }
        self.gateway = GatewayProcess(Hops(operators=9), settings=settings)

    def __enter__(self) -> "Space":
        self.gateway.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.gateway.__exit__(*error)

    def register(self, patient: str, *states: str) -> None:
        for words in (("add", patient), *(("set", patient, "--state", state) for state in states)):
            self.command("patient", *words)

    def put(self, patient: str, state: str) -> None:
        self.command("patient", "set", patient, "--state", state)

    def command(self, *words: str) -> str:
        """What it prints. It runs here: a process for each would be most of the tests' time."""
        done = CliRunner().invoke(main, [*words, "--config", str(self.gateway.config_file)])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def write(self, patient: str, *fields: str, subject: str = SUBJECT, id_: str = "l1") -> str:
        """The doctor writes; what is answered."""
        to = patient if "@" in patient else f"{patient}@{DOMAIN}"
        content = "\r\n".join(
            (
                f"From: <{SENDER}>",
                f"To: Mme Odile EXEMPLE <{to}>",
                f"Subject: {subject}",
                "Date: Sat, 21 Nov 2026 10:00:00 +0100",
                f"Message-ID: <{id_}@ch-test.mssante.fr>",
                *fields,
                "",
                "Bonjour",
                "",
            )
        )
        with smtplib.SMTP("127.0.0.1", self.gateway.port, timeout=20) as client:
            client.ehlo("dpi.ch-test.invalid")
            for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{to}>"):
                code, text = client.docmd(command)
                if code != 250:
                    return f"{code} {text.decode()}"
            code, text = client.data(content.encode())
            return f"{code} {text.decode()}"

    def inbox(self, patient: str) -> list[bytes]:
        return self.server.letters(f"{patient.lower()}@{DOMAIN}")

    def read(self, patient: str) -> None:
        """The patient opens all that he has, as his mail client does."""
        with self.server.client(f"{patient.lower()}@{DOMAIN}") as client:
            client.select("INBOX")
            client.uid("FETCH", "1:*", "(BODY[])")

    def told(self, patient: str) -> list[bytes]:
        """What came to the doctor about this patient."""
        name = re.compile(patient.encode(), re.IGNORECASE)
        return [each for each in self.server.letters(self.doctor) if name.search(each)]


@pytest.fixture(scope="module")
def on_dovecot(dovecot_store: DovecotStore) -> Iterator[Space]:
    with Space(dovecot_store, bad_key="notice") as made:
        yield made


@pytest.fixture(scope="module")
def on_pymap(pymap_store: PymapStore) -> Iterator[Space]:
    with Space(pymap_store, bad_key="notice") as made:
        yield made


@pytest.fixture(params=["dovecot", "pymap"])
def space(request: pytest.FixtureRequest) -> Space:
    made: Space = request.getfixturevalue(f"on_{request.param}")
    return made


ASKS = f"Disposition-Notification-To: <{SENDER}>"


def until(true: Callable[[], object], limit: float = 20.0) -> None:
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.1)


def text_of(letter: bytes) -> str:
    """The text for people, as one line."""
    message = email.message_from_bytes(letter, policy=policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def test_the_doctor_is_told_when_the_patient_opens_his_letter(space: Space) -> None:
    """In Mon espace santé's words (MDN-3), once: not on delivery, and not again after a crash."""
    patient = fresh()
    space.register(patient, "active")
    answer = space.write(patient, ASKS)
    until(lambda: space.inbox(patient))
    assert not re.search(rb"\\Seen", flags(space, patient)), "a letter that nobody has read"
    time.sleep(1)
    assert space.told(patient) == []
    space.read(patient)
    until(lambda: space.told(patient))
    space.gateway.kill()
    space.gateway.start()
    space.read(patient)
    space.write(patient, ASKS, id_="l2")  # when this one is told of, the first would have been again
    until(lambda: len(space.inbox(patient)) == 2)
    space.read(patient)
    until(lambda: len(space.told(patient)) >= 2)
    one, two = space.told(patient)
    assert [b"Original-Message-ID: <l1@" in each for each in (one, two)] == [True, False]
    assert text_of(one) == (
        "Le message que vous avez envoyé le 21 novembre 10:00 a bien été ouvert par votre destinataire "
        f"{patient}@{DOMAIN} Mme Odile EXEMPLE. Cela ne garantit pas la bonne prise de connaissance de son contenu. "
        "Merci de ne pas répondre à ce message."
    )
    assert b"Disposition: manual-action/MDN-sent-automatically; displayed\r\n" in one
    assert f"Final-Recipient: rfc822; {patient}@{DOMAIN}\r\n".encode() in one
    traced = space.command("trace", answer.rpartition(" ")[2], "--json")
    assert '"event":"read"' in traced.replace('": "', '":"')
    assert patient not in space.command("report", "unread", "--older", "1s", "--addresses")


def test_what_he_opened_while_the_gateway_was_down_is_told_when_it_is_up(space: Space) -> None:
    """And what he did not, not."""
    patient, other = fresh(), fresh()
    for each in (patient, other):
        space.register(each, "active")
        space.write(each, ASKS, id_=each)
    until(lambda: space.inbox(patient) and space.inbox(other))
    space.gateway.kill()
    try:
        space.read(patient)
    finally:
        space.gateway.start()
    until(lambda: space.told(patient))
    assert space.told(other) == []


def test_what_a_profile_makes_of_a_letter(space: Space) -> None:
    """Created: delivered. Opposed, unknown, closed, a wrong key: Mon espace santé's own words, and no delivery."""
    created, opposed, closed, unknown = (fresh() for _ in range(4))
    wrong = {"dovecot": "289456789012345", "pymap": "288091234567823"}[space.server.name]
    space.register(created)
    space.register(opposed, "opposed")
    space.register(closed, "closed")
    for each in (created, opposed, closed, unknown, wrong):
        assert space.write(each, id_=each).startswith("250"), "nothing of a profile is told in the dialogue"
    until(lambda: space.inbox(created))
    until(lambda: all(map(space.told, (opposed, closed, unknown, wrong))))
    assert [space.inbox(each) for each in (opposed, closed, unknown)] == [[], [], []]
    assert space.told(created) == []
    head = "Le message que vous avez envoyé à l'adresse "
    no_such = "n'a pas pu être distribué, car cette adresse Mon espace santé n'existe pas."
    assert [text_of(space.told(each)[0]) for each in (opposed, unknown, closed, wrong)] == [
        f'{head}"{opposed}@{DOMAIN}" {no_such}',
        f'{head}"{unknown}@{DOMAIN}" {no_such}',
        f'{head}"{closed}@{DOMAIN}" n\'a pas pu être distribué, car la messagerie Mon espace santé de votre '
        "destinataire est clôturée.",
        f'{head}"{wrong}@{DOMAIN}" n\'a pas pu être distribué, car cette adresse Mon espace santé est invalide.',
    ]


def test_a_closed_mailbox_keeps_its_letters(space: Space) -> None:
    """Nothing is ever deleted there (TRC-3); and what was opened is told when he comes back."""
    patient = fresh()
    space.register(patient, "active")
    space.write(patient, ASKS)
    until(lambda: space.inbox(patient))
    space.put(patient, "closed")
    assert space.write(patient, id_="l2").startswith("250")
    until(lambda: space.told(patient))
    assert len(space.inbox(patient)) == 1
    space.read(patient)
    space.put(patient, "active")
    until(lambda: len(space.told(patient)) == 2)
    assert b"; displayed\r\n" in space.told(patient)[1]


def test_a_child_has_a_mailbox_of_its_own(space: Space) -> None:
    """Under its own INS; nothing of it reaches anybody else's (INS-9)."""
    child, parent = CHILDREN.pop(), fresh()
    for each in (child, parent):
        space.register(each, "active")
    space.write(child, ASKS)
    until(lambda: space.inbox(child))
    space.read(child)
    until(lambda: space.told(child))
    assert space.inbox(parent) == []


def test_a_corsican_has_one_mailbox_however_he_is_written(space: Space) -> None:
    patient = CORSICAN
    space.register(patient, "active")
    space.write(patient, ASKS, id_="upper")
    space.write(patient.lower(), ASKS, id_="lower")
    until(lambda: len(space.inbox(patient)) == 2)
    space.read(patient)
    until(lambda: len(space.told(patient)) == 2)


def test_the_end_of_an_exchange_is_shown(space: Space) -> None:
    """In the subject, which every mail client shows, and by a keyword; the receipt gives back what was sent."""
    patient = fresh()
    space.register(patient, "active")
    space.write(patient, "X-MSS-MES: FIN", ASKS)
    until(lambda: space.inbox(patient))
    (letter,) = space.inbox(patient)
    message = email.message_from_bytes(letter, policy=policy.default)
    assert (message["subject"], message["x-mss-mes"]) == ("[FIN] Résultats", "FIN")
    assert letter.endswith(b"\r\n\r\nBonjour\r\n")
    assert b"$MssFin" in flags(space, patient)
    space.read(patient)
    until(lambda: space.told(patient))
    (receipt,) = space.told(patient)
    original = receipt.partition(b"message/rfc822")[2]
    assert f"\r\nSubject: {SUBJECT}\r\n".encode() in original, "as the doctor sent it"
    assert b"X-Mssgw" not in original


def test_a_patient_whose_mailbox_is_missing_holds_up_no_other(space: Space) -> None:
    """His letter waits; Dovecot hangs up over him, pymap says that there is no such user."""
    missing, patient = number(), fresh()
    for each in (missing, patient):
        space.register(each, "active")
        space.write(each, ASKS, id_=each)
    until(lambda: space.inbox(patient))
    until(lambda: re.search("4[.](4[.]2|7[.]8)", space.command("queue", "list", "--json")))
    space.read(patient)
    until(lambda: space.told(patient))
    assert '"4.4.1"' not in space.gateway.log(), "a store that is there"


def test_a_letter_waits_for_a_store_that_is_down_and_comes_once(on_dovecot: Space) -> None:
    """On the one that keeps what it has."""
    patient, space = fresh(), on_dovecot
    space.register(patient, "active")
    space.server.stop()
    try:
        space.write(patient, ASKS)
        until(lambda: "4.4.1" in space.command("queue", "list", "--json"))
    finally:
        space.server.start()
    until(lambda: space.inbox(patient), 40)
    space.read(patient)
    until(lambda: space.told(patient), 40)
    assert (len(space.inbox(patient)), len(space.told(patient))) == (1, 1)


def test_a_wrong_key_is_refused_where_nothing_else_is_said(dovecot_store: DovecotStore) -> None:
    with Space(dovecot_store) as space:
        assert space.write("289456789012345").startswith("553 5.1.3")


def flags(space: Space, patient: str) -> bytes:
    with space.server.client(f"{patient.lower()}@{DOMAIN}") as client:
        client.select("INBOX", readonly=True)
        return b"".join(each for each in client.fetch("1:*", "(FLAGS)")[1] if isinstance(each, bytes))

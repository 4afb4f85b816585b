"""Two nodes over one PostgreSQL and the patients' mailboxes: one watches them; when it is killed, the other goes on."""

import smtplib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.corpus import SENDER
from tests.nodes.hop import Hop
from tests.nodes.test_nodes import TAKE_OVER, make_nodes
from tests.peers import dovecot, postgresql
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, DovecotStore
from tests.peers.gateway import GatewayProcess, as_toml
from tests.peers.mail_store import HOST, PASSWORD, PATIENT
from tests.peers.postgresql import PostgresServer

_SLACK = 30.0  # seconds of a busy machine


def test_one_node_tells_that_a_letter_was_opened_and_the_other_takes_over(tmp_path: Path) -> None:
    """Each letter is told of once, whoever was alive when it was opened."""
    postgresql.required()
    dovecot.required()
    with DovecotStore() as store, Hop() as hop, PostgresServer() as server, ExitStack() as stack:
        server.create("mssgw")
        doctor = store.fresh()
        nodes = make_nodes(2, server, hop, tmp_path)
        for node in nodes:
            configure(node, store, doctor)
            stack.enter_context(node)
        for words in (("add",), ("set", "--state", "active")):
            assert nodes[0].command("patient", words[0], PATIENT.partition("@")[0], *words[1:]).returncode == 0
        open_one(nodes[0], store, "l1")
        until(lambda: len(store.letters(doctor)) == 1)
        (busy,) = [node for node in nodes if "receipts.written" in node.log()]
        (other,) = [node for node in nodes if node is not busy]
        busy.kill()
        open_one(other, store, "l2")
        until(lambda: len(store.letters(doctor)) == 2, TAKE_OVER + _SLACK)
        busy.start()
        open_one(busy, store, "l3")
        until(lambda: len(store.letters(doctor)) == 3)
        told = b"".join(store.letters(doctor))
        assert [told.count(f"Original-Message-ID: <{each}@".encode()) for each in ("l1", "l2", "l3")] == [1, 1, 1]


def configure(node: GatewayProcess, store: DovecotStore, doctor: str) -> None:
    for name, text in (("password", PASSWORD), ("master", MASTER_PASSWORD)):
        (store.home / name).write_text(f"{text}\n", "utf-8")
        (store.home / name).chmod(0o600)
    host = {"host": HOST, "port": store.port, "tls": "starttls"}
    master = {"master_user": MASTER, "master_password_file": str(store.home / "master")}
    mailbox = {"address": SENDER, "kind": "PER", "mail_store": "bals", "user": doctor}
    more = {
        "mail_store": [{"name": "patients", **host, **master}, {"name": "bals", **host}],
        "mailbox": [{**mailbox, "password_file": str(store.home / "password")}],
        "patient_space": {"mail_store": "patients"},
    }
    text = node.config_file.read_text().replace("[delivery]", f'[delivery]\nca_file = "{store.anchors}"')
    ours = text.replace('"patient.mssante.fr"', '"elsewhere.mssante.fr"')
    node.config_file.write_text(ours + as_toml(more))


def open_one(node: GatewayProcess, store: DovecotStore, id_: str) -> None:
    """The doctor writes, and the patient opens it."""
    before = len(store.letters(PATIENT))
    content = (
        f"From: <{SENDER}>\r\nTo: <{PATIENT}>\r\nSubject: essai\r\nMessage-ID: <{id_}@ch-test.mssante.fr>\r\n"
        f"Disposition-Notification-To: <{SENDER}>\r\n\r\nBonjour\r\n"
    )
    with smtplib.SMTP("127.0.0.1", node.port, timeout=20) as client:
        client.sendmail(SENDER, [PATIENT], content)
    until(lambda: len(store.letters(PATIENT)) == before + 1)
    with store.client(PATIENT) as client:
        client.select("INBOX")
        client.uid("FETCH", "1:*", "(BODY[])")


def until(what: Callable[[], bool], limit: float = _SLACK) -> None:
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)

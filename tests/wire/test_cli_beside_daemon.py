"""The commands over the real store, beside a running daemon whose next hop takes nothing, and after it stopped."""

import json
import signal
import smtplib
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mssgw.app.cli import main
from tests.installation import DOCTOR, PATIENT, SERVE, configuration, environment

CORSICAN = "177012A12345670"
RETRIES = '[delivery]\nfirst_retry = "1h"'
LETTER = f"From: {DOCTOR}\r\nTo: {PATIENT}\r\nMessage-ID: <une@chu.mssante.fr>\r\nSubject: canari\r\n\r\nBonjour\r\n"


class Busy(socketserver.StreamRequestHandler):
    """A next hop that talks, but takes nothing: one that is silent would be spared for half a minute."""

    def handle(self) -> None:
        self.wfile.write(b"220 hop.exemple.fr\r\n")
        for line in self.rfile:
            self.wfile.write(b"451 4.3.2 later\r\n" if line[:4].upper() in (b"MAIL", b"RCPT") else b"250 2.0.0 OK\r\n")


class Installation:
    """A configuration in a folder, its daemon, and the command line over it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, []
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.hop = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Busy)
        self.hop.daemon_threads = True
        threading.Thread(target=self.hop.serve_forever, daemon=True).start()
        (folder / "state").mkdir()
        (folder / "mssgw.toml").write_text(
            configuration(RETRIES, hop=self.hop.server_address[1], port=self.port, workers=2)
        )
        self.run("key", "new", self.path("master.key"), expect=0)

    def close(self) -> None:
        self.hop.shutdown()
        self.hop.server_close()

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, *words: str, expect: int | None = None) -> Result:
        """A command. In this process, for the libraries take a second to load; the daemon is another one."""
        told = CliRunner().invoke(main, words, env=environment(self.folder, SUDO_USER="anne"))
        assert expect in (None, told.exit_code), (words, told.exit_code, told.output)
        assert "Traceback" not in told.stderr
        return told

    def json(self, *words: str) -> list[dict]:
        return [json.loads(line) for line in self.run(*words, "--json", expect=0).stdout.splitlines()]

    def refused(self) -> subprocess.CompletedProcess[str]:
        """A daemon that does not start, in a process of its own: it says how this one logs."""
        told = subprocess.run(
            SERVE, env=environment(self.folder), capture_output=True, text=True, timeout=60, check=False
        )
        assert told.returncode == 69, told
        return told

    def start(self) -> subprocess.Popen[str]:
        daemon = subprocess.Popen(SERVE, env=environment(self.folder), stdout=subprocess.PIPE, text=True)
        limit = threading.Timer(60, daemon.kill)
        limit.start()
        self.said = []
        ready = any(self.said.append(line) or '"gateway.ready"' in line for line in daemon.stdout)
        limit.cancel()
        assert ready, f"the daemon did not become ready: {daemon.wait(60)}"
        return daemon

    def stop(self, daemon: subprocess.Popen[str]) -> str:
        daemon.send_signal(signal.SIGTERM)
        rest, _ = daemon.communicate(timeout=60)
        assert daemon.returncode == 0
        return rest

    def send(self) -> str:
        """A letter of the doctor to the patient; its queue id."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as smtp:
            smtp.ehlo("chu.exemple")
            assert smtp.mail(DOCTOR)[0] == 250
            assert smtp.rcpt(PATIENT)[0] == 250
            code, text = smtp.data(LETTER)
        assert code == 250
        return text.decode().rpartition(" ")[2]

    def until(self, condition, *words: str) -> dict:
        """The first line for which it holds; the daemon works at its own pace."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for row in self.json(*words):
                if condition(row):
                    return row
        raise AssertionError(f"never came: {words} {self.json(*words)}")


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Iterator[Installation]:
    with closing(Installation(tmp_path_factory.mktemp("mssgw"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def letter(here):
    """A letter that waits for a next hop that is down, and the daemon that tries."""
    daemon = here.start()
    try:
        spool_id = here.send()
        here.until(lambda row: row["attempts"] >= 1 and not row["sending"], "queue", "list")
        yield spool_id
    finally:
        if daemon.poll() is None:
            here.stop(daemon)


def test_the_waiting_letter_is_listed_shown_and_traced(here, letter):
    (row,) = here.json("queue", "list")
    assert (row["id"], row["state"], row["domain"]) == (letter, "queued", "patient.mssante.fr")
    assert row["last_reply"]["code"] // 100 == 4
    shown = here.run("queue", "show", letter, expect=0).stdout
    assert PATIENT in shown
    assert DOCTOR in shown
    assert "canari" not in shown
    for subject in (letter, "<une@chu.mssante.fr>", "une@chu.mssante.fr", PATIENT, DOCTOR):
        events = [entry["event"] for entry in here.json("trace", subject)]
        assert events[:2] == ["accepted", "deferred"], subject


def test_the_letter_opened_its_conversation(here, letter):
    (row,) = here.json("conversation", "list", "--addresses")
    assert (row["patient"], row["bal"], row["state"]) == (PATIENT, DOCTOR, "open")


def test_a_decision_is_explained_and_changes_nothing(here, letter):
    before = here.json("conversation", "list")
    (here.folder / "reponse.eml").write_text(f"From: {PATIENT}\nTo: {DOCTOR}\nMessage-ID: <r@p>\n\nMerci\n")
    words = ("explain", here.path("reponse.eml"), "--from", PATIENT, "--client", "mes")
    assert here.run(*words, "--to", DOCTOR, expect=0)
    assert "WHO-1" in here.run(*words, "--to", "dr.autre@chu.mssante.fr", expect=1).stdout
    assert here.run("explain", letter, expect=0)
    assert here.json("conversation", "list") == before


def test_hold_release_and_retry(here, letter):
    here.run("queue", "hold", letter, expect=0)
    (held,) = here.json("queue", "list")
    assert held["state"] == "held"
    here.run("queue", "retry", letter, expect=1)
    here.run("queue", "release", letter, expect=0)
    # The daemon hears of it and tries; then the letter is an hour from its next attempt, but for `retry`.
    for attempts in (held["attempts"], held["attempts"] + 1):
        here.until(lambda row, before=attempts: row["attempts"] > before and not row["sending"], "queue", "list")
        here.run("queue", "retry", letter, expect=0)
    assert "anne" in {entry.get("operator") for entry in here.json("trace", letter)}


def test_a_letter_that_was_held_by_hand_stays_held_when_the_patient_objects(here, letter):
    """SD-12, beside the daemon and in the real store; its age is since the 250."""
    here.until(lambda row: not row["sending"], "queue", "list")
    here.run("queue", "hold", letter, expect=0)
    here.run("conversation", "block", PATIENT, expect=0)
    refused = here.run("queue", "release", letter, expect=1)
    assert "opposition-is-honoured (SD-12 WHO-8): 550 5.7.1" in refused.stderr
    (row,) = here.json("queue", "list")
    assert row["state"] == "held"
    here.run("conversation", "unblock", PATIENT, expect=0)
    here.run("queue", "release", letter, expect=0)
    assert here.json("queue", "list")[0]["created_at"] == row["created_at"]


def test_conversations_are_closed_blocked_and_imported(here, letter):
    here.run("conversation", "close", PATIENT, DOCTOR, expect=0)
    assert here.json("conversation", "show", PATIENT, DOCTOR)[0]["conversations"][0]["state"] == "closed"
    here.run("conversation", "reopen", PATIENT, DOCTOR, expect=0)
    here.run("conversation", "block", PATIENT, expect=0)
    assert any(row["blocked"] for row in here.json("conversation", "show", PATIENT)[0]["conversations"])
    here.run("conversation", "unblock", PATIENT, expect=0)
    (here.folder / "paires.csv").write_text(
        f"patient,bal,state,date\n{CORSICAN},{DOCTOR},closed,2026-01-05\n{PATIENT},{DOCTOR},closed,2026-01-05\n"
    )
    (told,) = here.json("conversation", "import", here.path("paires.csv"))
    assert (told["imported"], told["known_already"]) == (1, 1)
    assert here.json("conversation", "show", CORSICAN)[0]["conversations"][0]["since"] == "2026-01-05T00:00:00Z"


def test_the_master_key_changes_only_while_the_daemon_is_down(here, letter):
    """A daemon would go on wrapping under the key that it has in memory."""
    here.run("key", "new", here.path("new.key"), expect=0)
    told = here.run("key", "rotate", "--new", here.path("new.key"), expect=69)
    assert "stop it first" in told.stderr


def test_bounce_tells_the_sender(here, letter):
    """The letter ends, and a notice to the doctor waits in its place."""
    here.run("queue", "bounce", letter, expect=0)
    notice = here.until(lambda row: row["id"] != letter, "queue", "list")
    assert notice["domain"] == "chu.mssante.fr"
    assert letter not in {row["id"] for row in here.json("queue", "list")}
    assert {"bounced", "notified"} <= {entry["event"] for entry in here.json("trace", letter)}


@pytest.fixture
def anew(tmp_path) -> Iterator[Installation]:
    with closing(Installation(tmp_path)) as opened:
        yield opened


def test_a_command_finds_no_store_where_there_is_none_and_makes_none(anew):
    """A state_dir that is wrong, or not mounted, would answer "0 deliveries" while letters wait elsewhere."""
    for words in (("queue", "list"), ("trace", PATIENT), ("queue", "retry", "--all"), ("patient", "list")):
        told = anew.run(*words, expect=69)
        assert "no store in" in told.stderr
        assert "is state_dir right" in told.stderr
    (anew.folder / "state").rmdir()
    anew.run("queue", "list", expect=69)
    assert not (anew.folder / "state").exists()


def test_serve_says_that_it_made_a_store_and_only_then(anew):
    anew.stop(anew.start())
    assert any('"store.created"' in line for line in anew.said)
    anew.stop(anew.start())
    assert not any('"store.created"' in line for line in anew.said)


def test_no_new_store_is_made_over_the_letters_of_one_whose_database_is_gone(anew):
    """It would know no exchange, and sweep their bodies away before the old database is back."""
    anew.stop(anew.start())
    state = anew.folder / "state"
    (state / "mssgw.db").rename(anew.folder / "aside.db")
    (state / "spool" / "1M").mkdir(parents=True, exist_ok=True)
    (state / "spool" / "1M" / "1M7ZTY3TH5M3REAG").write_bytes(b"sealed")
    told = anew.refused()
    assert "give it back from a backup" in told.stderr
    assert not (state / "mssgw.db").exists()
    (anew.folder / "aside.db").rename(state / "mssgw.db")
    anew.stop(anew.start())


def test_no_new_store_is_made_where_one_was_though_no_letter_waited_in_it(anew):
    """It would know no exchange, no opposition, and nothing of what has passed; whoever wants that says so."""
    anew.stop(anew.start())
    state = anew.folder / "state"
    (state / "mssgw.db").rename(anew.folder / "aside.db")
    told = anew.refused()
    assert f"no {state / 'mssgw.db'}, but what belongs to one, {state / 'mssgw.db.made'}" in told.stderr
    assert "give it back from a backup" in told.stderr
    (state / "mssgw.db.made").unlink()
    anew.stop(anew.start())


def test_no_command_puts_another_spool_in_the_place_of_one_that_was_moved(anew):
    """The daemon would take letters into it, and they would be out of sight when the spool is back."""
    daemon = anew.start()
    spool, away = anew.folder / "state" / "spool", anew.folder / "away"
    spool.rename(away)
    for words in (("queue", "list"), ("conversation", "block", PATIENT)):
        told = anew.run(*words, expect=69)
        assert f"no spool in {spool}: was it moved" in told.stderr
    assert not spool.exists()
    anew.send()  # a small letter rests in the database
    away.rename(spool)
    assert len(anew.json("queue", "list")) == 1
    anew.stop(daemon)


def test_what_prepares_a_first_start_makes_the_store(anew):
    (anew.folder / "paires.csv").write_text(f"patient,bal,state,date\n{PATIENT},{DOCTOR},closed,2026-01-05\n")
    anew.run("conversation", "import", anew.path("paires.csv"), expect=0)
    anew.run("queue", "list", expect=0)


def test_after_a_rotation_only_the_new_key_opens_the_store(anew, tmp_path):
    here = anew
    daemon = here.start()
    spool_id = here.send()
    (alias,) = {json.loads(line).get("patient") for line in here.stop(daemon).splitlines()} - {None}
    # The log names nobody; what it says instead finds the letter.
    assert here.json("trace", alias)[0]["id"] == spool_id
    here.run("key", "new", here.path("new.key"), expect=0)
    here.run("key", "rotate", "--new", here.path("new.key"), expect=0)
    refused = here.run("queue", "show", spool_id)
    assert refused.exit_code == 69
    assert "master key" in refused.stderr
    (tmp_path / "new.key").replace(tmp_path / "master.key")
    assert PATIENT in here.run("queue", "show", spool_id, expect=0).stdout

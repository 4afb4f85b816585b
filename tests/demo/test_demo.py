"""The demo is the first thing that a newcomer sees: it is run here as he runs it."""

import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo import people
from demo.mail import letter
from tests.peers import dovecot

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0  # seconds: the demo's own promise

STEPS = (
    "a doctor writes to a patient",
    "over mutual TLS: TLSv1.3, CN=mssgw.ch-test.example",
    "the read receipt",
    "the patient answers",
    "subject [FIN]",
    "the patient writes once more",
    "at RCPT TO: 550 5.7.1",
    "writes first to a pharmacy",
    "arrived at Pharmacy's mailbox ({store})",
    "the pharmacy is told at <comptoir@pharmacie-test.example>",
    "the pharmacy answers",
    "the same to a doctor",
    "at RCPT TO: 550 5.7.1",
    "asks to be told when it has taken that in",
    "arrived at Laboratory's mailbox ({store})",
    "no receipt yet",
    "moves it to Integres",
    "the receipt is at Hospital",
    "a second gateway, that keeps patients' mailboxes",
    "arrived at Patient's mailbox ({store})",
    "opens it",
    "the receipt is at Hospital",
    "a bien été ouvert par votre destinataire",
    "it is asked to end: exit code 0",
    "names nobody",
    "a CDA R2 in IHE_XDM.zip",
    "and the verdict: cda pdf xdm, accept",
    "to another patient",
    "after DATA: 554 5.6.0 Document refuse",
    "CDA-COH-001",
    "without a certificate",
    "at MAIL FROM: 554 5.7.1 Certificat client IGC-Sante exige",
    "not in the white list",
    "at MAIL FROM: 554 5.7.1 Ce certificat n'est celui d'aucun operateur",
    "another domain's operator",
    "at MAIL FROM: 554 5.7.1 Ce certificat n'est pas celui d'un operateur de ce domaine",
    "was revoked",
    "at MAIL FROM: 554 5.7.1 Certificat revoque",
    "trust.operator_unlisted, CN=smtp.inconnu.example",
    "INS with a wrong key",
    "at RCPT TO: 553 5.1.3",
    "10 485 760 octets",
    "at MAIL FROM: 552 5.3.4",
    "after DATA: 552 5.3.4",
    "while Mon espace santé is down",
    "deferred: 451",
    "$ mssgw queue list",
    "is back",
    "arrived at Mon espace santé",
    "$ mssgw trace",
    "accepted, delivered, read",
    "exit code 0",
    "everything as it should be",
)


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", *words]
    return subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT
    )


def processes_with(home: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes()
        except OSError:
            continue  # it has just ended
        if os.fsencode(home) in line and str(os.getpid()) != each.parent.name:
            found.append(line.replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("store", [pytest.param("dovecot", marks=pytest.mark.soak), "pymap"])
def test_the_demo_tells_its_story_and_ends_well(tmp_path: Path, store: str) -> None:
    """Every step in its order, each as it should be, in plain text; the gateway's log names nobody.

    Where Dovecot can run, nobody has to ask for it; the tests below begin with it.
    """
    home = tmp_path / "home"
    if store == "dovecot":
        dovecot.required()
        ran = demo("--home", str(home))
    else:
        ran = demo("--home", str(home), "--store", store)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    rest = ran.stdout
    for step in (each.format(store=store) for each in STEPS):
        assert step in rest, f"missing or too early: {step}\n{ran.stdout}"
        rest = rest.partition(step)[2]
    assert all(char.isprintable() or char == "\n" for char in ran.stdout)
    log = (home / "gateway.log").read_text().lower()
    assert "letter.accepted" in log
    assert [word for word in people.PERSONAL if word in log] == []
    assert processes_with(home) == []
    (anchors,) = re.findall(r'^ca_file = "(.*)"$', (home / "mssgw.toml").read_text(), re.MULTILINE)
    assert not Path(anchors).parent.exists(), "the store has left something behind"
    assert processes_with(Path(anchors).parent) == []


def test_a_gateway_that_does_not_start_says_why(tmp_path: Path) -> None:
    """A master key of the wrong size: the reason is on the screen, and the exit code is 1."""
    key = tmp_path / "master.key"
    key.write_bytes(b"short")
    key.chmod(0o600)
    ran = demo("--home", str(tmp_path))
    assert ran.returncode == 1
    assert "The gateway does not run" in ran.stdout
    assert "master.key" in ran.stdout
    assert "32" in ran.stdout
    assert processes_with(tmp_path) == []


@contextmanager
def kept(home: Path) -> Iterator[subprocess.Popen[str]]:
    """``make run``, ended if a test leaves it behind or waits for it too long."""
    command = [sys.executable, "-u", "-m", "demo", "--keep", "--home", str(home)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    limit = threading.Timer(LIMIT, process.terminate)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        if process.poll() is None:
            process.terminate()  # it ends its gateway
            process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def told(process: subprocess.Popen[str], until: str) -> str:
    """What it prints, up to the line that holds ``until``."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until in line:
            return "".join(lines)
    raise AssertionError(f"it ended without saying {until!r}\n{''.join(lines)}")


def test_make_run_stays_up_and_says_how_to_send(tmp_path: Path) -> None:
    """The ports it prints take letters and show measures, arrivals are printed as they come, and Ctrl-C ends it all."""
    with kept(tmp_path) as process:
        manual = told(process, "Ctrl-C")
        found = re.search(r"swaks --server (\S+):(\d+) --local-interface (\S+) --from (\S+) --to (\S+)", manual)
        assert found, manual
        host, port, source, sender, recipient = found.groups()
        sent = letter()
        with smtplib.SMTP(host, int(port), timeout=20, source_address=(source, 0)) as client:
            client.sendmail(sender, [recipient], sent.content, ["BODY=8BITMIME"])
        assert sent.message_id in told(process, "received a letter")
        metrics = re.search(r"curl -s (http://127\.0\.0\.1:\d+/metrics)", manual)
        assert metrics, manual
        with urllib.request.urlopen(metrics[1], timeout=20) as answer:
            assert b"mssgw_ready" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 0
    assert processes_with(tmp_path) == []

"""A patient writes first to a pharmacy that only the directory knows, beside a running daemon."""

import itertools
import signal
import smtplib
import socket
import subprocess
import threading
from pathlib import Path

from click.testing import CliRunner

from mssgw.app.cli import main
from tests.extractions import establishment, finess, row, table
from tests.installation import PATIENT, SERVE, environment, install

OFFICINE, DOCTOR = "officine@chu.mssante.fr", "dr.martin@chu.mssante.fr"


def command(folder: Path, *words: str) -> str:
    told = CliRunner().invoke(main, words, env=environment(folder, SUDO_USER="anne"))
    assert told.exit_code == 0, told.output
    return told.stdout


def answers(port: int, *recipients: str) -> list[tuple[int, bytes]]:
    """To a patient's RCPT, as Mon espace santé sends it."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=("127.0.0.2", 0)) as peer:
        peer.ehlo("mes.example")
        assert peer.mail(PATIENT)[0] == 250
        return [(code, text[:5]) for code, text in map(peer.rcpt, recipients)]


def test_an_import_is_in_force_without_a_reload(tmp_path: Path, monkeypatch) -> None:
    """451 before it, 250 for the pharmacy and 550 for the doctor from its commit on; and the log names nobody."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    install(tmp_path, "[directory]", hop=9, role="trust-space", port=port)
    (tmp_path / "e.txt").write_bytes(table(row("ORG", OFFICINE, "750000001"), row("PER", DOCTOR, "750000001")))
    (tmp_path / "f.csv").write_bytes(finess(establishment("750000001", "620")))
    daemon = subprocess.Popen(SERVE, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    limit = threading.Timer(60, daemon.kill)
    limit.start()
    try:
        assert daemon.stdout is not None
        begin = "".join(itertools.takewhile(lambda line: '"gateway.ready"' not in line, daemon.stdout))
        assert '"directory.missing"' in begin
        assert answers(port, OFFICINE, DOCTOR) == [(451, b"4.7.1")] * 2
        command(tmp_path, "directory", "import", "e.txt", "--finess", "f.csv")
        assert answers(port, OFFICINE, DOCTOR) == [(250, b"2.1.5"), (550, b"5.7.1")]
        command(tmp_path, "directory", "set", DOCTOR, "--kind", "ORG", "--pharmacy")
        command(tmp_path, "directory", "set", OFFICINE, "--kind", "ORG", "--no-pharmacy")
        assert answers(port, OFFICINE, DOCTOR) == [(550, b"5.7.1"), (250, b"2.1.5")]
    finally:
        daemon.send_signal(signal.SIGTERM)
        log, _ = daemon.communicate(timeout=60)
        limit.cancel()
    assert '"rule":"patient-may-write"' in log
    for name in ("officine", "martin"):
        assert name not in begin + log

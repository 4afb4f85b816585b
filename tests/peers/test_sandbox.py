"""The gateway needs no system call that its systemd unit forbids: else it would fall in service, and nowhere else."""

import re
import shutil
import smtplib
import subprocess
import time
from pathlib import Path

import pytest

from tests.canaries import MATRICULES
from tests.clinical_letters import letter
from tests.corpus import PATIENTS, RECIPIENT_DOMAINS, SENDER
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.postfix import PostfixInstance

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("needs_postfix", "needs_strace")]

UNIT = Path(__file__).parents[2] / "systemd" / "mssgw.service"


def test_no_worker_and_no_validator_asks_for_what_the_unit_forbids(tmp_path: Path) -> None:
    """Traced from start to stop, with a letter that holds a document, one worker a core as in service."""
    counted = tmp_path / "calls"
    with PostfixInstance("mx.operator.invalid", domains=RECIPIENT_DOMAINS) as hop:
        gateway = GatewayProcess(Hops(operators=hop.port))
        gateway.under = ["strace", "-D", "-f", "-c", "-S", "name", "-o", str(counted)]
        with gateway:
            content = letter(MATRICULES[0], fields=f"From: <{SENDER}>\nMessage-ID: <sandbox@ch-test>\n")
            with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as smtp:
                smtp.sendmail(SENDER, PATIENTS[0], content)
            hop.wait_for_letter("<sandbox@ch-test>", limit=60)
    end = time.monotonic() + 30
    while not counted.exists() or "total" not in counted.read_text("ascii"):  # strace writes when all have ended
        assert time.monotonic() < end, "strace has counted nothing"
        time.sleep(0.1)
    made = set(re.findall(r"^ +[0-9.]+ .* ([a-z0-9_]+)$", counted.read_text("ascii"), re.MULTILINE)) - {"total"}
    assert {"execve", "accept4", "sched_setaffinity", "sched_setscheduler", "prlimit64"} <= made
    as_root = {"fchown"}  # SQLite hands files to the owner of the database, which is the service's own user
    assert made - as_root - allowed() == set()


def allowed() -> set[str]:
    """What SystemCallFilter= leaves, line by line: names and groups, those after ~ taken away."""
    lines = re.findall(r"^SystemCallFilter=(.+)$", UNIT.read_text("ascii"), re.MULTILINE)
    left = members("@default")
    for line in lines:
        named = {name for word in line.lstrip("~").split() for name in members(word)}
        left = left - named if line.startswith("~") else left | named
    return left


def members(word: str) -> set[str]:
    """A system call, or all of a group, as this systemd knows it."""
    if not word.startswith("@"):
        return {word}
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, timeout=30)
    listed = [line.strip() for line in said.stdout.splitlines()[1:]]
    return {name for each in listed if each and not each.startswith("#") for name in members(each)}

"""The systemd units keep what the documentation promises of them."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from mssgw.app import config

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"


def test_the_service_is_exposed_at_most_2() -> None:
    """`systemd-analyze security` on Debian 12's systemd: vendors' mail servers score 9."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / "mssgw.service")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    exposure = re.search(r"Overall exposure level for mssgw\.service: ([0-9.]+)", said.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= 2.0


def test_sockets_and_credentials_are_those_that_the_configuration_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As shipped, unit files and mssgw.toml fit together."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    loaded = config.load(ROOT / "config" / "mssgw.toml")
    passed = {}
    for path in UNITS.glob("*.socket"):
        unit = RawConfigParser(strict=False)
        unit.read(path)
        passed[unit["Socket"]["FileDescriptorName"]] = int(unit["Socket"]["ListenStream"])
    del passed["patients"]  # see below
    assert {each.socket: each.address.port for each in loaded.listeners} == passed
    given = set(re.findall(r"^LoadCredential=([\w-]+):", (UNITS / "mssgw.service").read_text(), re.MULTILINE))
    files = [file for each in loaded.listeners for file in (each.certificate, each.key) if file is not None]
    assert {"master-key"} | {file.named.removeprefix("credential:") for file in files} == given


def test_the_port_of_patients_is_opened_by_systemd_as_the_guide_configures_it() -> None:
    """The service may open no port below 1024 itself; where there is no patient space, it is not kept from starting."""
    unit = RawConfigParser(strict=False)
    unit.read(UNITS / "mssgw-patients.socket")
    name, port = unit["Socket"]["FileDescriptorName"], unit["Socket"]["ListenStream"]
    guide = (ROOT / "docs" / "administrateur.md").read_text("utf-8")
    assert re.search(rf'name = "{name}"\s+role = "patient-space"\s+address = "0\.0\.0\.0:{port}"', guide)
    assert unit["Socket"]["Service"] == "mssgw.service"
    assert "mssgw-patients" not in (UNITS / "mssgw.service").read_text("utf-8")


def test_the_credentials_of_the_trust_space_are_proposed_as_the_example_names_them() -> None:
    """In comments on both sides: without [trust] there are no such files."""
    unit = (UNITS / "mssgw.service").read_text()
    example = (ROOT / "config" / "mssgw.toml").read_text("utf-8")
    proposed = set(re.findall(r"^#LoadCredential=(trust-[\w-]+):", unit, re.MULTILINE))
    assert proposed == set(re.findall(r'^#\w+ = "credential:(trust-[\w-]+)"', example, re.MULTILINE)) != set()


def test_a_process_that_the_kernel_kills_for_its_memory_takes_no_other_along() -> None:
    """By default systemd stops the whole service then; the supervisor replaces a worker, a worker its validator."""
    assert "\nOOMPolicy=continue\n" in (UNITS / "mssgw.service").read_text()


def test_a_start_that_fails_is_tried_again_for_ever() -> None:
    """By default five starts in ten seconds, an operator's among them, are the last: systemd closes the sockets too."""
    before_service = (UNITS / "mssgw.service").read_text().partition("\n[Service]\n")[0]
    assert "\nStartLimitIntervalSec=0\n" in before_service


def test_a_reload_is_refused_for_a_credential_that_the_service_was_not_given() -> None:
    """systemd gives none to ExecReload=: there the check would warn only, and the reload be called a success."""
    text = (UNITS / "mssgw.service").read_text().replace("\\\n", "")
    check, signal = re.findall(r"^ExecReload=(.+)$", text, re.MULTILINE)
    started = re.search(r"^ExecStartPre=(.+)$", text, re.MULTILINE)
    user = re.search(r"^User=(.+)$", text, re.MULTILINE)
    assert started is not None
    assert user is not None
    as_the_process = "+/usr/bin/nsenter --target $MAINPID --mount "
    assert check.startswith(as_the_process)
    assert f"--reuid {user[1]} " in check
    assert check.endswith(f" CREDENTIALS_DIRECTORY=%d {started[1]}")
    assert signal == "/bin/kill -HUP $MAINPID"


def test_the_journal_takes_what_the_gateway_says_at_its_full_rate() -> None:
    """By default 10 000 lines in 30 s are kept and the others dropped, alarms like any: a hundred letters a second."""
    unit = RawConfigParser(strict=False)
    unit.read(UNITS / "mssgw.service")
    lines, letters = 4, 500  # a letter, a second
    seconds = int(unit["Service"]["LogRateLimitIntervalSec"].removesuffix("s"))
    assert int(unit["Service"]["LogRateLimitBurst"]) >= lines * letters * seconds


def test_the_state_directory_is_the_default_one() -> None:
    """StateDirectory=mssgw is /var/lib/mssgw."""
    assert "StateDirectory=mssgw\n" in (UNITS / "mssgw.service").read_text()
    assert str(config.load(ROOT / "config" / "mssgw.toml").gateway.state_dir) == "/var/lib/mssgw"


def test_postfix_knows_every_line_of_our_example(tmp_path: Path) -> None:
    """A parameter with a slip of the pen would be ignored in silence."""
    if shutil.which("postconf") is None:
        pytest.skip("Postfix is not installed")
    text = (ROOT / "config" / "postfix" / "main.cf").read_text("utf-8")
    everything = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)  # what is commented out as well
    (tmp_path / "main.cf").write_text(everything)
    (tmp_path / "master.cf").touch()
    said = subprocess.run(
        ["postconf", "-c", str(tmp_path), "-n"], capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stderr == ""
    known = {line.partition(" = ")[0] for line in said.stdout.splitlines()} - {"config_directory"}
    assert known == set(re.findall(r"^(\w+) = ", everything, re.MULTILINE))


@pytest.mark.parametrize("number", [0, 1], ids=["imap", "lmtp"])
def test_dovecot_knows_every_line_of_our_guide(number: int, tmp_path: Path) -> None:
    """In the language of the version that is installed; of the other one the guide has as much to say."""
    if shutil.which("dovecot") is None:
        pytest.skip("Dovecot is not installed")
    said = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    guide = (ROOT / "docs" / "mailboxes.md").read_text("utf-8")
    written = re.findall(r"^```\n# /etc/dovecot/.+, Dovecot ([\d.]+) .+\n([^`]+)^```$", guide, re.MULTILINE)
    assert [version for version, _ in written] == ["2.3", "2.4"] * 2
    version = "2.3" if said.startswith("2.3.") else "2.4"
    first = "" if version == "2.3" else "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
    text = [text for of, text in written if of == version][number]
    (tmp_path / "dovecot.conf").write_text(first + text)
    command = ["doveconf", "-c", str(tmp_path / "dovecot.conf"), "-n"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert ("master = yes" if number == 0 else "unix_listener lmtp {") in shown.stdout


def test_the_size_limits_of_the_examples_fit_ours() -> None:
    """SD-1: whoever stands before or behind us takes what we take, and the trace headers that come on top."""
    ours = config.load(ROOT / "config" / "mssgw.toml").limits.message_size + 65_536
    postfix = re.search(r"^message_size_limit = (\d+)", (ROOT / "config/postfix/main.cf").read_text("utf-8"), re.M)
    exchange = re.findall(r"-Max\w*Size (\d+)MB", (ROOT / "config/exchange/send-connector.ps1").read_text("utf-8"))
    assert postfix is not None
    assert min(int(postfix[1]), *(int(each) * 2**20 for each in exchange)) > ours

"""`mssgw` as scripts and people meet it: exit codes, errors on one line, quiet pipes, keys and passwords."""

import errno
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mssgw.app.cli import exits, main, opening
from mssgw.app.config import ConfigErrors, Problem
from mssgw.core.errors import StoreBusy, StoreUnavailable, Undecryptable
from mssgw.edges.store_lock import store_lock
from mssgw.edges.tls import TlsMisconfigured
from mssgw.edges.vault import UnusableKey, read_master_key
from tests.unit.app.office_double import DOCTOR, ID, PATIENT, OfficeDouble

TO = "--to: expected postgresql+psycopg://HOST/DATABASE, as in `mssgw db copy --help`"
WITH_PASSWORD = "--to: expected no password, which `ps` shows: put it into [store] password_file"
MATRICULE, WRONG_KEY = "279035121518989", "289456789012345"


def mssgw(*words, **how):
    """A real process."""
    command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **how)


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_was_closed_changes_no_answer_and_its_number_is_nobodys(tmp_path, closed):
    """`mssgw ... >&-` in a crontab: what was done is no internal error, and no file of ours is written to instead."""
    script = (
        "import os, sys; from mssgw.app.cli import main; there = os.readlink(f'/proc/self/fd/{sys.argv.pop()}'); "
        "open(sys.argv.pop(), 'w').write(there); main()"
    )
    command = [sys.executable, "-c", script, "ins", "check", MATRICULE, str(tmp_path / "there"), str(closed)]
    told = subprocess.run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command], timeout=30, check=False)
    assert told.returncode == 0
    assert (tmp_path / "there").read_text() == "/dev/null"


def test_who_closed_standard_input_has_given_nothing():
    """`mssgw ... <&-`: no internal error, as with an input that is empty."""
    command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", "ins", "check", "-"]
    told = [
        subprocess.run(["sh", "-c", f'exec "$@" {given}', "sh", *command], timeout=30, check=False, capture_output=True)
        for given in ("<&-", "</dev/null")
    ]
    assert told[0].returncode == told[1].returncode == exits.Code.USAGE
    assert told[0].stderr == told[1].stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("queue", "279035121518989"),
        ("queue", "list", "279035121518989@patient.mssante.fr"),
        ("queue", "list", "--state", "279035121518989"),
        ("queue", "list", "--limit", "0"),
        ("queue", "show", "279 035 121 518 989"),
        ("queue", "show"),
        ("ins", "check", "1", "289456789012345"),
        ("trace", "27903512151898"),
        ("explain",),
        ("--nonsense",),
    ],
)
def test_usage_errors_are_64_on_one_line_without_the_number_typed(run, words):
    """Shell scripts log what stderr says: it never repeats an INS, right or wrong."""
    told = run(*words)
    assert told.exit_code == 64
    assert told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith("mssgw: ")
    for patient in (MATRICULE, WRONG_KEY, "27903512151898", "279 035"):
        assert patient not in line


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (("trust", "peer"), "mssgw trust peer mx.chu-exemple.fr --domain chu-exemple.mssante.fr"),
        (("trust", "domain"), "mssgw trust domain chu-exemple.mssante.fr"),
    ],
)
def test_a_word_that_is_missing_is_shown_by_an_example(run, words, example):
    """Whoever leaves it out does not know what it looks like."""
    told = run(*words)
    assert told.exit_code == 64
    assert f", as in `{example}` (see `" in told.stderr


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--config", "mssgw.toml", "check"), "--config"),
        (("--config=mssgw.toml", "check"), "--config"),
        (("queue", "--json", "list"), "--json"),
    ],
)
def test_an_option_before_its_command_is_told_where_it_goes(run, words, option):
    """Many programs take it there, and `No such option` reads as if ours had none."""
    refused = run(*words)
    assert refused.exit_code == 64
    assert f"No such option '{option}' here: it goes after the command, `" in refused.stderr
    assert f" COMMAND ... {option}`" in refused.stderr
    assert "it goes after" not in run("--nonsense").stderr
    assert "it goes after" not in run("ins", "check", "--limit", "3").stderr


def test_no_words_at_all_is_a_usage_error_that_shows_the_help(run):
    for words in ((), ("queue",)):
        told = run(*words)
        assert told.exit_code == 64
        assert "Usage:" in told.stderr


def test_help_documents_exit_codes_and_every_command_has_an_example():
    helped = CliRunner().invoke(main, ["--help"])
    assert helped.exit_code == 0
    for code in exits.Code:
        if code < 128:
            assert f"\n  {int(code):<5}" in helped.stdout or f"  {int(code)}  " in helped.stdout, code
    for words in every_command(main):
        told = CliRunner().invoke(main, [*words, "--help"])
        assert told.exit_code == 0
        assert "Example" in told.stdout, words


def test_a_command_that_is_mistyped_is_guessed(run):
    told = run("qeue")
    assert told.exit_code == 64
    assert "Did you mean 'queue'?" in told.stderr


def test_looking_into_the_queue_loads_neither_listeners_nor_document_checks():
    """They would take a third of the time that an operator waits for the command."""
    program = "import sys; from mssgw.app.cli.queue import queue; import mssgw.app.backoffice; print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    loaded = set(asked.stdout.split())
    assert "mssgw.edges.sql" in loaded
    assert not loaded & {"aiosmtpd", "lxml", "mssgw.edges.smtp_in", "mssgw.edges.validators", "mssgw.app.cli.trust"}


def every_command(group, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StoreUnavailable("database is locked"), 69, "mssgw: database is locked\n"),
        (Undecryptable(), 69, "mssgw: A stored value does not decrypt"),
        (PermissionError(13, "Permission denied", "/var/lib/mssgw"), 77, "mssgw: /var/lib/mssgw: Permission denied\n"),
        (TimeoutError(), 69, "mssgw: the store did not answer in time\n"),
        (RuntimeError(PATIENT), 70, "mssgw: internal error (RuntimeError)"),
        (KeyboardInterrupt(), 130, "mssgw: interrupted\n"),
    ],
)
def test_errors_of_the_store_have_their_codes_and_no_traceback(monkeypatch, office, run, error, code, line):
    async def fails(**_):
        raise error

    monkeypatch.setattr(office, "queue", fails)
    told = run("queue", "list")
    assert told.exit_code == code
    (said,) = told.stderr.split("\n")[-2:-1]  # after ^C click first ends the terminal's line
    assert f"{said}\n".startswith(line)
    assert len(told.stderr.strip().splitlines()) == 1
    assert PATIENT not in told.stderr


def test_debug_shows_where_an_error_came_from(monkeypatch, office, run):
    async def fails(**_):
        raise RuntimeError("here")

    monkeypatch.setattr(office, "queue", fails)
    assert "Traceback" in run("--debug", "queue", "list").stderr


def test_control_characters_do_not_reach_the_terminal(office, run):
    """A mailbox may hold C1 controls (RFC 6531), and 0x9b begins an escape sequence on old terminals."""
    from dataclasses import replace

    from mssgw.core.addresses import Address

    office.put()
    office.rows[0] = replace(office.rows[0], sender=Address.parse("dr\x9b31mmartin@cabinet.mssante.fr"))
    listed = run("queue", "list", "--addresses")
    assert "\x9b" not in listed.stdout
    assert "dr?31mmartin" in listed.stdout


def test_a_real_process_exits_64_with_a_clean_stderr():
    told = mssgw("queue", "list", "--state", "nonsense")
    assert told.returncode == 64
    assert told.stderr.startswith("mssgw: queue list: ")
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("conversation", "close", WRONG_KEY, DOCTOR), "conversation close: PATIENT: la cle"),
        (("conversation", "close", MATRICULE, "dr martin"), "conversation close: BAL: an address has"),
        (("conversation", "block", MATRICULE, PATIENT), "conversation block: BAL: expected the mailbox of"),
        (("conversation", "list", "--patient", WRONG_KEY), "conversation list: --patient: la cle"),
        (("conversation", "list", "--bal", "dr martin"), "conversation list: --bal: an address has"),
        (("directory", "set", "dr martin", "--kind", "PER"), "directory set: ADDRESS: an address has"),
        (("directory", "unset", PATIENT), "directory unset: ADDRESS: expected the mailbox of"),
        (("report", "unread", "--older", "7d", "--sender", "dr martin"), "report unread: --sender: an address has"),
        (("trace", "dr martin@"), "trace: ADDRESS: an address has"),
    ],
)
def test_a_wrong_address_or_matricule_is_told_with_the_argument_that_holds_it(run, words, told):
    """In a script of many commands, and of two addresses, it says where to look; never the value."""
    refused = run(*words)
    assert refused.exit_code == exits.Code.DATA
    assert refused.stderr.splitlines()[-1].startswith(f"mssgw: {told}")
    assert WRONG_KEY not in refused.stderr


def test_an_unreadable_configuration_is_78_with_its_file(tmp_path):
    told = mssgw("check", "--config", str(tmp_path / "absent.toml"), "--json")
    assert told.returncode == 78
    problem = json.loads(told.stdout)
    assert problem["severity"] == "error"
    assert problem["file"].endswith("absent.toml")


def test_check_names_file_line_key_and_what_was_expected(tmp_path):
    path = tmp_path / "mssgw.toml"
    path.write_text('[gateway]\nhostname = "mssgw.exemple.fr"\n\n[delivery]\ngive_up_after = "lundi"\n')
    told = mssgw("check", env=os.environ | {"MSSGW_CONFIG": str(path)})
    assert told.returncode == 78
    assert f"error: {path}:5: delivery.give_up_after: expected a duration" in told.stdout


def test_what_keeps_the_gateway_from_starting_has_its_priority_in_the_journal(tmp_path):
    """`journalctl -p warning` shows why, and not only that systemd tries again; to anybody else it is as before."""
    (tmp_path / "mssgw.toml").write_text("[nothing]\n")
    for words, told in ((["serve"], "<3>mssgw: "), (["check"], "<3>error: ")):
        with (tmp_path / "journal").open("w+") as stream:
            file = os.fstat(stream.fileno())
            command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", *words]
            command += ["--config", str(tmp_path / "mssgw.toml")]
            environment = os.environ | {"JOURNAL_STREAM": f"{file.st_dev}:{file.st_ino}"}
            subprocess.run(command, stdout=stream, stderr=stream, env=environment, timeout=30, check=False)
            stream.seek(0)
            journal = stream.read().splitlines()
        assert [line for line in journal if line.startswith(f"{told}{tmp_path}")] != []
        plain = mssgw(*command[3:], env=environment)
        assert "<3>" not in plain.stdout + plain.stderr


def test_no_core_is_written_whatever_the_shell_allows():
    """The master key would be in it, and letters; by hand there is no unit that forbids it."""
    script = (
        "import atexit, resource; limit = resource.RLIMIT_CORE; "
        "resource.setrlimit(limit, (resource.getrlimit(limit)[1],) * 2); "
        "atexit.register(lambda: print(resource.getrlimit(limit)[0])); "
        f"from mssgw.app.cli import main; main(['ins', 'check', '{MATRICULE}'])"
    )
    told = subprocess.run([sys.executable, "-c", script], timeout=30, check=False, capture_output=True, text=True)
    assert told.stdout.splitlines() == ["valid", "0"]


def test_a_reader_that_leaves_is_no_error():
    """`mssgw queue list | head`: quiet on stderr, and no traceback at exit."""
    script = (
        "import asyncio; from tests.unit.app.office_double import OfficeDouble; from mssgw.app.cli import main\n"
        "office = OfficeDouble()\n"
        "for number in range(5000): office.put()\n"
        "main(['queue', 'list', '--json', '--limit', '9999'], obj=office.open)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert json.loads(process.stdout.readline())["id"] == ID
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == exits.Code.READER_LEFT


@pytest.mark.parametrize("buffered", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("words", [("ins", "check", MATRICULE), ("--version",), ("queue", "list", "--help")])
def test_an_output_that_takes_no_more_is_told_from_a_store_that_is_full(words, buffered):
    """`mssgw queue list > /mnt/full/list`: whoever reads 69 looks for the trouble in the store."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", "from mssgw.app.cli import main; main()", *words]
        how = {"stdout": full, "stderr": subprocess.PIPE, "env": environ | buffered}
        told = subprocess.run(command, text=True, timeout=30, check=False, **how)
    assert told.returncode == exits.Code.OUTPUT
    (line,) = told.stderr.splitlines()
    assert line.startswith("mssgw: standard output cannot be written: No space left on device")


def test_a_store_on_a_full_disk_is_not_taken_for_our_output(monkeypatch, office, run):
    async def fails(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(office, "queue", fails)
    told = run("queue", "list")
    assert (told.exit_code, told.stderr) == (exits.Code.UNAVAILABLE, "mssgw: No space left on device\n")


def test_key_new_writes_a_key_that_only_its_owner_reads(run, tmp_path):
    path = tmp_path / "master.key"
    assert run("key", "new", str(path)).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    assert run("key", "new", str(path)).exit_code == 1
    assert path.read_bytes() == first


def test_a_configuration_that_may_not_be_read_is_a_matter_of_permission(run, tmp_path, monkeypatch):
    """Not of the command line, as click would have it: the answer is who to be."""
    (path := tmp_path / "mssgw.toml").write_text("")
    access = os.access
    monkeypatch.setattr(os, "access", lambda asked, *mode: asked != str(path) and access(asked, *mode))
    monkeypatch.setattr(Path, "read_bytes", failing_to_open)
    for words in (("cda", "pack", "status"), ("check",)):
        told = run(*words, "--config", str(path))
        assert told.exit_code == exits.Code.NO_PERMISSION
        assert f"{path}: cannot be read: Permission denied" in told.output
        assert "run it as root, or as the gateway's user" in told.stderr


def test_a_configuration_that_the_gateways_user_may_not_read_is_no_credential(monkeypatch):
    """A mode of 0600, root's: who is told to make a credential of it goes astray."""
    monkeypatch.setattr(opening, "_went_on_as_owner", ["mssgw"])
    closed = Problem("/etc/mssgw/mssgw.toml", 0, "", "cannot be read: Permission denied")
    code, lines = exits.code_and_lines(ConfigErrors([closed]))
    assert code == exits.Code.NO_PERMISSION
    assert "chgrp mssgw /etc/mssgw/mssgw.toml, chmod 0640 /etc/mssgw/mssgw.toml" in lines[-1]
    assert "LoadCredential" not in lines[-1]
    secret = Problem("/etc/mssgw/mssgw.toml", 9, "store.password_file", "cannot be read: Permission denied (/x)")
    assert "LoadCredential" in exits.code_and_lines(ConfigErrors([secret]))[1][-1]


def test_a_store_that_another_user_may_open_is_a_matter_of_permission(tmp_path, monkeypatch):
    """The lock is the first file that a command opens: who to be, not that the store is down."""
    monkeypatch.setattr(os, "open", failing_to_open)
    with pytest.raises(StoreUnavailable) as refused, store_lock(tmp_path):
        pass
    code, lines = exits.code_and_lines(refused.value)
    assert code == exits.Code.NO_PERMISSION
    assert str(tmp_path / "lock") in lines[0]
    assert "sudo -u mssgw" in lines[-1]


@pytest.mark.parametrize("name", ["lock", "mssgw.db.lock", "trust/crl.lock"])
def test_a_file_that_somebody_left_in_the_state_directory_is_to_be_given_to_its_owner(tmp_path, monkeypatch, name):
    """Neither another user opens it, nor a credential: root went on as the gateway's user, whose folder it is."""
    monkeypatch.setattr(opening, "_went_on_as_owner", ["mssgw"])
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid)
    closed = PermissionError(13, "Permission denied", str(tmp_path / name))
    unavailable = StoreUnavailable("closed")
    unavailable.__cause__ = closed
    for error in (closed, unavailable):
        code, lines = exits.code_and_lines(error)
        assert code == exits.Code.NO_PERMISSION
        assert f"chown -R mssgw: {tmp_path}" in lines[-1]
        assert "sudo" not in lines[-1]
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # a file in another's folder, as /etc/mssgw/secrets is
    assert "LoadCredential=" in exits.code_and_lines(closed)[1][-1]


def failing_to_open(path, *_):
    raise PermissionError(13, "Permission denied", str(path))


def test_key_new_says_how_to_make_the_folder_that_is_missing(run, tmp_path):
    told = run("key", "new", str(tmp_path / "secrets" / "master.key"))
    assert told.exit_code == 65
    assert f"install -d -m 0700 {tmp_path / 'secrets'}" in told.stderr


def test_a_configuration_that_another_user_may_read_is_a_matter_of_permission():
    """Typed as the wrong user: the answer is who to be, not that the file is wrong."""
    closed = Problem("f.toml", 3, "listener[0].key", "cannot be read: Permission denied (/etc/mssgw/tls.key)")
    wrong = Problem("f.toml", 9, "log.level", "expected something else")
    code, lines = exits.code_and_lines(ConfigErrors([closed]))
    assert code == exits.Code.NO_PERMISSION
    assert "sudo -u mssgw" in lines[-1]
    assert exits.code_and_lines(ConfigErrors([closed, wrong])) == (exits.Code.CONFIG, [str(closed), str(wrong)])


def test_a_key_that_the_gateways_user_may_not_read_needs_another_key_not_another_user(tmp_path, monkeypatch):
    """Root went on as that user, who is told neither to become root nor to become himself."""
    monkeypatch.setattr(Path, "open", failing_to_open)
    with pytest.raises(UnusableKey) as refused:
        read_master_key(tmp_path / "master.key")
    assert "sudo -u mssgw" in exits.code_and_lines(refused.value)[1][-1]
    monkeypatch.setattr(opening, "_went_on_as_owner", ["mssgw"])
    code, lines = exits.code_and_lines(refused.value)
    assert code == exits.Code.NO_PERMISSION
    assert "sudo" not in lines[-1]
    assert "LoadCredential=" in lines[-1]


def test_a_certificate_that_cannot_be_used_is_a_matter_of_configuration():
    """Between reading the configuration and using it, a file may change; a credential is seen by the service only."""
    wrong = TlsMisconfigured("/etc/mssgw/tls.key: is not the private key of /etc/mssgw/tls.pem")
    assert exits.code_and_lines(wrong) == (exits.Code.CONFIG, [str(wrong)])


def test_a_port_in_use_is_told_with_how_to_find_who_has_it():
    taken = OSError(errno.EADDRINUSE, "error while attempting to bind on address ('127.0.0.1', 2525)")
    code, (line,) = exits.code_and_lines(taken)
    assert code == exits.Code.UNAVAILABLE
    assert "2525" in line
    assert "ss -ltnp" in line


@pytest.mark.parametrize(
    ("number", "expected", "told"),
    [
        (errno.EADDRNOTAVAIL, 69, "no address of this machine: `ip addr`"),
        (errno.EACCES, 77, "ports below 1024 are opened by mssgw.socket, or by root"),
    ],
)
def test_an_address_that_cannot_be_bound_is_told_with_why(monkeypatch, number, expected, told):
    """As the standard library raises it, who adds the address to the kernel's words."""

    def refuse(self, address):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(OSError, match="bind") as refused:
        socket.create_server(("127.0.0.1", 25))
    code, (line,) = exits.code_and_lines(refused.value)
    assert code == expected
    assert "127.0.0.1" in line
    assert told in line


def test_key_rotate_works_alone_with_a_proper_key(office, run, tmp_path):
    """It asks for the store alone, and refuses what is no key, or one that others can read."""
    path = tmp_path / "new.key"
    missing = run("key", "rotate", "--new", str(path))
    assert missing.exit_code == 65
    assert f"`mssgw key new {path}` makes one" in missing.stderr
    unseen = run("key", "rotate", "--new", "credential:new-key")
    assert (unseen.exit_code, "credential:new-key is not seen here: systemd-run" in unseen.stderr) == (65, True)
    run("key", "new", str(path))
    assert run("key", "rotate", "--new", str(path)).exit_code == 0
    assert office.new_key == path.read_bytes()
    assert {alone for _, alone in office.opened} == {True}
    path.chmod(0o644)
    assert run("key", "rotate", "--new", str(path)).exit_code == 65
    path.chmod(0o600)
    path.write_bytes(b"short")
    assert run("key", "rotate", "--new", str(path)).exit_code == 65


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--to", "zut"), TO),
        (("--to", "sqlite:////tmp/new.db"), TO),
        (("--to", "postgresql+psycopg://moi:secret@db.chu.fr"), TO),
        (("--to", "postgresql+psycopg://moi:secret@db.chu.fr/mssgw"), WITH_PASSWORD),
        (("--to", "postgresql+psycopg://moi:sec/ret@db.chu.fr/mssgw"), WITH_PASSWORD),
        (("--to", "postgresql+psycopg://moi@db.chu.fr/mssgw?sslmode=require&password=secret"), WITH_PASSWORD),
        (("--from", "zut", "--to", "postgresql://db/mssgw"), "--from: expected sqlite:////var/lib/mssgw/mssgw.db"),
    ],
)
def test_db_copy_names_the_option_whose_url_is_none_that_it_takes(run, words, expected):
    """And does not repeat it: a URL may hold a password. Nothing is opened before."""
    told = run("db", "copy", *words)
    assert (told.exit_code, told.stderr) == (65, f"mssgw: db copy: {expected}\n")


@pytest.mark.parametrize(("lost", "said"), [(0, "0 lost deliveries are held\n"), (1, "1 lost delivery is held\n")])
def test_db_mend_has_the_store_alone_and_says_what_it_holds(office, run, lost, said):
    """Beside a daemon it could hold a letter that has just been accepted."""
    office.lost = lost
    told = run("db", "mend")
    assert (told.exit_code, told.stdout) == (0, said)
    assert {alone for _, alone in office.opened} == {True}


def test_the_store_is_shared_or_had_alone(tmp_path):
    """Commands go beside the daemon; a key rotation neither beside it nor beside them."""
    with store_lock(tmp_path), store_lock(tmp_path), pytest.raises(StoreBusy, match="stop it first"):
        store_lock(tmp_path, alone=True).__enter__()
    with store_lock(tmp_path, alone=True), pytest.raises(StoreBusy, match="being rotated"):
        store_lock(tmp_path).__enter__()
    with store_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    """kill -9 leaves nothing to clean up."""
    script = (
        "import sys, signal, pathlib; from mssgw.edges.store_lock import store_lock\n"
        "with store_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy):
            store_lock(tmp_path, alone=True).__enter__()
        holder.kill()
        holder.wait(30)
    with store_lock(tmp_path, alone=True):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_goes_on_as_the_owner_of_the_store(tmp_path):
    """A file that root leaves there is closed to the daemon. The journal still names who typed."""
    os.chown(tmp_path, 65534, 65534)
    script = (
        "import os, sys, pathlib; from mssgw.app.cli import opening, people\n"
        "opening.become_owner(pathlib.Path(sys.argv[1])); print(os.getuid(), os.geteuid(), people.operator())\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('for good')"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=os.environ | {"SUDO_USER": "anne"},
    )
    assert told.stdout == "65534 65534 anne\nfor good\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_who_goes_on_as_the_owner_has_the_owners_home(tmp_path):
    """libpq looks for certificates in $HOME: where it may not look, every TLS connection fails."""
    os.chown(tmp_path, 65534, 65534)
    script = (
        "import os, sys, pathlib; from mssgw.app.cli import opening\n"
        "opening.become_owner(pathlib.Path(sys.argv[1])); print(os.environ['HOME'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert told.stdout == f"{pwd.getpwuid(65534).pw_dir}\n"


def test_the_double_is_an_office():
    """What the commands are tested over has the shape that composition implements."""
    from mssgw.app.office import Office

    for name in ("desk", "store", "space", "ours", "bounce", "explain_file", "explain_id"):
        assert hasattr(Office, name)
        assert hasattr(OfficeDouble(), name)

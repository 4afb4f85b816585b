"""A private Debian Postfix on loopback: the establishment's server, or the next hop that delivers to files.

The instance has its configuration, queue and mail under one directory of its own in /tmp and never touches the
machine's Postfix. It is started as root and drops to the user ``postfix`` by itself.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.ports import free_port, wait_until_it_listens

POSTFIX = "/usr/sbin/postfix"
_START_LIMIT = _STOP_LIMIT = 30.0  # seconds

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = {hostname}
myorigin = {hostname}
mydestination =
alias_maps =
alias_database =
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
# What a server in front of a relay that must not change a byte looks like.
local_header_rewrite_clients =
message_size_limit = 52428800
mailbox_size_limit = 0
smtp_line_length_limit = 0
smtp_tls_security_level = none
relayhost = {relayhost}
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:inbox/
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
# A peer that was down is tried again at once.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
smtp_connect_timeout = 5s
default_destination_concurrency_limit = 20
default_destination_concurrency_failed_cohort_limit = 0
"""

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - 100 smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
tlsmgr    unix  - - n 1000? 1 tlsmgr
tlsproxy  unix  - - n - 0 tlsproxy
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def missing() -> str | None:
    """Why Postfix cannot be started here, or None."""
    if not Path(POSTFIX).exists():
        return "Debian's package postfix is not installed"
    if os.geteuid() != 0:
        return "Postfix must be started by root (it drops to its own user itself)"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One file that Postfix delivered. ``at`` is its time of arrival, seconds since the epoch."""

    path: Path
    at: float

    def raw(self) -> bytes:
        """The message as it came in: CRLF line ends, below the fields that the delivery agent put on top."""
        return self.path.read_bytes().replace(b"\n", b"\r\n")


class PostfixInstance:
    """One Postfix on ``port``. Mail for ``domains`` ends in files, everything else goes to ``relay_to``.

    ``settings`` are further lines of main.cf. As a context manager it is started and surely stopped.
    """

    def __init__(
        self,
        hostname: str,
        *,
        domains: tuple[str, ...] = (),
        relay_to: int | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.hostname = hostname
        # Not pytest's tmp_path: that is closed to the user postfix.
        self.home = Path(tempfile.mkdtemp(prefix="mssgw-postfix-"))
        self._lay_out(domains, f"[127.0.0.1]:{relay_to}" if relay_to else "", settings or {})

    def _lay_out(self, domains: tuple[str, ...], relayhost: str, settings: Mapping[str, str]) -> None:
        self.home.chmod(0o755)
        for name, owner in (("etc", "root"), ("queue", "root"), ("data", "postfix"), ("mail", "nobody")):
            (self.home / name).mkdir(mode=0o755)
            shutil.chown(self.home / name, owner)
        (self.home / "maillog").touch()
        shutil.chown(self.home / "maillog", "postfix")  # its tools log there as root and as postfix
        nobody = pwd.getpwnam("nobody")
        main = _MAIN_CF.format(
            home=self.home,
            hostname=self.hostname,
            relayhost=relayhost,
            domains=", ".join(domains),
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
        )
        kept = [line for line in main.splitlines() if line.partition(" =")[0] not in settings]
        main = "\n".join([*kept, *(f"{key} = {value}" for key, value in settings.items()), ""])
        (self.home / "etc/main.cf").write_text(main)
        (self.home / "etc/master.cf").write_text(_MASTER_CF.format(port=self.port))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None and hasattr(error, "add_note"):
            error.add_note(self.last_log_lines())
        self.close()

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        done = self._command("start")
        assert done.returncode == 0, f"postfix start: {done.stdout}\n{self.last_log_lines()}"
        assert wait_until_it_listens(self.port, limit=_START_LIMIT), self.last_log_lines()

    def stop(self) -> None:
        """Stop it, and return when its master process has ended. Mail that waits stays in the queue."""
        master = self._master_pid()
        if master is None:
            return
        self._command("stop")
        end = time.monotonic() + _STOP_LIMIT
        while _alive(master):
            if time.monotonic() > end:
                os.killpg(master, signal.SIGKILL)  # the master leads a process group of its own
                break
            time.sleep(0.05)

    def close(self) -> None:
        """Stop it and remove all it had."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def flush(self) -> None:
        """Try all waiting mail now."""
        self._run("/usr/sbin/postqueue", "-c", str(self.home / "etc"), "-f")

    def waiting(self) -> int:
        """How many messages are in the queue."""
        queue = self.home / "queue"
        names = ("maildrop", "incoming", "active", "deferred")
        return sum(1 for name in names for path in (queue / name).rglob("*") if path.is_file())

    def arrived(self) -> list[Arrived]:
        """All messages delivered so far, oldest first."""
        found = (Arrived(path=path, at=path.stat().st_mtime) for path in (self.home / "mail/inbox/new").glob("*"))
        return sorted(found, key=lambda each: each.at)

    def count(self) -> int:
        """How many messages were delivered so far."""
        try:
            return len(os.listdir(self.home / "mail/inbox/new"))
        except FileNotFoundError:
            return 0

    def wait_for(self, count: int, *, limit: float = 30.0) -> list[Arrived]:
        """Wait until at least ``count`` messages were delivered; an AssertionError with the log when they are not."""
        end = time.monotonic() + limit
        while self.count() < count:
            assert time.monotonic() < end, f"{self.count()} of {count} messages arrived\n{self.last_log_lines()}"
            time.sleep(0.05)
        return self.arrived()

    def wait_until_idle(self, *, limit: float = 30.0) -> None:
        """Wait until all that it took was delivered."""
        end = time.monotonic() + limit
        while (waiting := self.waiting()) > 0:
            assert time.monotonic() < end, f"{waiting} messages wait\n{self.last_log_lines()}"
            time.sleep(0.02)

    def wait_for_letter(self, mark: str, *, limit: float = 30.0) -> bytes:
        """Wait for a letter that holds this text, and give it as it came in."""
        end = time.monotonic() + limit
        while (found := self.letter_with(mark)) is None:
            assert time.monotonic() < end, f"no letter with {mark} arrived\n{self.last_log_lines()}"
            time.sleep(0.05)
        return found

    def letter_with(self, mark: str) -> bytes | None:
        """The oldest letter that arrived so far and holds this text, or None."""
        letters = (each.raw() for each in self.arrived())
        return next((raw for raw in letters if mark.encode() in raw), None)

    def log(self) -> str:
        """The whole log."""
        try:
            return (self.home / "maillog").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def last_log_lines(self, count: int = 25) -> str:
        """The end of the log, for a failure's text."""
        return "\n".join([f"--- {self.hostname} maillog", *self.log().splitlines()[-count:]])

    def _master_pid(self) -> int | None:
        try:
            pid = int((self.home / "queue/pid/master.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _alive(pid) else None

    def _command(self, verb: str) -> subprocess.CompletedProcess[str]:
        return self._run(POSTFIX, "-c", str(self.home / "etc"), verb)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Output to a file, not a pipe: the daemons inherit it and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60)
            output.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, output.read())


def _alive(pid: int) -> bool:
    """Whether that process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

"""A private Debian Dovecot on loopback: IMAP with STARTTLS and with TLS from the first byte, and LMTP.

It is started as root and drops to its own users by itself; mail belongs to ``nobody``.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.mail_store import HOST, LIMIT, MASTER, MASTER_PASSWORD, PASSWORD, MailStore
from demo.ports import free_port

DOVECOT = "/usr/sbin/dovecot"

# What both generations of the configuration's language understand; 2.4 (Debian 13) wants its version first.
_CONF = """\
{first}
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap lmtp
listen = 127.0.0.1
default_process_limit = 600
default_client_limit = 2000
mail_max_userip_connections = 0
auth_failure_delay = 0
ssl = yes
auth_mechanisms = plain login
auth_username_chars =
postmaster_address = postmaster@{host}
hostname = {host}
namespace inbox {{
  inbox = yes
  separator = /
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
  unix_listener {home}/lmtp {{
    mode = 0666
  }}
}}
{more}
"""

_UNTIL_2_3 = """\
ssl_cert = <{chain}
ssl_key = <{key}
ssl_dh = </usr/share/dovecot/dh.pem
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/masters
  master = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {home}/users
}}
plugin {{
  quota = maildir:User quota
  quota_grace = 0
}}
"""

_SINCE_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = {chain}
ssl_server_key_file = {key}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
mail_plugins {{
  quota = yes
}}
protocol imap {{
  mail_plugins {{
    imap_quota = yes
  }}
}}
passdb masters {{
  driver = passwd-file
  passwd_file_path = {home}/masters
  master = yes
}}
passdb users {{
  driver = passwd-file
  passwd_file_path = {home}/users
}}
userdb users {{
  driver = passwd-file
  passwd_file_path = {home}/users
}}
quota "User quota" {{
  driver = maildir
}}
quota_storage_grace = 0
"""


def missing() -> str | None:
    """Why Dovecot cannot be started here, or None."""
    if not Path(DOVECOT).exists() or not Path("/usr/lib/dovecot/lmtp").exists():
        return "Debian's packages dovecot-imapd and dovecot-lmtpd are not installed"
    if os.geteuid() != 0:
        return "Dovecot must be started by root (it drops to its own users itself)"
    return None


def version() -> tuple[int, int]:
    """That of Debian's Dovecot. Its configuration was given another language with 2.4."""
    said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, timeout=LIMIT, check=True)
    major, minor = said.stdout.split(".")[:2]
    return int(major), int(minor)


class DovecotStore(MailStore):
    """``lmtp_port`` and the socket ``lmtp_socket`` take letters by LMTP, ``lmtp_port`` with STARTTLS too."""

    name = "dovecot"

    def __init__(self, *accounts: str, more: str = "", quotas: Mapping[str, int] | None = None) -> None:
        """``more``: further lines of dovecot.conf. ``quotas``: octets that an account may hold."""
        super().__init__(*accounts)
        self._quotas = quotas or {}
        self._new = version() >= (2, 4)
        self.tls_port = free_port()
        self.lmtp_port = free_port()
        self.lmtp_socket = self.home / "lmtp"
        self._lay_out(more)

    def command(self) -> Sequence[str | Path]:
        return (DOVECOT, "-F", "-c", self.home / "dovecot.conf")

    def _lay_out(self, more: str) -> None:
        (self.home / "mail").mkdir()
        shutil.chown(self.home / "mail", "nobody", "nogroup")
        users = (self._user(each) for each in self.accounts)
        self._write("users", "".join(users))
        self._write("masters", f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        first = (_SINCE_2_4 if self._new else _UNTIL_2_3).format(home=self.home, chain=self.chain, key=self.key)
        text = _CONF.format(
            first=first,
            home=self.home,
            host=HOST,
            port=self.port,
            tls_port=self.tls_port,
            lmtp_port=self.lmtp_port,
            more=more,
        )
        self._write("dovecot.conf", text)

    def _user(self, account: str) -> str:
        limit = "userdb_quota_storage_size={}" if self._new else "userdb_quota_rule=*:bytes={}"
        limit = limit.format(self._quotas[account]) if account in self._quotas else ""
        return f"{account}:{{PLAIN}}{PASSWORD}:nobody:nogroup::{self.home}/mail/{account}::{limit}\n"

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text, "utf-8")
        path.chmod(0o644)

"""Files and folders that work but deserve a second look: who may read them, and whether the service can."""

import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from mssgw.app.config import lines
from mssgw.app.config.model import Config
from mssgw.app.config.places import SecretFile
from mssgw.app.config.problems import Complaint, Found
from mssgw.edges.vault import UnusableKey, read_master_key

_Named = tuple[lines.Path, SecretFile | None]

SERVICE_USER = "mssgw"  # systemd/sysusers.conf
HIDDEN = (Path("/etc/mssgw/secrets"), Path("/etc/mssgw/tls"))  # InaccessiblePaths= of systemd/mssgw.service


def _secrets(config: Config) -> list[_Named]:
    """Files that only the gateway may read, by the keys that name them."""
    files: list[_Named] = [
        (("store", "master_key_file"), config.master_key),
        (("store", "password_file"), config.store.password_file),
        (("notifications", "next_hop_password_file"), config.notifications.next_hop_password_file),
    ]
    if config.trust is not None:
        files.append((("trust", "key"), config.trust.key))
    files += [(("listener", n, "key"), each.key) for n, each in enumerate(config.listeners)]
    for n, each in enumerate(config.establishments):
        files.append((("establishment", n, "next_hop_password_file"), each.next_hop_password_file))
    for n, operator in enumerate(config.trusted_domains):
        files.append((("trusted_domain", n, "next_hop_password_file"), operator.next_hop_password_file))
    files += [(("collector", n, "password_file"), each.password_file) for n, each in enumerate(config.collectors)]
    files += [(("mailbox", n, "password_file"), each.password_file) for n, each in enumerate(config.mailboxes)]
    for n, store in enumerate(config.mail_stores):
        files.append((("mail_store", n, "master_password_file"), store.master_password_file))
    return files


def _others(config: Config) -> Iterator[_Named]:
    yield from ((("listener", n, "certificate"), each.certificate) for n, each in enumerate(config.listeners))
    yield ("delivery", "ca_file"), config.delivery.ca_file
    yield ("notifications", "ca_file"), config.notifications.ca_file
    if (trust := config.trust) is not None:
        for name in ("anchors", "certificate", "white_list_signer", "white_list_ca"):
            yield ("trust", name), getattr(trust, name)


def _by_path(files: Iterable[_Named]) -> Iterator[tuple[lines.Path, Path]]:
    """Those that the service opens by their names: no credentials."""
    for at, file in files:
        if file is not None and file.path is not None and not file.credential:
            yield at, file.path


def _unseen(config: Config) -> Found:
    """A credential that its unit does not load stops the service, and nothing of it is seen from a shell."""
    for at, file in (*_secrets(config), *_others(config)):
        if file is not None and file.credential and file.path is None:
            name = file.named.partition(":")[2]
            message = f"{file.named} is not seen here, so nobody looked at it: has the unit LoadCredential={name}:FILE?"
            yield Complaint(at, message)


def _out_of_reach(config: Config) -> Found:
    """What root can read and the service cannot: the file looks right, and the service does not start."""
    if os.geteuid() != 0:  # others see what they may not read: an error
        return
    for at, path in _by_path((*_secrets(config), *_others(config))):
        if any(path.resolve().is_relative_to(folder) for folder in HIDDEN):
            message = (
                f"the unit hides {path.parent} from the service (InaccessiblePaths=): add "
                f"LoadCredential=NAME:{path} to the unit, and name it credential:NAME here"
            )
            yield Complaint(at, message)
        elif not _service_reads(path):
            message = (
                f"the service's user {SERVICE_USER} may not read {path}: LoadCredential=NAME:{path} in the unit and "
                f"credential:NAME here, or chgrp {SERVICE_USER} and chmod 0440"
            )
            yield Complaint(at, message)


def _the_file_itself(config: Config) -> Found:
    """Root reads it whatever its mode is; the service would not start."""
    path = Path(config._file)
    if os.geteuid() == 0 and not _service_reads(path):
        let = f"chgrp {SERVICE_USER} {path}, chmod 0640 {path}"
        yield Complaint((), f"the service's user {SERVICE_USER} may not read this file: {let}")


def _service_reads(path: Path) -> bool:
    """True also when nobody can say: no such user here, or no such file, which is an error already."""
    try:
        account = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return True
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    try:
        asked = subprocess.run(  # noqa: S603 - no shell, and the path is one argument
            ["/usr/bin/test", "-r", str(path)],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=groups,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return asked.returncode == 0 or not path.exists()


def _key_files(config: Config) -> Found:
    for at, path in _by_path(_secrets(config)):
        if _open_to_all(path):
            yield Complaint(at, f"every user of the machine may use it: chmod o= {path}")
    if config.master_key.path == config.gateway.state_dir / "master.key":
        message = (
            f"no key file is named, and no systemd credential master-key is seen here: it would be looked for in "
            f"{config.master_key.path}, beside the letters that it seals; leave it so if the unit has "
            "LoadCredential=master-key:, else name a file elsewhere"
        )
        yield Complaint(("store", "master_key_file"), message)
    if config.store.master_key_file is None and os.access(key := config.master_key.require(), os.R_OK):
        try:
            read_master_key(key)
        except UnusableKey as error:  # nor with a file that is named: checks.py
            yield Complaint(("store", "master_key_file"), f"the service would not start with it: {error}")


def _open_to_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o007)
    except OSError:
        return False


def _state(config: Config) -> Found:
    """Whether the daemon could write there, or make it below the folder that it is for."""
    folder = config.gateway.state_dir
    folder = folder if folder.exists() else folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"not writable for this user: {folder}"
        if folder != config.gateway.state_dir:
            make = f"install -d -m 0700 -o {SERVICE_USER} -g {SERVICE_USER} {config.gateway.state_dir}"
            message = f"does not exist, and this user may not make it: {make}"
        yield Complaint(("gateway", "state_dir"), message)
    elif folder == config.gateway.state_dir and folder.stat().st_mode & 0o007:
        yield Complaint(("gateway", "state_dir"), f"every user of the machine may look in: chmod o= {folder}")


def _strangers(config: Config) -> Found:
    """What root left there: the daemon cannot open it, and says so only when it needs it."""
    folder = config.gateway.state_dir
    try:
        owner = folder.stat().st_uid
        left = [each.name for each in os.scandir(folder) if each.stat(follow_symlinks=False).st_uid != owner]
    except OSError:  # not there yet, or closed to this user
        return
    # Where a disk is mounted there, this one is root's; a key may be root's, and read by a group.
    if names := sorted({*left} - {"lost+found", *(path.name for _, path in _by_path(_secrets(config)))}):
        message = f"not of the folder's owner: {', '.join(names[:5])}; chown -R --reference={folder} {folder}"
        yield Complaint(("gateway", "state_dir"), message)


FILE_ADVICE = (_the_file_itself, _key_files, _unseen, _out_of_reach, _state, _strangers)

"""Settings that work but deserve a second look: what ``mssgw check`` warns of."""

import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssgw.app.config import lines
from mssgw.app.config.files import path_readable
from mssgw.app.config.model import Config, Conversations, Establishment, Tls, TrustedDomain, TrustSettings
from mssgw.app.config.problems import Complaint
from mssgw.app.config.values import SecretFile
from mssgw.core.bal import BalKind
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy
from mssgw.edges.identity import in_file

Found = Iterator[Complaint]

SOON = 30  # days before a certificate ends
SERVICE_USER = "mssgw"  # systemd/sysusers.conf
HIDDEN = (Path("/etc/mssgw/secrets"), Path("/etc/mssgw/tls"))  # InaccessiblePaths= of systemd/mssgw.service


def blemishes(config: Config) -> list[Complaint]:
    """All warnings about a configuration that holds together."""
    checks = (
        _persons,
        _ways_in_and_out,
        _patients,
        _patient_space,
        _tls,
        _trust,
        _logins,
        _directory,
        _closing,
        _reports,
        _going_live,
        _trace,
        _key_files,
        _out_of_reach,
        _state,
    )
    return [complaint for check in checks for complaint in check(config)]


def _persons(config: Config) -> Found:  # req: SD-6, BAL-3
    """A shared mailbox whose sender nobody can name."""
    unseen = [each for each in config.establishments if not _knows_persons(config, each)]
    blind = {domain: each.name for each in unseen for domain in each.domains}
    for n, mailbox in enumerate(config.mailboxes):
        name = blind.get(mailbox.address.domain)
        if name is not None and mailbox.kind in (BalKind.ORG, BalKind.APP):
            message = (
                f'shared mailbox, but "{name}" tells us no person: the journal will say "person unknown"; '
                "set xclient, person_received or person_header, or give its people logins (SD-6)"
            )
            yield Complaint(("mailbox", n), message)


def _knows_persons(config: Config, client: Establishment) -> bool:
    told = client.xclient or client.person_received or client.person_header is not None
    return told or any(login.establishment == client.name for login in config.logins)


def _ways_in_and_out(config: Config) -> Found:
    for n, client in enumerate(config.establishments):
        if client.next_hop is None:
            yield Complaint(("establishment", n), "no next_hop: mail to its domains is refused, failure notices too")
        if not client.networks and not any(login.establishment == client.name for login in config.logins):
            yield Complaint(("establishment", n), "neither networks nor a [[login]]: it cannot send")
    for n, operator in enumerate(config.trusted_domains):
        if not operator.networks and config.trust is None:
            yield Complaint(("trusted_domain", n), "no networks: all mail from its domains is refused")
    roles = {listener.role for listener in config.listeners}
    for role in (Role.ESTABLISHMENT, Role.TRUST_SPACE):
        if role not in roles:
            yield Complaint(("listener",), f'no listener has role = "{role}"')


def _patient_space(config: Config) -> Found:
    space = config.patient_space
    if space is None:
        return
    if not any(listener.role is Role.PATIENT_SPACE for listener in config.listeners):
        yield Complaint(("patient_space",), f'no listener has role = "{Role.PATIENT_SPACE}": patients cannot write')
    if space.next_hop is None:
        return
    message = "no read receipt goes out when a patient opens a letter, unless that server sends it: see mail_store"
    yield Complaint(("patient_space", "next_hop"), message)  # req: MDN-2
    if space.next_hop_tls is TlsPolicy.NONE and not space.next_hop.loopback:
        yield Complaint(("patient_space", "next_hop_tls"), "health mail crosses the network in clear text")


def _patients(config: Config) -> Found:
    if config.patient_space is not None:
        return
    served = {domain for operator in config.trusted_domains for domain in operator.domains}
    if config.gateway.patient_domain not in served and config.trust is None:
        message = f"no [[trusted_domain]] holds {config.gateway.patient_domain}: no letter can reach a patient"
        yield Complaint(("gateway", "patient_domain"), message)


def _tls(config: Config) -> Found:  # req: TLS-1
    for n, listener in enumerate(config.listeners):
        if listener.address.loopback and listener.socket is None:
            continue
        if listener.role is Role.TRUST_SPACE and (listener.tls is Tls.NONE or not listener.require_tls):
            yield Complaint(("listener", n, "tls"), "operators may send in clear text: the trust space asks for TLS")
        elif listener.tls is Tls.NONE:
            yield Complaint(("listener", n, "tls"), "health mail crosses the network in clear text")
        elif not listener.require_tls:
            yield Complaint(("listener", n, "require_tls"), "clients may send health mail in clear text")
    clients: tuple[tuple[str, tuple[Establishment | TrustedDomain, ...]], ...] = (
        ("establishment", config.establishments),
        ("trusted_domain", config.trusted_domains),
    )
    for table, entries in clients:
        for n, client in enumerate(entries):
            clear = client.next_hop_tls is TlsPolicy.NONE
            if clear and (client.next_hop is None or not client.next_hop.loopback):
                yield Complaint((table, n, "next_hop_tls"), "health mail crosses the network in clear text")


def _trust(config: Config) -> Found:  # req: TLS-6, WL-6
    trust = config.trust
    if trust is None:
        outside = [n for n, each in enumerate(config.listeners) if each.role is Role.TRUST_SPACE]
        if outside and config.gateway.environment == "production":
            message = (
                "no [trust]: operators are known by their networks alone; whoever takes one of these speaks for them"
            )
            yield Complaint(("listener", outside[0]), message)
        return
    if trust.white_list_unsigned:
        message = "who changes the list on its way, or at its source, decides who may write to us (WL-6)"
        yield Complaint(("trust", "white_list_unsigned"), message)
    if trust.crl_grace is not None and trust.crl_grace > timedelta(hours=24):
        yield Complaint(("trust", "crl_grace"), "so long after its end a list may miss many revocations")
    for at, place in (
        (("trust", "white_list"), trust.white_list),
        *((("trust", "crls", n), each) for n, each in enumerate(trust.crls)),
    ):
        if "://" not in place:
            yield from path_readable(at, Path(place))
    yield from _ends_soon(trust)


def _ends_soon(trust: TrustSettings) -> Found:
    for key, file in (("certificate", trust.certificate), ("anchors", trust.anchors)):
        for each in in_file(file.path) if file.path is not None else ():
            days = (each.not_after - datetime.now(UTC)).days
            if days < SOON:
                when = f"ends in {days} days" if days >= 0 else "has ended"
                yield Complaint(("trust", key), f"{each.subject} {when}: {each.not_after:%Y-%m-%d %H:%M} UTC")


def _logins(config: Config) -> Found:
    asked = [n for n, listener in enumerate(config.listeners) if listener.auth]
    if config.logins and not asked:
        yield Complaint(("login", 0), "no listener has auth = true: nobody can log in")
    if asked and not config.logins:
        yield Complaint(("listener", asked[0], "auth"), "there is no [[login]]: nobody can log in")


def _directory(config: Config) -> Found:  # req: DIR-4
    if config.directory is None:
        return
    if config.directory.max_age < timedelta(hours=48):
        message = "the directory may be published 48 hours late: patients' first letters would wait each time (DIR-4)"
        yield Complaint(("directory", "max_age"), message)
    elif config.directory.max_age > timedelta(days=31):
        message = "a mailbox that is no pharmacy's any more would take patients' first letters for so long (WHO-3)"
        yield Complaint(("directory", "max_age"), message)


def _closing(config: Config) -> Found:  # req: FIN-4
    for n, mailbox in enumerate(config.mailboxes):
        if mailbox.close_after is not None and mailbox.close_after < timedelta(days=7):
            message = "a patient who opens the letter after some days could not answer any more (FIN-7)"
            yield Complaint(("mailbox", n, "close_after"), message)


def _reports(config: Config) -> Found:  # req: TRC-2
    if config.reports.unread_after > config.retention.trace:
        message = "longer than retention.trace: what nobody read is forgotten before it is told of"
        yield Complaint(("reports", "unread_after"), message)


def _going_live(config: Config) -> Found:  # req: SD-9
    policy, today = config.policy, datetime.now(UTC).date()
    if policy.conversations is not Conversations.OBSERVE:
        return
    if policy.enforce_from is None:
        message = "no end: mail on unknown pairs is admitted until somebody changes this; set enforce_from (SD-9)"
        yield Complaint(("policy", "conversations"), message)
    elif policy.enforce_from <= today:
        yield Complaint(("policy", "enforce_from"), 'reached: set conversations = "enforce", and remove this line')


def _trace(config: Config) -> Found:  # req: TRC-2
    if config.retention.trace < timedelta(days=180):
        yield Complaint(("retention", "trace"), "6 months or more are recommended (TRC-2)")


def _secrets(config: Config) -> Iterator[tuple[lines.Path, Path]]:
    """Files that only the gateway may read, by the keys that name them; no credentials."""
    files: list[tuple[lines.Path, SecretFile | None]] = [
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
    return _named(files)


def _named(files: Iterable[tuple[lines.Path, SecretFile | None]]) -> Iterator[tuple[lines.Path, Path]]:
    for at, file in files:
        if file is not None and file.path is not None and not file.credential:
            yield at, file.path


def _files(config: Config) -> Iterator[tuple[lines.Path, Path]]:
    """All files that the service opens by their names."""
    yield from _secrets(config)
    yield from _named((("listener", n, "certificate"), each.certificate) for n, each in enumerate(config.listeners))
    authorities = ("delivery", config.delivery.ca_file), ("notifications", config.notifications.ca_file)
    yield from _named(((table, "ca_file"), file) for table, file in authorities)
    if (trust := config.trust) is not None:
        names = ("anchors", "certificate", "white_list_signer", "white_list_ca")
        yield from _named((("trust", name), getattr(trust, name)) for name in names)


def _out_of_reach(config: Config) -> Found:
    """What root can read and the service cannot: the file looks right, and the service does not start."""
    if os.geteuid() != 0:  # others see what they may not read: an error
        return
    for at, path in _files(config):
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
    for at, path in _secrets(config):
        if _open_to_all(path):
            yield Complaint(at, f"every user of the machine may use it: chmod o= {path}")
    if config.master_key.path == config.gateway.state_dir / "master.key":
        message = (
            f"no key file is named, and no systemd credential master-key is seen here: it would be looked for in "
            f"{config.master_key.path}, beside the letters that it seals; leave it so if the unit has "
            "LoadCredential=master-key:, else name a file elsewhere"
        )
        yield Complaint(("store", "master_key_file"), message)


def _open_to_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o007)
    except OSError:
        return False


def _state(config: Config) -> Found:
    """Nearest folder that exists: below it the daemon makes its own."""
    folder = config.gateway.state_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Complaint(("gateway", "state_dir"), f"not writable for this user: {folder}")
    elif folder == config.gateway.state_dir and folder.stat().st_mode & 0o007:
        yield Complaint(("gateway", "state_dir"), f"every user of the machine may look in: chmod o= {folder}")

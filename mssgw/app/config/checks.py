"""What settings must hold together. Each check takes the sections that its parameters name and yields complaints.

It runs only when those sections are sound, so that one mistake is told once.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from inspect import signature
from typing import Any
from urllib.parse import urlsplit

from mssgw.app.config import lines
from mssgw.app.config.collector import COLLECTOR_CHECKS
from mssgw.app.config.files import authorities, readable
from mssgw.app.config.listener_checks import LISTENER_CHECKS
from mssgw.app.config.mail_stores import MAIL_STORE_CHECKS
from mssgw.app.config.mailbox_checks import MAILBOX_CHECKS
from mssgw.app.config.model import (
    Conversations,
    DeliverySettings,
    DocumentException,
    Establishment,
    Gateway,
    Limits,
    Login,
    Mailbox,
    MetricsSettings,
    PolicySettings,
    StoreSettings,
    TrustedDomain,
    TrustSettings,
)
from mssgw.app.config.patient_checks import PATIENT_CHECKS
from mssgw.app.config.problems import Complaint, Found, did_you_mean, repeated
from mssgw.app.config.trust_checks import TRUST_CHECKS
from mssgw.core.bal import BalKind
from mssgw.core.routes import TlsPolicy
from mssgw.edges.vault import UnusableKey, read_master_key

Establishments = Sequence[Establishment]
TrustedDomains = Sequence[TrustedDomain]
SIZE_FLOOR = 10_485_760  # req: SIZ-1, SD-1


def contradictions(sections: Mapping[str, Any]) -> list[Complaint]:
    """Errors between the sound sections, by attribute name of Config."""
    found: list[Complaint] = []
    for check in CHECKS:
        needed = signature(check).parameters
        if all(name in sections for name in needed):
            found += check(**{name: sections[name] for name in needed})
    return found


def the_state_directory_can_be_made(gateway: Gateway) -> Found:
    """A first start makes it, and no folder above it."""
    at, folder = ("gateway", "state_dir"), gateway.state_dir
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            yield Complaint(at, f"is not a folder: {folder}")
    except FileNotFoundError:
        if folder.is_symlink():
            yield Complaint(at, f"cannot be made: a link that leads nowhere is there ({folder})")
        elif not folder.parent.exists():
            yield Complaint(at, f"cannot be made: no such folder: {folder.parent}")
    except PermissionError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({folder})")
    except OSError as error:
        yield Complaint(at, f"cannot be made: {error.strerror} ({folder})")


def names_are_distinct(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    """Journal and log know clients by their names alone."""
    named = [(("establishment", n, "name"), each.name) for n, each in enumerate(establishments)]
    named += [(("trusted_domain", n, "name"), other.name) for n, other in enumerate(trusted_domains)]
    yield from repeated(named, "name")


def domains_have_one_owner(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    """A domain of ours that an operator could speak for would let strangers in as colleagues (SD-5)."""
    owners: dict[str, str] = {}
    clients = [*_numbered("establishment", establishments), *_numbered("trusted_domain", trusted_domains)]
    for at, client in clients:
        for n, domain in enumerate(client.domains):
            if owners.setdefault(domain, client.name) != client.name:
                message = f'"{domain}" belongs to "{owners[domain]}" already: a domain has one owner'
                yield Complaint((*at, "domains", n), message)


def patients_are_nobodys_staff(gateway: Gateway, establishments: Establishments) -> Found:  # req: SD-5
    for at, client in _numbered("establishment", establishments):
        if gateway.patient_domain in client.domains:
            n = client.domains.index(gateway.patient_domain)
            yield Complaint((*at, "domains", n), "the patient domain is an operator's: see [[trusted_domain]]")
        for n, address in enumerate(client.addresses):
            if address.domain == gateway.patient_domain:
                yield Complaint((*at, "addresses", n), "no establishment writes as a patient")


def patient_exceptions_are_patients(gateway: Gateway) -> Found:
    for n, address in enumerate(gateway.patient_exceptions):
        if address.domain != gateway.patient_domain:
            at = ("gateway", "patient_exceptions", n)
            yield Complaint(at, f"expected an address in {gateway.patient_domain}")


def networks_have_one_client(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    """On one listener an IP address must mean one client, or the order of the file would decide who it is."""
    for table, clients in (("establishment", establishments), ("trusted_domain", trusted_domains)):
        seen: list[tuple[Any, str]] = []
        for at, client in _numbered(table, clients):
            for n, network in enumerate(client.networks):
                other = next((name for there, name in seen if name != client.name and _overlap(there, network)), None)
                if other is not None:
                    message = f'{network} overlaps a network of "{other}": an IP address is one client\'s'
                    yield Complaint((*at, "networks", n), message)
                seen.append((network, client.name))


def _overlap(one: Any, other: Any) -> bool:
    return one.version == other.version and bool(one.overlaps(other))


def next_hop_logins_are_whole(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    for at, client in [*_numbered("establishment", establishments), *_numbered("trusted_domain", trusted_domains)]:
        if client.next_hop_login is not None and client.next_hop_password_file is None:
            yield Complaint((*at, "next_hop_password_file"), "expected, because next_hop_login is set")
        if client.next_hop_password_file is not None and client.next_hop_login is None:
            yield Complaint((*at, "next_hop_login"), "expected, because next_hop_password_file is set")
        if client.next_hop_login is not None and client.next_hop_tls is TlsPolicy.NONE:  # req: TLS-7
            yield Complaint((*at, "next_hop_login"), "a password goes over TLS only: set next_hop_tls")


def logins_belong_somewhere(logins: Sequence[Login], establishments: Establishments) -> Found:
    yield from repeated(((("login", n, "user"), each.user) for n, each in enumerate(logins)), "user")
    by_name = {each.name: each for each in establishments}
    for n, login in enumerate(logins):
        home = by_name.get(login.establishment)
        if home is None:
            hint = did_you_mean(login.establishment, by_name)
            message = f'no [[establishment]] is named "{login.establishment}"{hint}'
            yield Complaint(("login", n, "establishment"), message)
            continue
        for m, address in enumerate(login.addresses):  # req: SD-5
            if address.domain not in home.domains and address not in home.addresses:
                message = f'not an address that "{home.name}" may use'
                yield Complaint(("login", n, "addresses", m), message)


def mailboxes_have_a_home(
    mailboxes: Sequence[Mailbox],
    establishments: Establishments,
    trusted_domains: TrustedDomains,
    gateway: Gateway,
    trust: TrustSettings | None,
) -> Found:
    yield from repeated(((("mailbox", n, "address"), each.address) for n, each in enumerate(mailboxes)), "address")
    served = {domain for client in (*establishments, *trusted_domains) for domain in client.domains}
    for n, mailbox in enumerate(mailboxes):
        domain = mailbox.address.domain
        if domain == gateway.patient_domain:
            yield Complaint(("mailbox", n, "address"), "a patient's address is no BAL")
        elif domain not in served and trust is None:  # else the white list may have it
            hint = did_you_mean(domain, served - {gateway.patient_domain}, cutoff=0.8)
            message = f'"{domain}" is a domain of no [[establishment]] and no [[trusted_domain]]{hint}'
            yield Complaint(("mailbox", n, "address"), message)
        if mailbox.pharmacy and mailbox.kind is not BalKind.ORG:  # req: WHO-3
            yield Complaint(("mailbox", n, "pharmacy"), "patients write first to a pharmacy's ORG mailbox only")


def document_policies_are_about_us(
    document_policies: Sequence[DocumentException], establishments: Establishments
) -> Found:
    ours = {domain for each in establishments for domain in each.domains}
    for n, entry in enumerate(document_policies):
        for domain in entry.domains:
            if domain not in ours:
                yield Complaint(("document_policy", n, "domains"), f'no [[establishment]] has the domain "{domain}"')
    named = [
        (("document_policy", n, "domains"), domain)
        for n, entry in enumerate(document_policies)
        for domain in entry.domains
    ]
    yield from repeated(named, "domain")


def what_enforces_needs_no_date(policy: PolicySettings) -> Found:  # req: SD-9
    """One might mean to enforce from that date only, another to have done so since."""
    if policy.conversations is Conversations.ENFORCE and policy.enforce_from is not None:
        yield Complaint(("policy", "enforce_from"), 'only with conversations = "observe"')


def limits_leave_room(limits: Limits) -> Found:
    if limits.message_size < SIZE_FLOOR:
        message = f"expected at least {SIZE_FLOOR}: every letter of 10 Mo must pass (SIZ-1)"
        yield Complaint(("limits", "message_size"), message)
    if limits.recipients < 100:
        yield Complaint(("limits", "recipients"), "expected at least 100 (RFC 5321 section 4.5.3.1.8)")


def metrics_stay_on_the_machine(metrics: MetricsSettings) -> Found:
    """They name nobody, but they tell who wants to know how much mail there is and when we are weak."""
    if metrics.address is not None and not metrics.address.loopback and not metrics.allow_remote:
        message = 'expected a loopback address such as "127.0.0.1:9479", or allow_remote = true'
        yield Complaint(("metrics", "address"), message)


def delays_are_in_order(delivery: DeliverySettings) -> Found:
    for early, late in (("first_retry", "longest_retry"), ("warn_after", "give_up_after")):
        if getattr(delivery, early) > getattr(delivery, late):
            yield Complaint(("delivery", early), f"expected no longer than {late}")


def a_lease_outlives_a_pause(delivery: DeliverySettings) -> Found:
    if delivery.take_over_after < timedelta(seconds=20):  # twice daemon.DRAIN_DELIVERIES, when nothing is renewed
        message = "expected at least 20s: a short pause of a living node, or its stop, must not look like its death"
        yield Complaint(("delivery", "take_over_after"), message)


def the_database_is_known(store: StoreSettings) -> Found:
    if store.url.startswith("postgresql"):
        yield from _postgres(store.url)
    elif not store.url.startswith("sqlite:///"):
        message = 'expected "sqlite:///{state_dir}/mssgw.db" or "postgresql+psycopg://user@host/database"'
        yield Complaint(("store", "url"), message)


def _postgres(url: str) -> Found:
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgresql+psycopg") or not parts.path.strip("/"):
        yield Complaint(("store", "url"), 'expected "postgresql+psycopg://user@host/database"')
    elif parts.password is not None:
        message = 'expected no password here: put it in a file, and password_file = "credential:database-password"'
        yield Complaint(("store", "url"), message)
    elif find_spec("psycopg") is None:
        yield Complaint(("store", "url"), "PostgreSQL needs the extra: pip install mssgw[postgres]")


def client_files_exist(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    for at, client in [*_numbered("establishment", establishments), *_numbered("trusted_domain", trusted_domains)]:
        yield from readable((*at, "next_hop_password_file"), client.next_hop_password_file)


def the_database_password_exists(store: StoreSettings) -> Found:
    yield from readable(("store", "password_file"), store.password_file)


def delivery_files_exist(delivery: DeliverySettings) -> Found:
    yield from authorities(("delivery", "ca_file"), delivery.ca_file)


def master_key_exists(store: StoreSettings, gateway: Gateway) -> Found:
    """A key that is missed is no reason to make another: the letters at rest open with the old one only."""
    at, file = ("store", "master_key_file"), store.master_key_file
    if file is None or file.path is None:
        return
    try:
        with file.path.open("rb") as opened:
            open_to_all = bool(os.fstat(opened.fileno()).st_mode & stat.S_IRWXO)
        if not open_to_all:
            read_master_key(file.path)
    except FileNotFoundError:
        database = store.url.removeprefix("sqlite:///").replace("{state_dir}", str(gateway.state_dir))
        new = "" if os.path.exists(database) else f", or for a new store: mssgw key new {file.path}"
        yield Complaint(at, f"No such file: {file.path}; give back the key that this store was made with{new}")
    except OSError as error:
        yield Complaint(at, f"cannot be read: {error.strerror} ({file.path})")
    except UnusableKey as error:
        yield Complaint(at, str(error))
    else:
        if open_to_all:  # as edges/vault.py will say
            yield Complaint(at, f"every user of the machine may use it: chmod 0400 {file.path}")


def _numbered(table: str, clients: Sequence[Any]) -> Iterator[tuple[lines.Path, Any]]:
    return (((table, n), client) for n, client in enumerate(clients))


CHECKS: tuple[Callable[..., Found], ...] = (
    the_state_directory_can_be_made,
    names_are_distinct,
    domains_have_one_owner,
    patients_are_nobodys_staff,
    patient_exceptions_are_patients,
    networks_have_one_client,
    next_hop_logins_are_whole,
    logins_belong_somewhere,
    mailboxes_have_a_home,
    document_policies_are_about_us,
    what_enforces_needs_no_date,
    limits_leave_room,
    metrics_stay_on_the_machine,
    delays_are_in_order,
    a_lease_outlives_a_pause,
    the_database_is_known,
    *LISTENER_CHECKS,
    client_files_exist,
    master_key_exists,
    the_database_password_exists,
    delivery_files_exist,
    *MAILBOX_CHECKS,
    *MAIL_STORE_CHECKS,
    *COLLECTOR_CHECKS,
    *TRUST_CHECKS,
    *PATIENT_CHECKS,
)

"""What [[establishment]], [[trusted_domain]] and [[login]] must hold together; see checks.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mssgw.app.config import lines
from mssgw.app.config.clients import Establishment, Login, TrustedDomain
from mssgw.app.config.files import readable
from mssgw.app.config.model import Gateway
from mssgw.app.config.problems import Complaint, Found, did_you_mean, repeated
from mssgw.core.routes import TlsPolicy

Establishments = Sequence[Establishment]
TrustedDomains = Sequence[TrustedDomain]


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
        yield from next_hop_login_is_whole(at, client)


def next_hop_login_is_whole(at: lines.Path, hop: Any) -> Found:
    """Of whatever has a next hop: login and password together, and neither in clear."""
    if hop.next_hop_login is not None and hop.next_hop_password_file is None:
        yield Complaint((*at, "next_hop_password_file"), "expected, because next_hop_login is set")
    if hop.next_hop_password_file is not None and hop.next_hop_login is None:
        yield Complaint((*at, "next_hop_login"), "expected, because next_hop_password_file is set")
    if hop.next_hop_login is not None and hop.next_hop_tls is TlsPolicy.NONE:  # req: TLS-7
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


def client_files_exist(establishments: Establishments, trusted_domains: TrustedDomains) -> Found:
    for at, client in [*_numbered("establishment", establishments), *_numbered("trusted_domain", trusted_domains)]:
        yield from readable((*at, "next_hop_password_file"), client.next_hop_password_file)


def _numbered(table: str, clients: Sequence[Any]) -> Iterator[tuple[lines.Path, Any]]:
    return (((table, n), client) for n, client in enumerate(clients))


CLIENT_CHECKS: tuple[Callable[..., Found], ...] = (
    names_are_distinct,
    domains_have_one_owner,
    patients_are_nobodys_staff,
    networks_have_one_client,
    next_hop_logins_are_whole,
    logins_belong_somewhere,
    client_files_exist,
)

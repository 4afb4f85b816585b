"""Configuration to the values that flow and edges work with. Pure, except that next-hop passwords are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from ipaddress import IPv4Address, IPv6Address, ip_address

from mssgw.app.config.clients import Establishment, TrustedDomain
from mssgw.app.config.collector import Collector
from mssgw.app.config.files import password
from mssgw.app.config.model import Config, Conversations
from mssgw.app.config.values import Network
from mssgw.app.mailbox_routes import route_to_patients, to_mailboxes
from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, PatientSpace
from mssgw.core.clients import Client
from mssgw.core.clinical import Environment
from mssgw.core.delivery import RetryPolicy
from mssgw.core.document_policy import DocumentPolicies, DocumentPolicy
from mssgw.core.envelope import Role
from mssgw.core.notifying import Notifications
from mssgw.core.patients import HOUSEHOLD
from mssgw.core.retention import Retained
from mssgw.core.routes import PATIENTS_HEAR, Route, RouteTable, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.core.trust import LIST_UNUSABLE, Check, Distrust

Listed = Callable[[str], bool | Distrust]  # ports.Trust.listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Who may speak to us: by network, by login, by name. ``logins``: user to client and Argon2id hash."""

    networks: Sequence[tuple[Role, Network, Client]]
    logins: Mapping[str, tuple[Client, str]] = field(repr=False)
    named: Mapping[str, Client]

    def at(self, role: Role, peer: str) -> Client | None:
        """The client whose networks hold this IP address on a listener of that role; an IPv4-mapped one counts."""
        address = _address(peer)
        if address is None:
            return None
        return next((client for there, network, client in self.networks if there is role and address in network), None)


def _address(peer: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def clients(config: Config) -> Clients:
    """Establishments and their logins, operators of the trust space (SD-5)."""
    ours = {each.name: _establishment(each) for each in config.establishments}
    theirs = {each.name: _operator(each) for each in config.trusted_domains}
    collected = {each.name: _collector(each) for each in config.collectors}
    networks = [(Role.ESTABLISHMENT, net, ours[each.name]) for each in config.establishments for net in each.networks]
    networks += [(Role.TRUST_SPACE, net, theirs[each.name]) for each in config.trusted_domains for net in each.networks]
    logins = {
        each.user: (_narrowed(ours[each.establishment], each.addresses), each.password_hash) for each in config.logins
    }
    return Clients(networks=tuple(networks), logins=logins, named=ours | theirs | collected)


def _establishment(each: Establishment) -> Client:
    return Client(
        name=each.name,
        role=Role.ESTABLISHMENT,
        domains=frozenset(each.domains),
        addresses=frozenset(address.key for address in each.addresses),
        notice_domains=frozenset(each.notice_domains),
        xclient=each.xclient,
        person_received=each.person_received,
        person_header=each.person_header,
    )


def _operator(each: TrustedDomain) -> Client:
    return Client(name=each.name, role=Role.TRUST_SPACE, domains=frozenset(each.domains))


def _collector(each: Collector) -> Client:
    """A mailbox that we collect from: its operator vouches for who wrote there."""
    unseen = not each.sends_through_us
    return Client(name=each.name, role=Role.COLLECTED, bal=each.bal, answers_unseen=unseen)


def _narrowed(home: Client, addresses: Sequence[Address]) -> Client:
    """What one login may use: its own addresses, else all that its establishment may.

    A login speaks for itself: the person comes from SASL, never from what its client passes on (SD-6).
    """
    return Client(
        name=home.name,
        role=home.role,
        domains=frozenset() if addresses else home.domains,
        addresses=frozenset(address.key for address in addresses) or home.addresses,
    )


def routes(config: Config, listed: Listed | None = None) -> RouteTable:
    """Inward to the establishments, outward to the operators (WHO-9). Raises OSError when a password is unreadable.

    With [trust], every domain that is ``listed`` has a route by MX, and those of [[trusted_domain]] are mutual too:
    their next hop is where the operator's server is, not a reason to trust it (TLS-6). But not where next_hop_tls is
    "none": that is for a peer on this machine, and advice.py warns of it.
    """
    table: dict[str, Route] = {}
    mutual = config.trust is not None
    for each in config.establishments:
        if each.next_hop is not None:
            route = _route(f"establishment:{each.name}", each, each.next_hop.host, each.next_hop.port, inward=True)
            table |= dict.fromkeys(each.domains, route)
    for operator in config.trusted_domains:
        name = f"operator:{operator.name}"
        if operator.next_hop is None:
            found = {each: _route(f"{name}:{each}", operator, each, 25, mx=True) for each in operator.domains}
        else:
            route = _route(name, operator, operator.next_hop.host, operator.next_hop.port)
            found = dict.fromkeys(operator.domains, route)
        table |= {each: _mutual(name, route, each) for each, route in found.items()} if mutual else found
    table |= _to_patients(config)
    ours = frozenset(domain for each in config.establishments for domain in each.domains)
    ours |= {config.gateway.patient_domain} if config.patient_space is not None else frozenset()
    into = to_mailboxes(config)
    return RouteTable(table, (listed or nobody_knows) if mutual else None, ours, into)


def patient_client(config: Config, sender: Address) -> Client | None:
    """Who writes from this address, if it is that of a patient whose mailbox we keep (SD-5)."""
    if config.patient_space is None or sender.domain != config.gateway.patient_domain:
        return None
    return Client(name=HOUSEHOLD, role=Role.PATIENT_SPACE, addresses=frozenset({sender.key}))


def _to_patients(config: Config) -> dict[str, Route]:
    """To the mailboxes that we keep for patients, and to their ordinary addresses."""
    there = route_to_patients(config)
    if there is None:
        return {}
    ordinary = notifications(config).route
    table = {config.gateway.patient_domain: there}
    return table | ({PATIENTS_HEAR: ordinary} if ordinary is not None else {})


def _mutual(name: str, route: Route, domain: str) -> Route:  # req: TLS-6
    """One for each domain: the peer is asked whether it is that domain's."""
    if route.tls is TlsPolicy.NONE:
        return route
    return replace(route, name=f"{name}:{domain}", tls=TlsPolicy.MUTUAL, domain=domain)


def nobody_knows(domain: str) -> Distrust:
    """Listed, where there is no white list yet."""
    return Distrust(check=Check.WHITE_LIST, reply=LIST_UNUSABLE, detail="not read yet")


def _route(
    name: str, client: Establishment | TrustedDomain, host: str, port: int, *, inward: bool = False, mx: bool = False
) -> Route:
    return Route(
        name=name,
        host=host,
        port=port,
        mx=mx,
        tls=client.next_hop_tls,
        inward=inward,
        login=client.next_hop_login,
        password=password(client.next_hop_password_file),
    )


def settings(config: Config, listed: Listed | None = None) -> Settings:
    """Everything that decisions on letters depend on; a reload builds another one. ``listed``: see routes()."""
    policy = config.policy
    observe = policy.conversations is Conversations.OBSERVE
    return Settings(
        hostname=config.gateway.hostname,
        space=patient_space(config),
        routes=routes(config, listed),
        mailboxes=mailboxes(config),
        directory_max_age=config.directory.max_age if config.directory is not None else None,
        owners=owners(config),
        observe=observe,
        enforce_from=datetime.combine(policy.enforce_from, time(), UTC) if observe and policy.enforce_from else None,
        patient_receipts_after_data=policy.patient_receipts_after_data,
        size_limit=config.limits.message_size,
        max_received=config.limits.received_hops,
        inspection_limit=config.limits.inspection,
        retry=retry_policy(config),
        documents=documents(config),
        adds_fields=config.mss.add_headers,
        products=products(config),
        own_product=config.mss.product or "",
        close_after=tuple((each.address, each.close_after) for each in config.mailboxes if each.close_after),
        retained=tuple(retained(config)),
        unread_after=config.reports.unread_after,
        unread_alarm=config.reports.unread_alarm,
        notifications=notifications(config),
    )


def documents(config: Config) -> DocumentPolicies:
    """How strictly documents are judged. Identities of both kinds, unless the file says which environment this is."""
    said = "environment" in config.gateway.model_fields_set
    general, environment = config.documents, Environment(config.gateway.environment) if said else None
    rejected = general.inbound_rejected
    inbound, outbound = {}, {}
    for each in config.document_policies:
        for domain in each.domains:
            outbound[domain] = DocumentPolicy(profile=each.outbound or general.outbound, environment=environment)
            inbound[domain] = DocumentPolicy(
                profile=each.inbound or general.inbound,
                rejected=each.inbound_rejected or rejected,
                environment=environment,
            )
    return DocumentPolicies(
        outbound=DocumentPolicy(profile=general.outbound, environment=environment),
        inbound=DocumentPolicy(profile=general.inbound, rejected=rejected, environment=environment),
        outbound_of=outbound,
        inbound_of=inbound,
    )


def products(config: Config) -> dict[str, str]:
    """References for X-MSS-NIL by the name of the client (FMT-9)."""
    return {each.name: each.product for each in config.establishments if each.product}


def notifications(config: Config) -> Notifications:
    """Who is told that letters wait, and how. Raises OSError when the password is unreadable."""
    given = config.notifications
    route = None
    if given.next_hop is not None:
        route = Route(
            name="notifications",
            host=given.next_hop.host,
            port=given.next_hop.port,
            tls=given.next_hop_tls,
            login=given.next_hop_login,
            password=password(given.next_hop_password_file),
        )
    targets = {each.address.key: each.notify for each in config.mailboxes if each.notify is not None}
    return Notifications(targets=targets, every=given.every, route=route, sender=given.sender)


def patient_space(config: Config) -> PatientSpace:
    """The patient domain and its addresses that are no matricule (INS-10)."""
    exceptions = frozenset(address.key for address in config.gateway.patient_exceptions)
    ours = config.patient_space
    takes_any = ours is not None and ours.bad_key == "notice"  # req: NDR-4, NDR-8
    return PatientSpace(domain=config.gateway.patient_domain, exceptions=exceptions, takes_any=takes_any)


def mailboxes(config: Config) -> dict[str, Bal]:
    """What is known of each mailbox, by Address key (WHO-3)."""
    return {
        each.address.key: Bal(
            kind=each.kind,
            pharmacy=each.pharmacy,
            responsible=each.responsible,
            closes_on_send=each.close_on_send,
        )
        for each in config.mailboxes
    }


def retained(config: Config) -> Sequence[Retained]:
    """The mailboxes that letters leave when their time is over (TRC-3)."""
    return tuple(
        Retained(
            mailbox=mailbox.address,
            folders=mailbox.kept_in,
            after=mailbox.purge_after,
            notice=config.retention.purge_notice,
        )
        for mailbox in config.mailboxes
        if mailbox.mail_store is not None and mailbox.purge_after is not None
    )


def owners(config: Config) -> dict[str, str]:
    """Domain to the name of the client that may speak for it; of operators the white list tells it, where there is."""
    entries = (*config.establishments, *(config.trusted_domains if config.trust is None else ()))
    ours = {config.gateway.patient_domain: HOUSEHOLD} if config.patient_space is not None else {}
    return {domain: each.name for each in entries for domain in each.domains} | ours


def retry_policy(config: Config) -> RetryPolicy:
    """When deliveries are tried again, warned about and given up."""
    delivery = config.delivery
    return RetryPolicy(
        first=delivery.first_retry,
        longest=delivery.longest_retry,
        distrust_after=delivery.distrust_after,
        warn_after=delivery.warn_after,
        give_up_after=delivery.give_up_after,
    )

"""Settings that work but deserve a second look: what ``mssgw check`` warns of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from mssgw.app.config.clients import Establishment, Tls, TrustedDomain
from mssgw.app.config.collector import collected_once_more
from mssgw.app.config.file_advice import FILE_ADVICE
from mssgw.app.config.files import path_readable
from mssgw.app.config.listener_advice import listener_certificates
from mssgw.app.config.mail_stores import is_same_place
from mssgw.app.config.model import Config, Conversations, TrustSettings
from mssgw.app.config.problems import Complaint, Found
from mssgw.core.bal import BalKind
from mssgw.core.envelope import Role
from mssgw.core.routes import TlsPolicy
from mssgw.edges.identity import in_file

WIDEST = {4: 16, 6: 48}  # bits that say whose addresses they are: a hospital has no more
LONGEST_WAIT, SHORTEST_LOOK = timedelta(seconds=10), timedelta(milliseconds=500)
SOON = 30  # days before a certificate ends
LOCAL = ("/", "%2F", "localhost", "127.", "[::1]")  # a socket, or the machine itself


def blemishes(config: Config) -> list[Complaint]:
    """All warnings about a configuration that holds together."""
    checks = (
        _persons,
        _ways_in_and_out,
        _wide_networks,
        _patients,
        _patient_space,
        _tls,
        _trust,
        _logins,
        _directory,
        _closing,
        _retention,
        _collectors,
        _reports,
        _going_live,
        _documents,
        _products,
        _trace,
        _database,
        _log,
        listener_certificates,
        *FILE_ADVICE,
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
            stored = any(each.mail_store and each.address.domain in client.domains for each in config.mailboxes)
            but = " but for mailboxes with a mail_store" if stored else ""
            message = f"no next_hop: mail to its domains is refused{but}, failure notices too"
            yield Complaint(("establishment", n), message)
        if not client.networks and not any(login.establishment == client.name for login in config.logins):
            yield Complaint(("establishment", n), "neither networks nor a [[login]]: it cannot send")
    for n, operator in enumerate(config.trusted_domains):
        if not operator.networks and config.trust is None:
            yield Complaint(("trusted_domain", n), "no networks: all mail from its domains is refused")
    roles = {listener.role for listener in config.listeners}
    for role in (Role.ESTABLISHMENT, Role.TRUST_SPACE):
        if role not in roles:
            yield Complaint(("listener",), f'no listener has role = "{role}"')


def _wide_networks(config: Config) -> Found:
    """Everything in them may write in the name of these domains. The machine itself may be trusted with all its own."""
    clients: tuple[tuple[str, tuple[Establishment | TrustedDomain, ...]], ...] = (
        ("establishment", config.establishments),
        ("trusted_domain", config.trusted_domains),
    )
    for table, entries in clients:
        for n, client in enumerate(entries):
            for m, network in enumerate(client.networks):
                if network.prefixlen < WIDEST[network.version] and not network.is_loopback:
                    count = f"2^{network.max_prefixlen - network.prefixlen}"
                    message = f"{network}: {count} addresses may write as its domains; name its servers alone"
                    yield Complaint((table, n, "networks", m), message)


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
            elif each.not_before > datetime.now(UTC):
                begins = f"{each.not_before:%Y-%m-%d %H:%M} UTC"
                yield Complaint(("trust", key), f"{each.subject} is not valid yet: from {begins} on")


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
    for n, mailbox in enumerate(config.mailboxes):  # req: WHO-3
        if mailbox.kind is BalKind.ORG and "pharmacy" not in mailbox.model_fields_set:
            message = (
                "pharmacy is not set: patients' first letters to it are refused, whatever the directory says of it; "
                "write pharmacy = true or pharmacy = false"
            )
            yield Complaint(("mailbox", n), message)


def _closing(config: Config) -> Found:  # req: FIN-4
    for n, mailbox in enumerate(config.mailboxes):
        if mailbox.close_after is not None and mailbox.close_after < timedelta(days=7):
            message = "a patient who opens the letter after some days could not answer any more (FIN-7)"
            yield Complaint(("mailbox", n, "close_after"), message)


def _retention(config: Config) -> Found:  # req: TRC-3
    """What lies there does not say for which address it came."""
    ours = [(n, each) for n, each in enumerate(config.mailboxes) if each.mail_store is not None]
    emptied = [each for _, each in ours if each.purge_after is not None]
    for n, mailbox in ours:
        if mailbox.purge_after is None and any(is_same_place(mailbox, each) for each in emptied):
            message = "the same mailbox as another [[mailbox]], whose purge_after deletes the letters of this one too"
            yield Complaint(("mailbox", n), message)


def _collectors(config: Config) -> Found:
    yield from collected_once_more(config.collectors)


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


def _documents(config: Config) -> Found:  # req: SD-10
    """Whoever sends waits so long behind the final dot."""
    for at, limit in (
        (("documents", "deadline"), config.documents.deadline),
        (("limits", "inspection"), config.limits.inspection),
    ):
        if limit > LONGEST_WAIT:
            message = (
                "a sender would wait so long for the answer to one letter, and others behind it; 2s is meant (SD-10)"
            )
            yield Complaint(at, message)
    if config.documents.deadline < SHORTEST_LOOK:
        message = "large documents take longer: their letters would be refused for a time, then held (SD-10)"
        yield Complaint(("documents", "deadline"), message)


def _products(config: Config) -> Found:  # req: FMT-9
    """X-MSS-NIL is for every letter: where some say it, the others were forgotten."""
    for n, client in enumerate(config.establishments):
        if config.mss.add_headers and client.product is None:
            message = "no product, although mss.add_headers: its letters do not say X-MSS-NIL (FMT-9)"
            yield Complaint(("establishment", n), message)
    said = config.mss.add_headers or any(client.product is not None for client in config.establishments)
    if said and config.mss.product is None:
        yield Complaint(("mss",), "no product: our own notices and receipts do not say X-MSS-NIL (FMT-9)")


def _trace(config: Config) -> Found:  # req: TRC-2
    if config.retention.trace < timedelta(days=180):
        yield Complaint(("retention", "trace"), "6 months or more are recommended (TRC-2)")


def _database(config: Config) -> Found:
    """libpq proves by itself neither that there is TLS nor whose it is: it says ``sslmode=prefer``."""
    parts = urlsplit(config.store.url)
    asked = parse_qs(parts.query)
    hosts = [*parts.netloc.rpartition("@")[2].split(","), *asked.get("host", ())]
    far = [host for host in hosts if host and not host.startswith(LOCAL)]
    proven = not {"verify-full", "verify-ca"}.isdisjoint(asked.get("sslmode", ()))
    if parts.scheme.startswith("postgresql") and far and not proven:
        message = (
            "nothing proves that the server which answers is the database: whoever is on the way may answer, and "
            "letters with a 250 are kept nowhere; add ?sslmode=verify-full (and sslrootcert=FILE, its authority)"
        )
        yield Complaint(("store", "url"), message)


def _log(config: Config) -> Found:
    if config.log.level == "error":
        message = 'alarms are warnings: none would be in the log; "warning" is the least that has them'
        yield Complaint(("log", "level"), message)

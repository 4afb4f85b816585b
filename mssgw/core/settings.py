"""What the configuration decides about letters, as one frozen value: a reload swaps it whole, or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mssgw.core.addresses import Address
from mssgw.core.bal import Bal, PatientSpace
from mssgw.core.clients import Client
from mssgw.core.closing import Silence
from mssgw.core.delivery import RetryPolicy
from mssgw.core.document_policy import DocumentPolicies
from mssgw.core.envelope import Role
from mssgw.core.facts import Policy
from mssgw.core.notifying import Notifications
from mssgw.core.retention import Retained
from mssgw.core.routes import PATIENTS_HEAR, Route, RouteTable, SpaceUnknown

TRACE_ROOM = 65_536  # req: SD-1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``mailboxes`` by Address key. ``owners``: domain to the name of the client that may speak for it, as configured:
    where the white list decides about operators, ours only.

    ``observe``: conversation rules only observe; with ``enforce_from`` set, they do so until that moment (SD-9).
    ``size_limit`` in octets, for letters as establishments send them (SD-1). ``adds_fields``, ``products``: see Policy,
    by the name of the client; ``own_product``: the same for messages of ours.
    ``directory_max_age``: how old the directory may be; None: it is not gone by.
    ``close_after``: mailboxes whose exchanges close after so long a silence (FIN-4). ``unread_after``: from what age on
    a letter that nobody has read is told of; ``unread_alarm``: aloud.
    ``retained``: mailboxes that letters leave when their time is over (TRC-3).
    """

    hostname: str
    space: PatientSpace = PatientSpace()
    routes: RouteTable
    mailboxes: Mapping[str, Bal] = field(default_factory=dict)
    directory_max_age: timedelta | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    observe: bool = False
    enforce_from: datetime | None = None
    patient_receipts_after_data: bool = False
    size_limit: int = 10_485_760
    max_received: int = 30
    inspection_limit: timedelta = timedelta(seconds=2)
    retry: RetryPolicy = RetryPolicy()
    documents: DocumentPolicies = DocumentPolicies()
    adds_fields: bool = False
    products: Mapping[str, str] = field(default_factory=dict)
    own_product: str = ""
    close_after: tuple[tuple[Address, timedelta], ...] = ()
    retained: tuple[Retained, ...] = ()
    unread_after: timedelta = timedelta(days=7)
    unread_alarm: bool = False
    notifications: Notifications = Notifications()

    def silences(self, now: datetime) -> tuple[Silence, ...]:  # req: FIN-4
        """Which exchanges are to close by themselves at this moment."""
        return tuple(Silence(bal=bal, before=now - lasted, lasted=lasted) for bal, lasted in self.close_after)

    def policy(
        self, now: datetime, role: Role, *, client: str = "", sender: str | None = None, recipients: Iterable[str] = ()
    ) -> Policy:
        """The policy in force at this moment, on listeners of this role; ``sender`` and ``recipients`` are domains."""
        return Policy(
            documents=self.documents.for_letter(role, sender, recipients),
            adds_fields=self.adds_fields and role is Role.ESTABLISHMENT,
            product=self.products.get(client, ""),
            enforcing=now >= self.enforce_from if self.enforce_from else not self.observe,  # req: SD-9
            patient_receipts_after_data=self.patient_receipts_after_data,
            size_limit=self.limit_for(role),
            max_received=self.max_received,
            space=self.space,
        )

    def limit_for(self, role: Role) -> int:
        """The size limit in octets: from other operators there is room for the trace headers of earlier hops (SD-1)."""
        return self.size_limit + (TRACE_ROOM if role.from_outside else 0)

    def bal(self, address: Address) -> Bal:
        """What is configured of this mailbox; unknown mailboxes are no pharmacy (WHO-3)."""
        return self.mailboxes.get(address.key, Bal())

    def route_to(self, client: Client, mailbox: Address) -> Route | None:
        """The route this client may use to that mailbox. Raises SpaceUnknown: see route_for()."""
        return self.routes.by_address.get(mailbox.key) or self.route_for(client, mailbox.domain)

    def route_for(self, client: Client, domain: str) -> Route | None:
        """The route this client may use to that domain: operators reach our establishments only (WHO-9).

        Raises SpaceUnknown when that depends on a white list that cannot be used.
        """
        route = self.routes.find(domain, sure=client.relays_outward)
        return route if route is not None and (route.inward or client.relays_outward) else None

    def is_unlisted(self, domain: str) -> bool:
        """Whether there is no way to that domain because the white list does not name it (WL-8).

        What leads inward or nowhere, and the way to patients' ordinary addresses, are the configuration's to give.
        """
        routes = self.routes
        if routes.listed is None or domain in routes.ours or domain == PATIENTS_HEAR:
            return False
        return routes.find(domain) is None

    def is_foreign(self, client: Client, address: Address) -> bool:
        """Whether the address's domain belongs to somebody else than this client (SD-5).

        What lies below a listed domain belongs to its owner, in the white list too. The patient domain is nobody's
        unless it is listed: then no notice from there is believed (SD-4). Raises SpaceUnknown.
        """
        if client.may_send_as(address):
            return False
        for domain in with_those_above(address.domain):
            if domain in client.domains:
                return False
            if domain in self.owners or domain == self.space.domain:
                return self.owners.get(domain) != client.name
            if self._is_listed(domain):
                return True
        return False

    def is_listed(self, client: Client, address: Address | None) -> bool | None:
        """Whether the white list names the domain that this operator sends as; None when it is not to be asked (SD-5).

        Raises SpaceUnknown.
        """
        if address is None or client.role is not Role.TRUST_SPACE or self.routes.listed is None:
            return None
        return None if address.domain in self.owners else self._is_listed(address.domain)

    def _is_listed(self, domain: str) -> bool:
        known = self.routes.listed(domain) if self.routes.listed is not None else False
        if not isinstance(known, bool):
            raise SpaceUnknown
        return known

    def concerned(self, client: Client, addresses: Iterable[Address]) -> Client:
        """The client as far as it matters to these addresses. An operator may not speak for us, whatever is listed."""
        if client.role is not Role.TRUST_SPACE:
            return client
        near = {domain for address in addresses for domain in with_those_above(address.domain)}
        may = (each for each in near & client.domains if self.owners.get(each, client.name) == client.name)
        return replace(client, domains=frozenset(may))  # req: SD-5


def with_those_above(domain: str) -> Iterator[str]:
    """``a.b.c``, ``b.c``, ``c``."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]

"""With whom we exchange mail, by domain, and who of them a new white list would cut off (WL-7). Domains, no people."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mssgw.core.journal import JournalEvent
from mssgw.core.trust import WhiteList


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Journal lines of one ``event`` between two domains (keys; "" for ``<>``), through one client. ``last``: when."""

    event: JournalEvent
    sender: str
    recipient: str
    client: str = ""
    lines: int
    last: datetime
    next_hop: str = ""  # of the last one


@dataclass(slots=True, kw_only=True)
class Correspondent:
    """A domain that is not ours. ``received``, ``sent``: letters that we took from it and for it, one a recipient.

    ``received_at``, ``delivered_at``: the last ones; ``via`` and ``next_hop``: who brought it, who took it.
    ``clients``: all who sent in its name, as the journal names them ("CN=..." for operators).
    """

    domain: str
    received: int = 0
    sent: int = 0
    received_at: datetime | None = None
    delivered_at: datetime | None = None
    via: str = ""
    next_hop: str = ""
    clients: set[str] = field(default_factory=set)

    def wrote(self, traffic: Traffic) -> None:
        """It sent us letters."""
        self.received += traffic.lines
        self.clients.add(traffic.client)
        if self.received_at is None or traffic.last > self.received_at:
            self.received_at, self.via = traffic.last, traffic.client

    def was_written_to(self, traffic: Traffic) -> None:
        """We took letters for it, or delivered them."""
        if traffic.event is JournalEvent.ACCEPTED:
            self.sent += traffic.lines
        elif self.delivered_at is None or traffic.last > self.delivered_at:
            self.delivered_at, self.next_hop = traffic.last, traffic.next_hop


def correspondents(traffic: Iterable[Traffic], ours: Callable[[str], bool]) -> Mapping[str, Correspondent]:
    """Everyone in it who is not ours, by domain."""
    found: dict[str, Correspondent] = {}
    for each in traffic:
        if each.event is JournalEvent.ACCEPTED and each.sender and not ours(each.sender):
            found.setdefault(each.sender, Correspondent(domain=each.sender)).wrote(each)
        if each.recipient and not ours(each.recipient):
            found.setdefault(each.recipient, Correspondent(domain=each.recipient)).was_written_to(each)
    return found


class Because(StrEnum):
    """Why a correspondent would lose mail."""

    UNLISTED = "unlisted"  # its domain is in the list no more: nothing moves
    REPLACED = (
        "operators-replaced"  # listed for other operators only: nothing moves until they are the ones who serve it
    )
    SENDER = "sender-unlisted"  # an operator who sent in its name is listed for it no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A correspondent who would lose mail. ``clients``: whose letters we would refuse, with SENDER."""

    correspondent: Correspondent
    because: Because
    clients: frozenset[str] = frozenset()


def losses(known: Mapping[str, Correspondent], old: WhiteList | None, new: WhiteList) -> tuple[Loss, ...]:
    """Who of them has mail by the old list and would have none, or less, by the new one; by domain.

    ``old`` None: there is no list in force; then everyone who is not in the new one.
    """
    found = (_loss(known[domain], old, new) for domain in sorted(known))
    return tuple(each for each in found if each is not None)


def _loss(one: Correspondent, old: WhiteList | None, new: WhiteList) -> Loss | None:
    before = old.operators.get(one.domain) if old is not None else None
    after = new.operators.get(one.domain)
    if after is None:
        return Loss(correspondent=one, because=Because.UNLISTED) if old is None or before else None
    if not before or before <= after:
        return None
    if not before & after:
        return Loss(correspondent=one, because=Because.REPLACED)
    # As flow/trust.py names operators in the journal.
    left = {f"CN={name.common_name}" for name in before} - {f"CN={name.common_name}" for name in after}
    refused = frozenset(one.clients & left)
    return Loss(correspondent=one, because=Because.SENDER, clients=refused) if refused else None

"""[[collector]]: a mailbox hosted elsewhere that we collect from, and what its settings must hold together."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from mssgw.app.config import lines
from mssgw.app.config.clients import Establishment, TrustedDomain
from mssgw.app.config.files import readable
from mssgw.app.config.imap_server import Folder, Host, ImapServer, Keyword
from mssgw.app.config.mail_stores import Stores
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.config.places import File
from mssgw.app.config.problems import Complaint, Found
from mssgw.app.config.values import Duration, Flag, LoginName, MailAddress
from mssgw.core.addresses import Address
from mssgw.ports.mailbox import INBOX

SHORTEST_POLL = timedelta(seconds=5)


class Collector(ImapServer):
    """``address``: the mailbox's own, by which exchanges with patients are known; None: ``recipient``.

    ``done_folder`` None: what was collected stays where it is, with the keyword ``mark``.
    """

    host: Host
    user: LoginName
    password_file: File
    folder: Folder = INBOX
    done_folder: Folder | None = None
    mark: Keyword = "$MssgwCollected"
    refused_folder: Folder = "Refus passerelle"
    recipient: MailAddress
    address: MailAddress | None = None
    sends_through_us: Flag = False
    poll: Duration = timedelta(minutes=1)

    @property
    def bal(self) -> Address:
        """The address by which its exchanges are known."""
        return self.address or self.recipient


Collectors = Sequence[Collector]


def collectors_have_names_of_their_own(
    collectors: Collectors, establishments: Sequence[Establishment], trusted_domains: Sequence[TrustedDomain]
) -> Found:
    """Journal and log know them by their names, as other clients."""
    taken = {each.name for each in (*establishments, *trusted_domains)}
    for n, each in enumerate(collectors):
        if each.name in taken:
            yield Complaint(("collector", n, "name"), "another entry has the same name")
        taken.add(each.name)


def collected_mail_has_a_way_in(
    collectors: Collectors, establishments: Sequence[Establishment], mailboxes: Sequence[Mailbox]
) -> Found:  # req: WHO-9
    inward = {domain for each in establishments if each.next_hop is not None for domain in each.domains}
    delivered = {each.address for each in mailboxes if each.mail_store is not None}
    for n, each in enumerate(collectors):
        if each.recipient.domain not in inward and each.recipient not in delivered:
            message = (
                "expected an address in a domain of an [[establishment]] that has a next_hop, or a [[mailbox]] with a "
                "mail_store"
            )
            yield Complaint(("collector", n, "recipient"), message)


def what_is_collected_is_not_put_back(
    collectors: Collectors, mailboxes: Sequence[Mailbox], mail_stores: Stores
) -> Found:
    """Into the folder that it came from; it would be refused there as a loop."""
    stores = {each.name: each for each in mail_stores}
    for n, each in enumerate(collectors):
        for mailbox in mailboxes:
            store = stores.get(mailbox.mail_store or "")
            if mailbox.address != each.recipient or store is None:
                continue
            there = (store.host, mailbox.user or mailbox.address.text, mailbox.folder)
            if there == (each.host, each.user, each.folder):
                message = "its [[mailbox]] is the folder that is collected from: letters would go in circles"
                yield Complaint(("collector", n, "recipient"), message)


def what_is_sent_through_us_has_a_sender(collectors: Collectors, establishments: Sequence[Establishment]) -> Found:
    """Else no exchange of that mailbox would ever be open, and all that patients answer would be refused."""
    for n, each in enumerate(collectors):
        ours = any(each.bal.domain in home.domains or each.bal in home.addresses for home in establishments)
        if each.sends_through_us and not ours:
            message = "no [[establishment]] may send as this mailbox: see address, and establishment.addresses"
            yield Complaint(("collector", n, "sends_through_us"), message)


def collectors_are_no_patients(collectors: Collectors, gateway: Any) -> Found:
    for n, each in enumerate(collectors):
        for key in ("recipient", "address"):
            given = getattr(each, key)
            if given is not None and given.domain == gateway.patient_domain:
                yield Complaint(("collector", n, key), "a patient's mailbox is not collected from")


def _place(collector: Collector, folder: str | None) -> tuple[object, ...]:
    return collector.host, collector.usual_port, collector.user, folder


def one_collector_a_folder(collectors: Collectors) -> Found:
    seen: set[object] = set()
    sources = {(_place(each, each.folder), each.recipient) for each in collectors}
    for n, each in enumerate(collectors):
        at: lines.Path = ("collector", n)
        place = _place(each, each.folder)
        if each.done_folder != each.folder and (_place(each, each.done_folder), each.recipient) in sources:
            message = "another [[collector]] collects from this folder: its recipient would get each letter twice"
            yield Complaint((*at, "done_folder"), message)
        if place in seen:
            yield Complaint((*at, "folder"), "another [[collector]] collects from this folder")
        seen.add(place)
        if each.refused_folder in (each.folder, each.done_folder):
            yield Complaint((*at, "refused_folder"), "expected a folder of its own")
        if each.done_folder == each.folder:
            yield Complaint((*at, "done_folder"), "expected another folder than the one that is collected from")
        if each.done_folder is not None and "mark" in each.model_fields_set:
            yield Complaint((*at, "mark"), "either done_folder or mark: what is moved needs no mark")


def collected_once_more(collectors: Collectors) -> Found:
    """Meant, perhaps: one letter for two recipients, or the notes on what was refused."""
    sources = {_place(each, each.folder) for each in collectors}
    for n, each in enumerate(collectors):
        for key in ("done_folder", "refused_folder"):
            if _place(each, getattr(each, key)) in sources:
                yield Complaint(("collector", n, key), "what is put there is collected by another [[collector]]")


def collectors_leave_servers_in_peace(collectors: Collectors) -> Found:
    for n, each in enumerate(collectors):
        if each.poll < SHORTEST_POLL:
            yield Complaint(("collector", n, "poll"), "expected at least 5s")


def collector_passwords_exist(collectors: Collectors) -> Found:
    for n, each in enumerate(collectors):
        yield from readable(("collector", n, "password_file"), each.password_file)


COLLECTOR_CHECKS = (
    collectors_have_names_of_their_own,
    collected_mail_has_a_way_in,
    what_is_collected_is_not_put_back,
    what_is_sent_through_us_has_a_sender,
    collectors_are_no_patients,
    one_collector_a_folder,
    collectors_leave_servers_in_peace,
    collector_passwords_exist,
)

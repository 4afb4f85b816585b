"""[[mail_store]]: where the mailboxes are that we deliver into, and what it must hold together with [[mailbox]]."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from mssgw.app.config.clients import Establishment
from mssgw.app.config.files import readable
from mssgw.app.config.imap_server import ImapServer
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.config.places import File
from mssgw.app.config.problems import Complaint, Found, did_you_mean, repeated
from mssgw.app.config.values import Endpoint, LoginName, next_hop
from mssgw.core.bal import BalKind

_LEAST_NOTICE = timedelta(days=1)

_OF_A_STORE = ("user", "password_file", "folder", "processed_folder", "processed_keyword", "purge_after")


def way_by_lmtp(value: object) -> Endpoint | str:
    """The path of a unix socket, or host and port."""
    if isinstance(value, str) and value.startswith("/") and value.isprintable():
        return value
    try:
        return next_hop(value)
    except ValueError:
        message = 'expected a unix socket such as "/run/dovecot/lmtp", or "host:port" such as "localhost:24"'
        raise ValueError(message) from None


Lmtp = Annotated[Endpoint | str, PlainValidator(way_by_lmtp)]


class MailStore(ImapServer):
    """``host``, ``port``, ``tls``: its IMAP server. ``lmtp``: letters go there, and not by IMAP.

    ``master_user``: a login of the store's own that opens every mailbox; else each [[mailbox]] has its password.
    """

    master_user: LoginName | None = None
    master_password_file: File | None = None
    lmtp: Lmtp | None = None
    lmtp_tls: Literal["none", "starttls"] = "starttls"


Stores = Sequence[MailStore]


def mail_stores_are_whole(mail_stores: Stores) -> Found:
    yield from repeated(((("mail_store", n, "name"), each.name) for n, each in enumerate(mail_stores)), "name")
    for n, each in enumerate(mail_stores):
        if each.host is None and each.lmtp is None:
            yield Complaint(("mail_store", n, "host"), "expected host (its IMAP server), lmtp, or both")
        for key, other in (("master_user", "master_password_file"), ("master_password_file", "master_user")):
            if getattr(each, key) is None and getattr(each, other) is not None:
                yield Complaint(("mail_store", n, key), f"expected, because {other} is set")
        if isinstance(each.lmtp, Endpoint) and each.lmtp_tls == "none" and not each.lmtp.loopback:  # req: TLS-7
            yield Complaint(("mail_store", n, "lmtp_tls"), "health mail crosses the network over TLS only")
        yield from readable(("mail_store", n, "master_password_file"), each.master_password_file)


def mailboxes_are_where_they_say(mailboxes: Sequence[Mailbox], mail_stores: Stores) -> Found:
    stores = {each.name: each for each in mail_stores}
    for n, mailbox in enumerate(mailboxes):
        if mailbox.mail_store is None:
            for key in _OF_A_STORE:
                if key in mailbox.model_fields_set:
                    yield Complaint(("mailbox", n, key), "only with mail_store: where this mailbox is")
            continue
        store = stores.get(mailbox.mail_store)
        if store is None:
            hint = did_you_mean(mailbox.mail_store, stores)
            yield Complaint(("mailbox", n, "mail_store"), f"no [[mail_store]] has this name{hint}")
            continue
        yield from _can_be_opened(n, mailbox, store)
        yield from _can_be_watched(n, mailbox, store)


def _can_be_opened(n: int, mailbox: Mailbox, store: MailStore) -> Found:
    at = ("mailbox", n, "password_file")
    if store.master_user is not None and mailbox.password_file is not None:
        yield Complaint(at, "either this or master_user of its [[mail_store]]")
    needed = store.lmtp is None or mailbox.is_opened
    if needed and store.host is not None and store.master_user is None and mailbox.password_file is None:
        yield Complaint(at, "expected a file, because its [[mail_store]] has no master_user")
    yield from readable(at, mailbox.password_file)


def _can_be_watched(n: int, mailbox: Mailbox, store: MailStore) -> Found:  # req: MDN-7
    folder, keyword = mailbox.processed_folder, mailbox.processed_keyword
    key = "processed_folder" if folder is not None else "processed_keyword"
    if not mailbox.is_watched:
        return
    if mailbox.kind is not BalKind.APP:
        yield Complaint(("mailbox", n, key), "only an APP mailbox confirms; a person's mail program sends receipts")
    if folder is not None and keyword is not None:
        yield Complaint(("mailbox", n, "processed_keyword"), "either this or processed_folder")
    if folder is not None and folder == mailbox.folder:
        yield Complaint(("mailbox", n, "processed_folder"), "expected another folder than the one we deliver into")
    if store.host is None:
        yield Complaint(("mailbox", n, key), "its [[mail_store]] has no host: we cannot look into it by IMAP")


def what_is_shared_is_looked_into_once(mailboxes: Sequence[Mailbox]) -> Found:  # req: MDN-6, TRC-3
    """Several addresses may lead to one mailbox. What lies there does not say for which of them it came: the receipt
    of a letter would go out in each name, and each would announce what leaves.
    """
    ours = [(n, each) for n, each in enumerate(mailboxes) if each.mail_store is not None]
    for n, mailbox in ours:
        others = [other for at, other in ours if at != n and is_same_place(mailbox, other)]
        if mailbox.is_watched and others:
            key = "processed_folder" if mailbox.processed_folder is not None else "processed_keyword"
            message = "another [[mailbox]] is the same one of its [[mail_store]]: receipts would go out in a wrong name"
            yield Complaint(("mailbox", n, key), message)
        if mailbox.purge_after is not None and any(other.purge_after is not None for other in others):
            message = "another [[mailbox]] is the same one of its [[mail_store]], and says when letters leave it"
            yield Complaint(("mailbox", n, "purge_after"), message)


def is_same_place(one: Mailbox, other: Mailbox) -> bool:
    """Whether letters for two [[mailbox]], each with a mail_store, lie in one folder."""

    def account(mailbox: Mailbox) -> tuple[str | None, str]:
        return mailbox.mail_store, (mailbox.user or mailbox.address.text).lower()

    return account(one) == account(other) and not {*one.kept_in}.isdisjoint(other.kept_in)


def letters_go_when_they_can(  # req: TRC-3
    mailboxes: Sequence[Mailbox], mail_stores: Stores, retention: Any, gateway: Any
) -> Found:
    """Deleting needs days: to be told of it, to read the notice and to keep what is needed."""
    stores = {each.name: each for each in mail_stores}
    if retention.purge_notice < _LEAST_NOTICE:
        yield Complaint(("retention", "purge_notice"), 'expected "1d" or more: readers need time to keep a letter')
    for n, mailbox in enumerate(mailboxes):
        at, store = ("mailbox", n, "purge_after"), stores.get(mailbox.mail_store or "")
        if mailbox.purge_after is None:
            continue
        opened = (mailbox.user or mailbox.address.text).lower()
        if mailbox.address.domain == gateway.patient_domain or opened.endswith(f"@{gateway.patient_domain}"):
            yield Complaint(at, "never for a patient's mailbox: nothing is deleted there")
        if mailbox.purge_after <= retention.purge_notice:
            yield Complaint(at, "expected more than retention.purge_notice: a letter would go as soon as it came")
        if store is not None and store.host is None:
            yield Complaint(at, "its [[mail_store]] has no host: we cannot look into it by IMAP")


def delivered_mailboxes_are_ours(
    mailboxes: Sequence[Mailbox], establishments: Sequence[Establishment]
) -> Found:  # req: WHO-9
    """Whoever writes to one of ours may; a letter to another's domain is for its operator to deliver."""
    ours = {domain for each in establishments for domain in each.domains}
    for n, mailbox in enumerate(mailboxes):
        if mailbox.mail_store is not None and mailbox.address.domain not in ours:
            message = "expected an address in a domain of an [[establishment]]: for others, see [[collector]]"
            yield Complaint(("mailbox", n, "mail_store"), message)


MAIL_STORE_CHECKS: tuple[Callable[..., Found], ...] = (
    mail_stores_are_whole,
    mailboxes_are_where_they_say,
    what_is_shared_is_looked_into_once,
    letters_go_when_they_can,
    delivered_mailboxes_are_ours,
)

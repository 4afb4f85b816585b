"""The ways into the mailboxes that we deliver into, as [[mailbox]], [[mail_store]] and [patient_space] have them."""

from mssgw.app.config import Config
from mssgw.app.config.files import password
from mssgw.app.config.mail_stores import MailStore
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.config.model import PatientSpaceSettings
from mssgw.app.config.values import Endpoint
from mssgw.core.patients import HOUSEHOLD
from mssgw.core.routes import Route, RouteKind, TlsPolicy
from mssgw.ports.mailbox import INBOX


def to_mailboxes(config: Config) -> dict[str, Route]:
    """The routes of the mailboxes that we deliver into, by Address key. Raises OSError when a password is unreadable.

    Their names hold no address, for they stand in log and metrics: the store, and which entry of the file it is.
    """
    stores = {each.name: each for each in config.mail_stores}
    found = {}
    for number, mailbox in enumerate(config.mailboxes, 1):
        if mailbox.mail_store is not None:
            store = stores[mailbox.mail_store]
            into = by_imap(store, mailbox, number) if store.lmtp is None else _by_lmtp(store)
            found[mailbox.address.key] = into
    return found


def route_to_patients(config: Config) -> Route | None:
    """To all of them; None without [patient_space]. Raises OSError when a password is unreadable."""
    space = config.patient_space
    if space is None:
        return None
    if space.next_hop is not None:
        hop = space.next_hop
        return Route(name=HOUSEHOLD, host=hop.host, port=hop.port, tls=space.next_hop_tls, inward=True, patients=True)
    (store,) = (each for each in config.mail_stores if each.name == space.mail_store)
    return _into(store, space)


def by_imap(store: MailStore, mailbox: Mailbox, number: int) -> Route:
    """One for each, so that one that is shut holds up no other. ``number``: its entry in the file, from 1."""
    own = mailbox.user or mailbox.address.text
    master = store.master_user is not None
    return Route(
        name=f"store:{store.name}:{number}",
        kind=RouteKind.IMAP,
        host=store.host or "",
        port=store.usual_port,
        tls=store.tls_policy,
        inward=True,
        login=store.master_user if master else own,
        password=password(store.master_password_file if master else mailbox.password_file),
        folders=(mailbox.folder, *((mailbox.processed_folder,) if mailbox.processed_folder else ())),
        master=master,
        mailbox=own,
    )


def _by_lmtp(store: MailStore) -> Route:
    """One for all its mailboxes, so that they share connections."""
    there = store.lmtp
    if isinstance(there, Endpoint):
        tls = TlsPolicy.REQUIRE if store.lmtp_tls == "starttls" else TlsPolicy.NONE
        host, port = there.host, there.port
    else:
        tls, host, port = TlsPolicy.NONE, there or "", 0
    return Route(name=f"store:{store.name}", kind=RouteKind.LMTP, host=host, port=port, tls=tls, inward=True)


def _into(store: MailStore, space: PatientSpaceSettings) -> Route:
    return Route(
        name=f"store:{store.name}:patients",
        kind=RouteKind.IMAP,
        host=store.host or "",
        port=store.usual_port,
        tls=store.tls_policy,
        inward=True,
        patients=True,
        login=store.master_user,
        password=password(store.master_password_file),
        folders=(INBOX,),
        master=True,
        mailbox=space.user,
        marks_subject=space.fin_shown == "subject",
    )

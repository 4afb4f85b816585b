"""The mailboxes that we deliver into, as [[mailbox]] and [[mail_store]] have them: the way there, whose programs
confirm letters, and when letters leave.
"""

from collections.abc import Sequence

from mssgw.app.config import Config
from mssgw.app.config.files import password
from mssgw.app.config.mail_stores import MailStore
from mssgw.app.config.model import Mailbox
from mssgw.app.config.values import Endpoint
from mssgw.core.retention import Retained
from mssgw.core.routes import Route, RouteKind, TlsPolicy
from mssgw.flow.mailbox_delivery import account
from mssgw.flow.receipts_watch import Watched
from mssgw.flow.retention import Kept, Shelf
from mssgw.ports.mailbox import SEEN


def to_mailboxes(config: Config) -> dict[str, Route]:
    """The routes of the mailboxes that we deliver into, by Address key. Raises OSError when a password is unreadable.

    Their names hold no address, for they stand in log and metrics: the store, and which entry of the file it is.
    """
    stores = {each.name: each for each in config.mail_stores}
    found = {}
    for number, mailbox in enumerate(config.mailboxes, 1):
        if mailbox.mail_store is not None:
            store = stores[mailbox.mail_store]
            into = _by_imap(store, mailbox, number) if store.lmtp is None else _by_lmtp(store)
            found[mailbox.address.key] = into
    return found


def watched(config: Config) -> Sequence[Watched]:
    """The APP mailboxes whose programs confirm what they have integrated (MDN-7). Raises OSError as to_mailboxes()."""
    stores = {each.name: each for each in config.mail_stores}
    return tuple(
        Watched(
            account=account(_by_imap(stores[mailbox.mail_store], mailbox, number), mailbox.address),
            mailbox=mailbox.address,
            folder=mailbox.processed_folder or mailbox.folder,
            flags=(mailbox.processed_keyword,) if mailbox.processed_keyword is not None else (),
        )
        for number, mailbox in enumerate(config.mailboxes, 1)
        if mailbox.mail_store is not None and mailbox.is_watched
    )


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


def kept(config: Config) -> Sequence[Kept]:
    """The same, with the way to them. Raises OSError as to_mailboxes()."""
    stores, terms = {each.name: each for each in config.mail_stores}, {each.mailbox: each for each in retained(config)}
    return tuple(
        Kept(
            account=account(_by_imap(stores[mailbox.mail_store], mailbox, number), mailbox.address),
            term=terms[mailbox.address],
            shelves=_shelves(mailbox),
        )
        for number, mailbox in enumerate(config.mailboxes, 1)
        if mailbox.mail_store is not None and mailbox.address in terms
    )


def _shelves(mailbox: Mailbox) -> tuple[Shelf, ...]:
    """What its program moved aside is done with; what lies where we put it when it was read, or has its keyword."""
    done = (mailbox.processed_keyword,) if mailbox.processed_keyword is not None else (SEEN,)
    aside = (Shelf(folder=mailbox.processed_folder, done=()),) if mailbox.processed_folder is not None else ()
    return (Shelf(folder=mailbox.folder, done=done), *aside)


def _by_lmtp(store: MailStore) -> Route:
    """One for all its mailboxes, so that they share connections."""
    there = store.lmtp
    if isinstance(there, Endpoint):
        tls = TlsPolicy.REQUIRE if store.lmtp_tls == "starttls" else TlsPolicy.NONE
        host, port = there.host, there.port
    else:
        tls, host, port = TlsPolicy.NONE, there or "", 0
    return Route(name=f"store:{store.name}", kind=RouteKind.LMTP, host=host, port=port, tls=tls, inward=True)


def _by_imap(store: MailStore, mailbox: Mailbox, number: int) -> Route:
    """One for each, so that one that is shut holds up no other."""
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

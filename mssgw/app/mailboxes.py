"""What is done in the mailboxes that we deliver into: whose programs confirm letters, when letters leave, and how the
openings of patients are waited for. The ways there: app/mailbox_routes.
"""

from collections.abc import Sequence

from mssgw.app.config import Config
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.mailbox_routes import by_imap, route_to_patients
from mssgw.app.wiring import retained
from mssgw.core.routes import RouteKind
from mssgw.flow.mailbox_delivery import account
from mssgw.flow.patient_receipts import PatientWatch
from mssgw.flow.receipts_watch import Watched
from mssgw.flow.retention import Kept, Shelf
from mssgw.ports.mailbox import SEEN


def watched(config: Config) -> Sequence[Watched]:
    """The APP mailboxes whose programs confirm what they have integrated (MDN-7). Raises OSError as to_mailboxes()."""
    stores = {each.name: each for each in config.mail_stores}
    return tuple(
        Watched(
            account=account(by_imap(stores[mailbox.mail_store], mailbox, number), mailbox.address),
            mailbox=mailbox.address,
            folder=mailbox.processed_folder or mailbox.folder,
            flags=(mailbox.processed_keyword,) if mailbox.processed_keyword is not None else (),
        )
        for number, mailbox in enumerate(config.mailboxes, 1)
        if mailbox.mail_store is not None and mailbox.is_watched
    )


def kept(config: Config) -> Sequence[Kept]:
    """The same, with the way to them. Raises OSError as to_mailboxes()."""
    stores, terms = {each.name: each for each in config.mail_stores}, {each.mailbox: each for each in retained(config)}
    return tuple(
        Kept(
            account=account(by_imap(stores[mailbox.mail_store], mailbox, number), mailbox.address),
            term=terms[mailbox.address],
            shelves=_shelves(mailbox),
        )
        for number, mailbox in enumerate(config.mailboxes, 1)
        if mailbox.mail_store is not None and mailbox.address in terms
    )


def patient_watch(config: Config) -> PatientWatch | None:
    """How the openings of letters are waited for; None where an SMTP server has the mailboxes. Raises OSError."""
    route = route_to_patients(config)
    if config.patient_space is None or route is None or route.kind is not RouteKind.IMAP:
        return None
    return PatientWatch(route=route, held=config.patient_space.receipt_sessions)


def _shelves(mailbox: Mailbox) -> tuple[Shelf, ...]:
    """What its program moved aside is done with; what lies where we put it when it was read, or has its keyword."""
    done = (mailbox.processed_keyword,) if mailbox.processed_keyword is not None else (SEEN,)
    aside = (Shelf(folder=mailbox.processed_folder, done=()),) if mailbox.processed_folder is not None else ()
    return (Shelf(folder=mailbox.folder, done=done), *aside)

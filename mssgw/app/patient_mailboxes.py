"""The mailboxes of patients, as [patient_space] has them: the way there, and how their openings are waited for."""

from mssgw.app.config import Config
from mssgw.app.config.files import password
from mssgw.app.config.mail_stores import MailStore
from mssgw.app.config.model import PatientSpaceSettings
from mssgw.core.patients import HOUSEHOLD
from mssgw.core.routes import Route, RouteKind
from mssgw.flow.patient_receipts import PatientWatch
from mssgw.ports.mailbox import INBOX


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


def patient_watch(config: Config) -> PatientWatch | None:
    """How the openings of letters are waited for; None where an SMTP server has the mailboxes. Raises OSError."""
    route = route_to_patients(config)
    if config.patient_space is None or route is None or route.kind is not RouteKind.IMAP:
        return None
    return PatientWatch(route=route, held=config.patient_space.receipt_sessions)


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

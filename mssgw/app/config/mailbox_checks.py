"""What [[mailbox]], [notifications] and [reports] must hold together; see checks.py."""

from collections.abc import Callable, Sequence

from mssgw.app.config.files import authorities, readable
from mssgw.app.config.model import Gateway, Mailbox, NotificationSettings, Retention
from mssgw.app.config.problems import Complaint, Found
from mssgw.core.bal import BalKind
from mssgw.core.notifying import ByMail
from mssgw.core.routes import TlsPolicy


def exchanges_close_when_they_can(mailboxes: Sequence[Mailbox], retention: Retention) -> Found:  # req: FIN-4
    for n, mailbox in enumerate(mailboxes):
        if mailbox.close_on_send and mailbox.kind is not BalKind.APP:
            message = "only an APP mailbox closes with every letter; a person closes with [FIN] or X-MSS-MES: FIN"
            yield Complaint(("mailbox", n, "close_on_send"), message)
        if mailbox.close_after is not None and mailbox.close_after > retention.trace:
            message = "longer than retention.trace: letters are remembered for that long only, so it could not be told"
            yield Complaint(("mailbox", n, "close_after"), message)


def whom_to_tell_can_be_told(
    mailboxes: Sequence[Mailbox], notifications: NotificationSettings, gateway: Gateway
) -> Found:
    for n, mailbox in enumerate(mailboxes):
        target, at = mailbox.notify, ("mailbox", n, "notify")
        if not isinstance(target, ByMail):
            continue
        missing = [key for key in ("next_hop", "sender") if getattr(notifications, key) is None]
        if missing:
            yield Complaint(at, f"ordinary mail needs [notifications] {' and '.join(missing)}")
        if target.address.domain == gateway.patient_domain:
            yield Complaint(at, "expected an ordinary address, not one in the patient domain")
        elif target.address == mailbox.address:
            yield Complaint(at, "expected an ordinary address, not the mailbox itself")


def notifications_have_a_way(notifications: NotificationSettings, gateway: Gateway) -> Found:
    at = "notifications"
    if notifications.sender is not None and notifications.sender.domain == gateway.patient_domain:
        yield Complaint((at, "sender"), "expected an ordinary address, not one in the patient domain")
    if notifications.next_hop_login is not None and notifications.next_hop_password_file is None:
        yield Complaint((at, "next_hop_password_file"), "expected, because next_hop_login is set")
    if notifications.next_hop_password_file is not None and notifications.next_hop_login is None:
        yield Complaint((at, "next_hop_login"), "expected, because next_hop_password_file is set")
    if notifications.next_hop_login is not None and notifications.next_hop_tls is TlsPolicy.NONE:  # req: TLS-7
        yield Complaint((at, "next_hop_login"), "a password goes over TLS only: set next_hop_tls")
    yield from readable((at, "next_hop_password_file"), notifications.next_hop_password_file)
    yield from authorities((at, "ca_file"), notifications.ca_file)


MAILBOX_CHECKS: tuple[Callable[..., Found], ...] = (
    exchanges_close_when_they_can,
    whom_to_tell_can_be_told,
    notifications_have_a_way,
)

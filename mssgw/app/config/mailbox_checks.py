"""What [[mailbox]] and [notifications] must hold together with the rest; see checks.py."""

from collections.abc import Callable, Sequence

from mssgw.app.config.client_checks import Establishments, TrustedDomains, next_hop_login_is_whole
from mssgw.app.config.files import authorities, readable
from mssgw.app.config.mailboxes import Mailbox
from mssgw.app.config.model import Gateway, NotificationSettings, Retention, TrustSettings
from mssgw.app.config.problems import Complaint, Found, did_you_mean, repeated
from mssgw.core.bal import BalKind
from mssgw.core.notifying import ByMail


def mailboxes_have_a_home(
    mailboxes: Sequence[Mailbox],
    establishments: Establishments,
    trusted_domains: TrustedDomains,
    gateway: Gateway,
    trust: TrustSettings | None,
) -> Found:
    yield from repeated(((("mailbox", n, "address"), each.address) for n, each in enumerate(mailboxes)), "address")
    served = {domain for client in (*establishments, *trusted_domains) for domain in client.domains}
    for n, mailbox in enumerate(mailboxes):
        domain = mailbox.address.domain
        if domain == gateway.patient_domain:
            yield Complaint(("mailbox", n, "address"), "a patient's address is no BAL")
        elif domain not in served and trust is None:  # else the white list may have it
            hint = did_you_mean(domain, served - {gateway.patient_domain}, cutoff=0.8)
            message = f'"{domain}" is a domain of no [[establishment]] and no [[trusted_domain]]{hint}'
            yield Complaint(("mailbox", n, "address"), message)
        if mailbox.pharmacy and mailbox.kind is not BalKind.ORG:  # req: WHO-3
            yield Complaint(("mailbox", n, "pharmacy"), "patients write first to a pharmacy's ORG mailbox only")


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
    yield from next_hop_login_is_whole((at,), notifications)
    yield from readable((at, "next_hop_password_file"), notifications.next_hop_password_file)
    yield from authorities((at, "ca_file"), notifications.ca_file)


MAILBOX_CHECKS: tuple[Callable[..., Found], ...] = (
    mailboxes_have_a_home,
    exchanges_close_when_they_can,
    whom_to_tell_can_be_told,
    notifications_have_a_way,
)

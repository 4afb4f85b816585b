"""What settings must hold together. Each check takes the sections that its parameters name and yields complaints.

It runs only when those sections are sound, so that one mistake is told once. Those about one table, or a few that
belong together, stand in the room of that name; here are the others.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from inspect import signature
from typing import Any

from mssgw.app.config.client_checks import CLIENT_CHECKS, Establishments
from mssgw.app.config.collector import COLLECTOR_CHECKS
from mssgw.app.config.files import authorities
from mssgw.app.config.listener_checks import LISTENER_CHECKS
from mssgw.app.config.mail_stores import MAIL_STORE_CHECKS
from mssgw.app.config.mailbox_checks import MAILBOX_CHECKS
from mssgw.app.config.model import (
    Conversations,
    DeliverySettings,
    DocumentException,
    Gateway,
    Limits,
    MetricsSettings,
    PolicySettings,
)
from mssgw.app.config.patient_checks import PATIENT_CHECKS
from mssgw.app.config.problems import Complaint, Found, repeated
from mssgw.app.config.store_checks import STORE_CHECKS
from mssgw.app.config.trust_checks import TRUST_CHECKS

SIZE_FLOOR = 10_485_760  # req: SIZ-1, SD-1


def contradictions(sections: Mapping[str, Any]) -> list[Complaint]:
    """Errors between the sound sections, by attribute name of Config."""
    found: list[Complaint] = []
    for check in CHECKS:
        needed = signature(check).parameters
        if all(name in sections for name in needed):
            found += check(**{name: sections[name] for name in needed})
    return found


def patient_exceptions_are_patients(gateway: Gateway) -> Found:
    for n, address in enumerate(gateway.patient_exceptions):
        if address.domain != gateway.patient_domain:
            at = ("gateway", "patient_exceptions", n)
            yield Complaint(at, f"expected an address in {gateway.patient_domain}")


def document_policies_are_about_us(
    document_policies: Sequence[DocumentException], establishments: Establishments
) -> Found:
    ours = {domain for each in establishments for domain in each.domains}
    for n, entry in enumerate(document_policies):
        for domain in entry.domains:
            if domain not in ours:
                yield Complaint(("document_policy", n, "domains"), f'no [[establishment]] has the domain "{domain}"')
    named = [
        (("document_policy", n, "domains"), domain)
        for n, entry in enumerate(document_policies)
        for domain in entry.domains
    ]
    yield from repeated(named, "domain")


def what_enforces_needs_no_date(policy: PolicySettings) -> Found:  # req: SD-9
    """One might mean to enforce from that date only, another to have done so since."""
    if policy.conversations is Conversations.ENFORCE and policy.enforce_from is not None:
        yield Complaint(("policy", "enforce_from"), 'only with conversations = "observe"')


def limits_leave_room(limits: Limits) -> Found:
    if limits.message_size < SIZE_FLOOR:
        message = f"expected at least {SIZE_FLOOR}: every letter of 10 Mo must pass (SIZ-1)"
        yield Complaint(("limits", "message_size"), message)
    if limits.recipients < 100:
        yield Complaint(("limits", "recipients"), "expected at least 100 (RFC 5321 section 4.5.3.1.8)")


def metrics_stay_on_the_machine(metrics: MetricsSettings) -> Found:
    """They name nobody, but they tell who wants to know how much mail there is and when we are weak."""
    if metrics.address is not None and not metrics.address.loopback and not metrics.allow_remote:
        message = 'expected a loopback address such as "127.0.0.1:9479", or allow_remote = true'
        yield Complaint(("metrics", "address"), message)


def delays_are_in_order(delivery: DeliverySettings) -> Found:
    for early, late in (("first_retry", "longest_retry"), ("warn_after", "give_up_after")):
        if getattr(delivery, early) > getattr(delivery, late):
            yield Complaint(("delivery", early), f"expected no longer than {late}")


def a_lease_outlives_a_pause(delivery: DeliverySettings) -> Found:
    if delivery.take_over_after < timedelta(seconds=20):  # twice daemon.DRAIN_DELIVERIES, when nothing is renewed
        message = "expected at least 20s: a short pause of a living node, or its stop, must not look like its death"
        yield Complaint(("delivery", "take_over_after"), message)


def delivery_files_exist(delivery: DeliverySettings) -> Found:
    yield from authorities(("delivery", "ca_file"), delivery.ca_file)


CHECKS: tuple[Callable[..., Found], ...] = (
    *STORE_CHECKS,
    *CLIENT_CHECKS,
    *LISTENER_CHECKS,
    *MAILBOX_CHECKS,
    *MAIL_STORE_CHECKS,
    *COLLECTOR_CHECKS,
    *TRUST_CHECKS,
    *PATIENT_CHECKS,
    patient_exceptions_are_patients,
    document_policies_are_about_us,
    what_enforces_needs_no_date,
    limits_leave_room,
    metrics_stay_on_the_machine,
    delays_are_in_order,
    a_lease_outlives_a_pause,
    delivery_files_exist,
)

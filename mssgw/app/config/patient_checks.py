"""What [patient_space] must hold together with the rest. Run like the other checks: see checks.py."""

from collections.abc import Callable, Mapping, Sequence

from mssgw.app.config.clients import Establishment, Listener, Tls, TrustedDomain
from mssgw.app.config.mail_stores import MailStore
from mssgw.app.config.model import Gateway, PatientSpaceSettings
from mssgw.app.config.problems import Complaint, Found, did_you_mean
from mssgw.core.envelope import Role
from mssgw.core.patients import HOUSEHOLD


def patients_log_in_over_tls(listeners: Sequence[Listener], patient_space: PatientSpaceSettings | None) -> Found:
    for n, each in enumerate(listeners):
        if each.role is not Role.PATIENT_SPACE:
            continue
        if patient_space is None:
            message = "there is no [patient_space]: the patients of the domain are another operator's"
            yield Complaint(("listener", n, "role"), message)
        if each.tls is Tls.NONE:
            yield Complaint(
                ("listener", n, "tls"), 'expected "starttls" or "implicit": patients log in with a password'
            )
        if not each.require_tls:
            yield Complaint(("listener", n, "require_tls"), "expected true: patients send passwords")


def patients_have_one_operator(
    gateway: Gateway, trusted_domains: Sequence[TrustedDomain], patient_space: PatientSpaceSettings | None
) -> Found:  # req: SD-5
    """Who else could speak for the domain would speak as our patients."""
    for n, operator in enumerate(trusted_domains):
        if patient_space is not None and gateway.patient_domain in operator.domains:
            at = ("trusted_domain", n, "domains", operator.domains.index(gateway.patient_domain))
            yield Complaint(at, "with [patient_space], the patient domain is ours: take it out here")


def nobody_is_called_as_the_patients_are(
    establishments: Sequence[Establishment],
    trusted_domains: Sequence[TrustedDomain],
    patient_space: PatientSpaceSettings | None,
) -> Found:
    """Domains belong to whom their owner's name says (SD-5)."""
    for table, entries in (("establishment", establishments), ("trusted_domain", trusted_domains)):
        for n, each in enumerate(entries):
            if patient_space is not None and each.name == HOUSEHOLD:
                yield Complaint((table, n, "name"), "expected another name: this one stands for our patients")


_OF_A_STORE = ("user", "receipt_sessions", "fin_shown")


def patients_have_mailboxes(patient_space: PatientSpaceSettings | None, mail_stores: Sequence[MailStore]) -> Found:
    at, space = "patient_space", patient_space
    if space is None:
        return
    if (space.mail_store is None) is (space.next_hop is None):
        wrong = "missing" if space.mail_store is None else "mail_store is given too"
        message = f"{wrong}: expected either mail_store, the name of a [[mail_store]], or next_hop, an SMTP server"
        yield Complaint((at, "next_hop"), message)
    for key in _OF_A_STORE if space.mail_store is None else ("next_hop_tls",):
        if key in space.model_fields_set:
            yield Complaint((at, key), f"only with {'mail_store' if space.mail_store is None else 'next_hop'}")
    if space.mail_store is not None:
        yield from _opens(space.mail_store, {each.name: each for each in mail_stores})


def _opens(name: str, stores: Mapping[str, MailStore]) -> Found:
    at, store = ("patient_space", "mail_store"), stores.get(name)
    if store is None:
        yield Complaint(at, f"no [[mail_store]] has this name{did_you_mean(name, stores)}")
        return
    if store.lmtp is not None or store.host is None:
        message = "expected a [[mail_store]] with host and without lmtp: by IMAP we see that a letter was opened"
        yield Complaint(at, message)
    if store.master_user is None:
        message = "expected a [[mail_store]] with master_user: no patient's password is known here"
        yield Complaint(at, message)


PATIENT_CHECKS: tuple[Callable[..., Found], ...] = (
    patients_log_in_over_tls,
    patients_have_mailboxes,
    patients_have_one_operator,
    nobody_is_called_as_the_patients_are,
)

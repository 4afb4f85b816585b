"""What [patient_space] must hold together with the rest. Run like the other checks: see checks.py."""

from collections.abc import Callable, Iterator, Sequence

from mssgw.app.config.model import Establishment, Gateway, Listener, PatientSpaceSettings, Tls, TrustedDomain
from mssgw.app.config.problems import Complaint
from mssgw.core.envelope import Role
from mssgw.core.patients import HOUSEHOLD

Found = Iterator[Complaint]


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


PATIENT_CHECKS: tuple[Callable[..., Found], ...] = (
    patients_log_in_over_tls,
    patients_have_one_operator,
    nobody_is_called_as_the_patients_are,
)

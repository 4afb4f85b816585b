"""The SMTP envelope: who sends, to whom, how it reached us, and what was asked about delivery reports."""

from dataclasses import dataclass, field
from enum import StrEnum

from mssgw.core.addresses import Address


class Role(StrEnum):
    """What a listener is for; COLLECTED and OURSELVES, where a letter came by none."""

    ESTABLISHMENT = "establishment"
    TRUST_SPACE = "trust-space"
    PATIENT_SPACE = "patient-space"  # patients of ours, each with a login
    COLLECTED = "collected"  # fetched from a mailbox that another operator hosts
    OURSELVES = "ourselves"  # notices, receipts and announcements that the gateway writes

    @property
    def from_outside(self) -> bool:
        """Whether its letters come from other operators to us: other senders, other limits, no way out again."""
        return self in (Role.TRUST_SPACE, Role.COLLECTED)


class Notify(StrEnum):
    """NOTIFY values of RFC 3461 section 4.1."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPath:
    """One recipient. ``notify`` None: the default, FAILURE and DELAY. ``orcpt``: xtext as received, or None."""

    address: Address
    notify: frozenset[Notify] | None = None
    orcpt: str | None = field(default=None, repr=False)  # the address once more

    def wants(self, what: Notify) -> bool:
        """Whether the sender asked to be told of this (RFC 3461 section 4.1)."""
        return what in (self.notify if self.notify is not None else {Notify.FAILURE, Notify.DELAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a letter reached us.

    ``client``: the configured name of the establishment client or operator. ``person``: the natural person behind a
    shared mailbox as SD-6 finds it, None when unknown. ``protocol``: RFC 3848 keyword for the Received header.
    """

    role: Role
    client: str
    peer: str = ""
    helo: str = ""
    protocol: str = "ESMTP"
    tls: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What MAIL and RCPT said. ``reverse_path`` None is ``<>``.

    ``ret`` is FULL or HDRS, ``envid`` is xtext as received (RFC 3461); ``eight_bit`` is BODY=8BITMIME.
    """

    reverse_path: Address | None
    forward_paths: tuple[ForwardPath, ...]
    origin: Origin
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None

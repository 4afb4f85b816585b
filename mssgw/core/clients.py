"""Who may speak to us, and as whom (SD-5)."""

from dataclasses import dataclass

from mssgw.core.addresses import Address
from mssgw.core.envelope import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A peer that was admitted: an establishment's server or person, or an operator of the trust space.

    ``domains`` (A-labels, lower case) and ``addresses`` (Address keys) are what it may use as sender;
    ``notice_domains`` are host names its failure notices may come from when the reverse-path is null.
    ``bal``: of a mailbox that we collect from, its own address, by which its exchanges are known; None: the recipient.
    ``answers_unseen``: what this mailbox sends does not pass through us, so what patients may write to it is not ours
    to judge: conversation rules only observe.
    Where the person behind a shared mailbox is found when SASL does not tell (SD-6): ``xclient`` allows XCLIENT LOGIN,
    ``person_received`` reads the authenticated sender of its top Received, ``person_header`` names a header field.
    """

    name: str
    role: Role
    domains: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    notice_domains: frozenset[str] = frozenset()
    xclient: bool = False
    person_received: bool = False
    person_header: str | None = None
    bal: Address | None = None
    answers_unseen: bool = False

    def may_send_as(self, address: Address) -> bool:
        """Whether this client may use the address as its sender (SD-5).

        For the senders in a mailbox that is collected from, its operator has vouched.
        """
        if self.role is Role.COLLECTED:
            return True
        return address.domain in self.domains or address.key in self.addresses

    @property
    def relays_outward(self) -> bool:
        """Operators may reach our establishments, never each other through us: no open relay."""
        return not self.role.from_outside

"""How strictly documents are judged, by direction and by the domain of ours that sends or receives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from mssgw.core.clinical import Environment, Profile
from mssgw.core.envelope import Role


class Rejected(StrEnum):
    """What becomes of a letter with a rejected document. Danger is refused whatever is configured (Weight.DANGER)."""

    REFUSE = "refuse"
    HOLD = "hold"  # accepted, and kept for a person who releases or bounces it


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPolicy:
    """Under what one letter's documents are judged. ``environment`` None: identities of both kinds (INS-6)."""

    profile: Profile = Profile.STANDARD
    rejected: Rejected = Rejected.REFUSE
    environment: Environment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPolicies:
    """``inbound`` and ``outbound``: for letters from other operators, and from establishments of ours. By domain of
    ours there may be others."""

    inbound: DocumentPolicy = DocumentPolicy()
    outbound: DocumentPolicy = DocumentPolicy()
    inbound_of: Mapping[str, DocumentPolicy] = field(default_factory=lambda: MappingProxyType({}))
    outbound_of: Mapping[str, DocumentPolicy] = field(default_factory=lambda: MappingProxyType({}))

    def for_letter(self, role: Role, sender: str | None, recipients: Iterable[str]) -> DocumentPolicy:
        """By the domain that sends outward, or those that receive: the strictest profile, and refusal before hold."""
        if not role.from_outside:
            return self.outbound_of.get(sender or "", self.outbound)
        found = [self.inbound_of.get(domain, self.inbound) for domain in recipients] or [self.inbound]
        strictest = min(found, key=lambda each: list(Profile).index(each.profile))
        refused = any(each.rejected is Rejected.REFUSE for each in found)
        return replace(strictest, rejected=Rejected.REFUSE if refused else Rejected.HOLD)

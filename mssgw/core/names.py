"""Distinguished names of certificates, compared by what they say and not by how they are written (WL-4)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Name:
    """A DN. Two are equal when they have the same attributes with the same values, whatever the order and spacing.

    ``text`` is the DN as it was written, for people.
    """

    key: frozenset[tuple[str, str]]
    text: str = field(compare=False)

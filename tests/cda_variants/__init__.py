"""Labelled invalid variants of a valid CDA document: one change each, the rule that must see it, and what it is worth.

``variants(root)`` yields those that can be made from a document; the change is made in a copy.
"""

import copy
from collections.abc import Iterator

from mssgw.formats.safexml import Element
from tests.cda_variants import acts, body, document, patient, people
from tests.cda_variants.changes import at, setting, with_more
from tests.cda_variants.variant import Variant

__all__ = ["VARIANTS", "Variant", "at", "setting", "variants", "with_more"]

VARIANTS = (*document.VARIANTS, *patient.VARIANTS, *people.VARIANTS, *acts.VARIANTS, *body.VARIANTS)


def variants(root: Element) -> Iterator[tuple[Variant, Element]]:
    """Every variant that this document allows, with the changed copy."""
    for variant in VARIANTS:
        changed = copy.deepcopy(root)
        if variant.change(changed):
            yield variant, changed

"""A pack: the XSD of CDA R2 and the value sets that an administrator installed, as they are kept and used.

Its schema files lie flat, under names by which they include each other and nothing else; the first in order leads to
the others. Its digest names it: whoever reads it again sees whether it is still what was tried when it was installed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mssgw.core.errors import StoreUnavailable
from mssgw.formats.cda.installed import Installed
from mssgw.formats.cda.value_sets import ValueSets
from mssgw.formats.safexsd import Schema

SCHEMA, VALUE_SET = ".xsd", ".xml"


class DamagedPack(StoreUnavailable):
    """The installed pack is not what it was when it was installed: install it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is to be known of an installed pack. ``source``: what it was installed from; the others as in Found."""

    digest: str
    installed_at: datetime
    source: str
    schema: str
    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Pack:
    """``files``: by name, schema files and value sets (JDV_Jnn.xml)."""

    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of names and contents, hexadecimal."""
        whole = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            whole.update(b"%s %d\n" % (name.encode(), len(content)) + content)
        return whole.hexdigest()

    @property
    def schemas(self) -> Mapping[str, bytes]:
        """The schema files, the first one first."""
        return {name: content for name, content in sorted(self.files.items()) if name.endswith(SCHEMA)}

    @property
    def value_sets(self) -> tuple[str, ...]:
        """The names of its value sets, such as JDV_J07."""
        return tuple(sorted(name.removesuffix(VALUE_SET) for name in self.files if name.endswith(VALUE_SET)))

    def opened(self) -> Installed:
        """Compiled, in some 50 ms and 15 MB, for one thread. Raises UnusableSchema, UnreadableValueSet."""
        schemas = self.schemas
        sets = {name: content for name, content in self.files.items() if name.endswith(VALUE_SET)}
        return Installed(schema=Schema(schemas, next(iter(schemas), "")), value_sets=ValueSets.of(sets))

    def __repr__(self) -> str:
        return f"<Pack {len(self.files)} files>"

"""What of the ANS material, as it is downloaded, makes a pack: the XSD and the value sets, wherever they lie in it.

1. The schema is CDA_extended.xsd, else CDA.xsd; what it includes is followed within the material only, letter case
   apart: it was published from a system that does not tell Voc.xsd from voc.xsd. Neither network nor disk is asked.
2. What is missing, or cannot be read, is left out and told; whether the schema does without, compiling it tells.
3. The schema of XSLT, which the extended one imports for self-presenting documents, is left out: of those only the
   document inside is judged.
4. The result is tried: it must take documents that are right, and refuse one that is not.
"""

import posixpath
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from mssgw.core.errors import GatewayError
from mssgw.formats import safexml, safexsd
from mssgw.formats.archive_names import folded
from mssgw.formats.cda.pack import SCHEMA, VALUE_SET, Pack
from mssgw.formats.cda.specimens import EMPTY, specimens
from mssgw.formats.cda.value_sets import USED, UnreadableValueSet, ValueSets, name_of, revision_of
from mssgw.formats.safexml import Element, UnreadableXml
from mssgw.formats.safexsd import UnusableSchema

MAX_SCHEMAS = 200  # files that one schema includes

_CAUSES_TOLD = 5
_FIRST = ("cda_extended.xsd", "cda.xsd")
_XSLT = "http://www.w3.org/1999/XSL/Transform"
_ODD = re.compile(r"[^A-Za-z0-9._-]")


class UnusableMaterial(GatewayError):
    """No pack can be made of it. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A pack that was tried, and what became of the material. Paths are those of the material.

    ``schema``: the first file; ``missing``: what is named and not there, ``unreadable``: what is there in vain, each
    with where or why; ``repaired``: named in another letter case; ``value_sets``: by name, the file of each.
    """

    pack: Pack
    schema: str
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]
    repaired: tuple[str, ...]
    value_sets: Mapping[str, str]

    @property
    def absent(self) -> tuple[str, ...]:
        """Value sets that rules ask for and the material has not."""
        return tuple(sorted(USED - self.value_sets.keys()))


def is_wanted(path: str) -> bool:
    """Whether a pack may need the file at this path."""
    if any(part.startswith((".", "__MACOSX")) for part in path.split("/")):
        return False
    return path.lower().endswith(SCHEMA) or (path.lower().endswith(VALUE_SET) and name_of(path) in USED)


def pack_from(material: Mapping[str, bytes]) -> Found:
    """The pack in the wanted files of a material, by their paths with slashes. Raises UnusableMaterial."""
    candidates = sorted(_schemas(material))
    if not candidates:
        raise UnusableMaterial("neither CDA_extended.xsd nor CDA.xsd is in it")
    value_sets, unreadable = _value_sets(material)
    first_trouble: UnusableMaterial | None = None
    for _, _, path in candidates[:10]:
        closure = _Closure(material)
        try:
            closure.follow(path)
            pack = Pack({**closure.files, **{f"{name}{VALUE_SET}": material[value_sets[name]] for name in value_sets}})
            _try(pack)
        except UnusableMaterial as error:
            causes = [f"missing {each}" for each in closure.missing]
            causes += [f"unreadable {each}" for each in closure.unreadable]
            told = "; ".join((f"{path} is no usable schema", *causes[:_CAUSES_TOLD], str(error)))
            first_trouble = first_trouble or UnusableMaterial(told)
            continue
        return Found(
            pack=pack,
            schema=path,
            missing=tuple(closure.missing),
            unreadable=(*closure.unreadable, *unreadable),
            repaired=tuple(closure.repaired),
            value_sets=value_sets,
        )
    raise first_trouble or UnusableMaterial("no schema in it")


def _schemas(material: Mapping[str, bytes]) -> Iterator[tuple[int, int, str]]:
    """Files called like the schema, the better ones smaller: extended first, then what lies higher up."""
    for path in material:
        if (name := posixpath.basename(path).lower()) in _FIRST:
            yield _FIRST.index(name), path.count("/"), path


def _try(pack: Pack) -> None:
    """A schema that takes anything, or nothing, is none. Raises UnusableMaterial."""
    try:
        schema = pack.opened().schema
    except (UnusableSchema, UnreadableValueSet) as error:
        raise UnusableMaterial(str(error)) from None
    assert schema is not None
    for name, root in specimens():
        if troubles := schema.troubles(root, 1):
            raise UnusableMaterial(f"refuses a right document ({name}): {troubles[0].message}")
    if not schema.troubles(EMPTY, 1):
        raise UnusableMaterial("takes a document with nothing in it")


class _Closure:
    """A schema with all that it includes, laid flat. ``files``: by their new names, the first one first."""

    def __init__(self, material: Mapping[str, bytes]) -> None:
        self.files: dict[str, bytes] = {}
        self.missing: list[str] = []
        self.unreadable: list[str] = []
        self.repaired: list[str] = []
        self._material = material
        self._folded = {folded(path): path for path in sorted(material, reverse=True)}
        self._names: dict[str, str | None] = {}  # by path; None for what cannot be read
        self._waiting: deque[tuple[str, str, Element]] = deque()

    def follow(self, first: str) -> None:
        """Take this file and whatever it leads to. Raises UnusableMaterial."""
        if self._name(first) is None:
            raise UnusableMaterial("nothing to begin with")
        while self._waiting:
            path, name, root = self._waiting.popleft()
            for declaration in list(safexsd.named_files(root)):
                self._redirect(path, declaration)
            self.files[name] = safexml.written(root)

    def _redirect(self, path: str, declaration: Element) -> None:
        """Have it name the file as it is called in the pack; what leads nowhere goes."""
        target = None if declaration.get("namespace") == _XSLT else self._target(path, declaration)
        name = None if target is None else self._name(target)
        if name is not None:
            declaration.set("schemaLocation", name)
        elif (above := declaration.getparent()) is not None:
            above.remove(declaration)

    def _target(self, path: str, declaration: Element) -> str | None:
        """The file of the material that is meant, if there is one."""
        location = declaration.get("schemaLocation", "")
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(location).replace("\\", "/")))
        if meant in self._material:
            return meant
        if (there := self._folded.get(folded(meant))) is None:
            self.missing.append(f"{location} (in {path}, line {declaration.sourceline})")
        else:
            self.repaired.append(f"{location} (in {path}) is {there}")
        return there

    def _name(self, path: str) -> str | None:
        """What a file is called in the pack; None when it cannot be read. Raises UnusableMaterial."""
        if path not in self._names:
            if len(self._names) >= MAX_SCHEMAS:
                raise UnusableMaterial(f"more than {MAX_SCHEMAS} files include each other")
            self._names[path] = self._taken(path)
        return self._names[path]

    def _taken(self, path: str) -> str | None:
        try:
            root = safexml.parse(self._material[path], limit=safexsd.MAX_FILE)
        except UnreadableXml as error:
            self.unreadable.append(f"{path}: {error}")
            return None
        stem = _ODD.sub("_", posixpath.basename(path)[: -len(SCHEMA)])[:60]
        name = f"{len(self._names):03}-{stem}{SCHEMA}"
        self._waiting.append((path, name, root))
        return name


def _value_sets(material: Mapping[str, bytes]) -> tuple[dict[str, str], list[str]]:
    """The file of each value set, the latest where there are several, and those that cannot be read."""
    best: dict[str, tuple[str, str]] = {}
    unreadable = []
    for path in sorted(material):
        if not path.lower().endswith(VALUE_SET) or (name := name_of(path)) not in USED:
            continue
        try:
            ValueSets.of({name: material[path]})
        except UnreadableValueSet as error:
            unreadable.append(f"{path}: {error}")
        else:
            best[name] = max(best.get(name, ("", "")), (revision_of(material[path]), path))
    return {name: path for name, (_, path) in sorted(best.items())}, unreadable

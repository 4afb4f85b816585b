"""XML schemas compiled from octets in memory: nothing is opened or fetched, whatever a schema or a document names.

libxml2 would read what a schema includes by itself, with its own idea of what is safe: so every file goes through
safexml.parse first (no DOCTYPE, hence no entities), and may name none but the files given.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from lxml import etree

from mssgw.core.errors import GatewayError
from mssgw.formats import safexml
from mssgw.formats.safexml import Element, UnreadableXml

MAX_FILE = 4 * 1024 * 1024  # octets of one schema file

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_BASE = "pack:/"  # no scheme that anybody fetches
_FEW, _SOME = 5_000, 20_000  # elements and attributes, each of which may be an error; real documents have 9,000
_is_wide = safexml.query("boolean(//*/*[501])")  # children of one parent; real documents have 110
_nodes_of = safexml.query("count(//*) + count(//@*)")
LOCATED = 200  # errors in larger documents that are worth finding out where they are
_PIECE = 32_768  # octets between two looks at how many errors there are


class UnusableSchema(GatewayError):
    """The files are no schema. The text names the file and what is wrong with it."""


class NotJudged(GatewayError):
    """libxml2 could not hold a document against a schema; that says nothing about the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """That a document departs from a schema. ``kind``: libxml2's name of the error; ``element`` None: not located.

    ``message`` repeats what the document says: never pass it on.
    """

    kind: str
    element: Element | None = field(repr=False)
    message: str = field(repr=False)


class Schema:
    """A compiled schema, for one thread: libxml2 keeps the errors of the last document in it."""

    def __init__(self, files: Mapping[str, bytes], first: str) -> None:
        """``files``: by the names that they include each other by, without any folder; ``first`` leads to all of them.

        Raises UnusableSchema.
        """
        for name, content in files.items():
            _check(name, content, files)
        reader = safexml.parser()
        reader.resolvers.add(_Files(files))
        try:
            self._schema = etree.XMLSchema(etree.fromstring(files[first], reader, base_url=_BASE + first))
        except etree.LxmlError as error:
            raise UnusableSchema(_first_error(error)) from None

    def troubles(self, root: Element, most: int, nodes: int | None = None) -> list[Trouble]:
        """The first ``most`` departures of a document, in its order; none: it is valid. Raises NotJudged.

        ``nodes``: elements and attributes in it at most, where that is known.

        lxml looks up the place of every error, among all siblings: 100,000 errors would take a minute and 100 MB. In
        what could have so many they are counted first, in pieces and without a tree, and not located when too many.
        """
        try:
            if _may_cost_much(root, nodes) and (found := self._without_places(root)):
                return found[:most]
            if self._schema.validate(root):
                return []
            return [_located(root, entry) for entry in islice(self._schema.error_log, most)]
        except etree.LxmlError:
            raise NotJudged("the document could not be held against the schema") from None

    def _without_places(self, root: Element) -> list[Trouble]:
        """The first errors, when there are too many to locate; else none."""
        reader = safexml.parser(huge=True, target=_Nobody(), schema=self._schema)
        text = safexml.written(root)
        for at in range(0, len(text), _PIECE):
            reader.feed(text[at : at + _PIECE])
            if len(log := reader.feed_error_log) > LOCATED:
                return [Trouble(kind=each.type_name, element=None, message=each.message) for each in log]
        return []


class _Nobody:
    """Wants to know of no element, so that no tree is made."""

    def close(self) -> None:
        """Nothing was kept."""


class _Files(etree.Resolver):  # type: ignore[misc]  # its stubs do not know it
    """What a schema includes, from memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def resolve(self, system_url: str, _public_id: str, context: object) -> object:
        # To decline, or to answer that it is empty, would leave it to libxml2, which opens files.
        content = self._files.get(system_url.removeprefix(_BASE), b"<nothing/>")
        return self.resolve_string(content, context, base_url=system_url)


def named_files(schema: Element) -> Iterator[Element]:
    """The declarations in a schema file that name another one; imports of a mere namespace left out."""
    for declaration in schema.iter(*(f"{_XSD}{name}" for name in ("include", "import", "redefine"))):
        if declaration.get("schemaLocation") is not None:
            yield declaration


def _check(name: str, content: bytes, files: Mapping[str, bytes]) -> None:
    try:
        schema = safexml.parse(content, limit=MAX_FILE)
    except UnreadableXml as error:
        raise UnusableSchema(f"{name}: {error}") from None
    for each in named_files(schema):
        if each.get("schemaLocation") not in files:
            raise UnusableSchema(f"{name} line {each.sourceline}: names a file that is not there")


def _first_error(error: etree.LxmlError) -> str:
    """The first one in the log that is no warning; schemas are published, their text may be repeated."""
    log: Iterable[etree._LogEntry] = error.error_log or ()
    worst = next((each for each in log if each.level >= etree.ErrorLevels.ERROR), None)
    if worst is None:
        return "the schema cannot be compiled"
    where = f"{worst.filename.removeprefix(_BASE)} line {worst.line}: " if worst.line else ""
    return f"{where}{worst.message}"


def _may_cost_much(root: Element, at_most: int | None) -> bool:
    """Whether locating an error at each element and attribute would take more than some 100 ms."""
    if at_most is not None and (at_most <= _FEW or (at_most <= _SOME and not _is_wide(root))):
        return False
    nodes = _nodes_of(root)
    return bool(nodes > _SOME or (nodes > _FEW and _is_wide(root)))


def _located(root: Element, entry: etree._LogEntry) -> Trouble:
    found = root.xpath(_by_any_prefix(entry.path)) if entry.path else []
    return Trouble(kind=entry.type_name, element=next(iter(found), None), message=entry.message)


def _by_any_prefix(path: str) -> str:
    """libxml2's path to an element: it counts elements by the prefixes they happen to have, which XPath knows not."""
    steps = []
    for step in path.split("/"):
        name, _, index = step.partition("[")
        plain = name in ("", "*") or name.startswith("@") or name.endswith("()")
        steps.append(step if plain else f'*[name()="{name}"][{index or "1]"}')
    return "/".join(step for step in steps if not step.startswith("@") and not step.startswith("text()"))

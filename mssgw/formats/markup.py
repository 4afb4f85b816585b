"""XML as we write it ourselves: a tree of small nodes, indented, so that a finding's line number means something.

Reading belongs to safexml; nothing here parses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """An element: its attributes as ``name="value"`` pairs in order, and either text or other elements inside."""

    name: str
    attributes: tuple[tuple[str, str], ...]
    inside: "tuple[Node, ...] | str"


def node(name: str, /, *inside: Node | None, **attributes: str | None) -> Node:
    """An element with elements in it; None is left out, among elements as among attributes.

    In an attribute's name ``_`` at the end is dropped and ``__`` stands for ``:``, so ``xsi__type="CD"``.
    """
    given = tuple((key.rstrip("_").replace("__", ":"), value) for key, value in attributes.items() if value is not None)
    return Node(name, given, tuple(each for each in inside if each is not None))


def text(name: str, words: str, /, **attributes: str | None) -> Node:
    """An element with text in it."""
    return Node(name, node(name, **attributes).attributes, words)


def document(root: Node) -> bytes:
    """The whole document in UTF-8, with its declaration."""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(_lines(root, "")) + "\n").encode()


def _lines(each: Node, indent: str) -> Iterator[str]:
    tag = " ".join((each.name, *(f'{key}="{escape(value)}"' for key, value in each.attributes)))
    match each.inside:
        case "" | ():
            yield f"{indent}<{tag}/>"
        case str(words):
            yield f"{indent}<{tag}>{escape(words, quote=False)}</{each.name}>"
        case children:
            yield f"{indent}<{tag}>"
            for child in children:
                yield from _lines(child, indent + "  ")
            yield f"{indent}</{each.name}>"

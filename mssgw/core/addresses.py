"""Mailbox addresses as RFC 5321 and RFC 6531 write them: compared by key, relayed as they came."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from mssgw.core.errors import MalformedAddress

_WIDE = r"\u0080-\ud7ff\ue000-\U0010ffff"  # a lone surrogate is no character: it could not be written out again
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-{_WIDE}]+"
_LOCAL = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[\x20\x21\x23-\x5b\x5d-\x7e{_WIDE}]|\\[\x20-\x7e])*"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_ESCAPED = re.compile(r"\\(.)")
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LITERAL = re.compile(r"\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]")


def domain_key(domain: str) -> str:
    """The form in which domains are compared: IDNA A-labels, lower case. Raises MalformedAddress."""
    ascii_form = domain.lower() if domain.isascii() else _a_labels(domain)
    if _LITERAL.fullmatch(ascii_form.upper().replace("IPV6:", "IPv6:")):
        return ascii_form
    labels = ascii_form.split(".")
    if len(ascii_form) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise MalformedAddress("the domain has a malformed label")
    return ascii_form


def _a_labels(domain: str) -> str:
    """The A-labels of a domain that is not ASCII. Raises MalformedAddress.

    What does not come back the same is refused: a sharp s, a full-width dot, a zero-width joiner are mapped away here
    (IDNA 2003) and kept by others (IDNA 2008), so that we would judge one domain and the next hop route to another.
    Lengths, and what compatibility maps to something else, come first: Python's codec takes 10 us and more for each
    character, eighteen of which one may become, before it looks at any length.
    """
    lower = unicodedata.normalize("NFC", domain).lower() if len(domain) <= 253 else ""
    if not lower or any(len(label) > 63 for label in lower.split(".")):
        raise MalformedAddress("the domain has a malformed label")
    if unicodedata.normalize("NFKC", lower) != lower:
        raise MalformedAddress("the domain has a character that not all read alike")
    try:
        ascii_form = domain.encode("idna").decode("ascii").lower()
        again = ascii_form.encode("ascii").decode("idna")
    except UnicodeError:
        raise MalformedAddress("the domain is not IDNA") from None
    if again != lower:
        raise MalformedAddress("the domain has a character that not all read alike")
    return ascii_form


def _local_key(local: str) -> str:
    """The local part as it is compared: quotation marks and backslashes that nothing needs mean nothing.

    Only ASCII is lowered beside a character that compatibility maps to another (NFKC): lower() makes a k of KELVIN
    SIGN, and of a letter to both mailboxes one copy would be dropped as named twice.
    """
    if local.startswith('"'):
        meant = _ESCAPED.sub(r"\1", local[1:-1])
        local = meant if _DOT_STRING.fullmatch(meant) else '"' + re.sub(r'(["\\])', r"\\\1", meant) + '"'
    if local.isascii() or all(unicodedata.normalize("NFKC", char) == char for char in local):
        return local.lower()
    return "".join(char.lower() if char.isascii() else char for char in local)


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. ``text`` is what the peer wrote and what we relay; equality and hash go by ``key``.

    The local part is compared without regard to case: MSSanté mailboxes are case-insensitive (INS-3, WL-4), and a
    patient's Corsican matricule may be typed either way. A quoted local part equals the plain one (RFC 5321 section
    4.1.2): else a patient could write as somebody new by quoting his matricule.
    """

    text: str = field(compare=False)
    key: str
    domain: str = field(compare=False)  # A-labels, lower case

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Take ``local@domain`` without angle brackets. Raises MalformedAddress (RFC 5321 section 4.1.2)."""
        return _parse(text)

    @property
    def local(self) -> str:
        """The local part as it was written."""
        return self.text.rpartition("@")[0]

    @property
    def ascii_only(self) -> bool:
        """False when the address needs SMTPUTF8 (RFC 6531)."""
        return self.text.isascii()

    def __repr__(self) -> str:
        return "<Address>"  # an address may hold an INS

    __str__ = __repr__


@lru_cache(4_096)  # envelope and header name the same people, letter after letter
def _parse(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not at or not domain:
        raise MalformedAddress("an address has a local part, an @ and a domain")
    if len(local.encode("utf-8", "replace")) > 64 or not _LOCAL.fullmatch(local):
        raise MalformedAddress("the local part is malformed or longer than 64 octets")
    asciidom = domain_key(domain)
    return Address(text=text, key=f"{_local_key(local)}@{asciidom}", domain=asciidom)

"""Every attack on whoever judges a letter, in one list: what it is, and the rule that must refuse it.

For those who ask what an attack costs or touches; that each is found by its rule is tested beside the rule as well.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mssgw.core.clinical import Profile
from mssgw.core.report import Order, Report
from mssgw.formats import guard
from mssgw.formats.cda.making import make
from mssgw.formats.judging import judge_file
from tests import xml_attacks, zips
from tests.xdm_variants import OTHER, order, right, told_anew

ORDER = Order(profile=Profile.STANDARD, now=datetime(2026, 1, 15, 12, tzinfo=UTC))
_PROGRAM = b"MZ\x90\0" + bytes(60) + b"%PDF-1.4\n%%EOF\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """``file``: whose end says how it is judged. ``named``: by the project's own promise about bad input."""

    name: str
    file: str
    make: Callable[[], bytes]
    rule: str
    named: bool = False


def judged(attack: Attack, content: bytes) -> Report:
    """What is said of it; ``content`` is what it made."""
    return judge_file(content, ORDER, name=attack.file)


_NAMED = {
    *("XXE", "external DTD", "billion laughs", "quadratic", "over 16 MB", "UTF-7", "UTF-7 all over", "UTF-16"),
    *("Latin-1 said UTF-8", "truncated", "cut in the middle", "encrypted", "path traversal", "absolute", "backslash"),
    *("symlink", "same name twice", "same name but for case", "bomb", "100 MB bomb", "48 MB in all"),
}


def attacks() -> Iterator[Attack]:
    """All of them, the named ones first."""
    yield from sorted(_all(), key=lambda attack: not attack.named)


def _all() -> Iterator[Attack]:
    for name, (how, trouble) in xml_attacks.ATTACKS.items():
        rule = guard.XML[trouble].id
        yield Attack(name=f"XML: {name}", file="A.XML", make=how, rule=rule, named=name in _NAMED)
    for name, (how, rule) in zips.ATTACKS.items():
        yield Attack(name=f"zip: {name}", file="IHE_XDM.ZIP", make=how, rule=rule, named=name in _NAMED)
    for name, flood in _FLOODS.items():
        yield Attack(name=f"flood: {name}", file="A.XML", make=_flooded(flood), rule="CDA-HDR-003")
    yield _named("PDF in a document that is a program", "A.XML", _program_inside, "CDA-BOD-010")
    yield _named("a document in a document", "A.XML", _document_inside, "CDA-BOD-017")
    yield _named("PDF in an archive that is a program", "IHE_XDM.ZIP", _program_beside, "XDM-ARC-002")
    yield _named("PDF in a letter that is a program", "A.EML", _program_attached, guard.LETTER["program"].id)
    yield _named("an archive with two patients", "IHE_XDM.ZIP", _two_patients, "XDM-MET-004")
    yield _named("a document under metadata of another", "IHE_XDM.ZIP", _exchanged, "XDM-DOC-008")
    yield _named("a letter with two patients", "A.EML", _two_letters, "CDA-COH-004")
    yield _named("10,000 empty parts", "A.EML", lambda: _parts(10_000), guard.LETTER["structure"].id)
    yield _named("1,000 nested parts", "A.EML", lambda: _nested(1_000), guard.LETTER["structure"].id)
    yield _named("base64 of two readings", "A.EML", _two_readings, guard.LETTER["encoding"].id)


_FLOODS: dict[str, Callable[[], bytes]] = {  # within the caps on elements and octets, and as dear as can be
    "telecom": lambda: b"<recordTarget><patientRole>" + b"<telecom/>" * 190_000 + b"</patientRole></recordTarget>",
    "templates": lambda: b'<templateId root="1.2"/>' * 190_000,
    "marks": lambda: b'<confidentialityCode code="N"/>' * 190_000,
    "files": lambda: b'<value representation="B64">!</value>' * 190_000,
    "comments": lambda: b"<title>" + b"a<!---->" * 190_000 + b"</title>",
    "chains": lambda: (b"<a>" * 97 + b"</a>" * 97) * 2_000,
    "namespaces": lambda: b"<a " + b" ".join(b'xmlns:a%d="u"' % number for number in range(190_000)) + b"/>",
    "attributes": lambda: b"<a " + b" ".join(b'a%d=""' % number for number in range(190_000)) + b"/>",
    "references": lambda: b"<title>" + b"&#65;" * 3_000_000 + b"</title>",
    "text": lambda: b"<title>" + b"A" * 15_900_000 + b"</title>",
}


def _flooded(flood: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: xml_attacks.OPEN + flood() + xml_attacks.CLOSE


def _named(name: str, file: str, how: Callable[[], bytes], rule: str) -> Attack:
    return Attack(name=name, file=file, make=how, rule=rule, named=True)


def _program_inside() -> bytes:
    before, found, rest = make(order()).partition(b'representation="B64">')
    return before + found + base64.b64encode(_PROGRAM) + rest[rest.index(b"</text>") :]


def _document_inside() -> bytes:
    before, found, rest = make(order()).partition(b'mediaType="application/pdf" representation="B64">')
    assert found
    inner = base64.b64encode(make(order(OTHER)))
    return before + b'mediaType="text/xml" representation="B64">' + inner + rest[rest.index(b"</text>") :]


def _program_beside() -> bytes:
    return zips.zipped({**right(), "COPY.PDF": _PROGRAM})


def _program_attached() -> bytes:
    return letter_of(("text/plain", b"Bonjour"), ("application/pdf; name=LETTRE.PDF", _PROGRAM))


def _two_patients() -> bytes:
    return zips.zipped(right(order(), order(OTHER)))


def _exchanged() -> bytes:
    return zips.zipped(told_anew({**right(), "IHE_XDM/SUBSET01/DOC00001.XML": make(order(OTHER))}))


_HEAD = (
    "From: a@b.example\nTo: c@d.example\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary={}\n\n"
)


def letter_of(*parts: tuple[str, bytes]) -> bytes:
    """Parts by type, in base64."""
    lines = [_HEAD.format("x")]
    for kind, content in parts:
        encoded = base64.encodebytes(content).decode()
        lines.append(f"--x\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{encoded}")
    return ("\n".join(lines) + "\n--x--\n").encode()


def _two_letters() -> bytes:
    return letter_of(("text/xml", make(order())), ("text/xml", make(order(OTHER))))


def _parts(number: int) -> bytes:
    return (_HEAD.format("x") + "--x\n\n" * number + "--x--\n").encode()


def _nested(number: int) -> bytes:
    inner = "".join(f"--x{n}\nContent-Type: multipart/mixed; boundary=x{n + 1}\n\n" for n in range(number))
    return (_HEAD.format("x0") + inner).encode()


def _two_readings() -> bytes:
    """A reader that passes over what is not base64 sees a document; one that stops there sees none."""
    return letter_of(("text/xml", b"")).replace(b"base64\n\n", b"base64\n\n!" + base64.encodebytes(make(order())), 1)

"""XML that attacks whoever reads it, each attack with the trouble (key of guard.XML) that must stop it."""

from collections.abc import Callable
from functools import partial

from mssgw.formats.cda.making import make
from mssgw.formats.documents import MAX_DOCUMENT
from tests.xdm_variants import order

RIGHT = make(order())
OPEN, CLOSE = b'<ClinicalDocument xmlns="urn:hl7-org:v3">', b"</ClinicalDocument>"
SHEET = (
    b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="urn:t">\n\n'
    b'<x:Contenu xmlns:x="urn:asip-sante:ci-sis">%s</x:Contenu></xsl:stylesheet>'
)


def text_of(size: int) -> bytes:
    return OPEN + b"<text>" + b"A" * size + b"</text>" + CLOSE


def shifting(charset: str, shift: bytes) -> bytes:
    """A document whose root a reader of that charset sees, and who looks at octets does not."""
    hidden = (OPEN + CLOSE).replace(b"Clinical", b"Cl" + shift + b"inical")
    return b'<?xml version="1.0" encoding="' + charset.strip().encode() + b'"?>' + hidden


# What it is: how it is made, and the trouble.
ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "over 16 MB": (lambda: text_of(MAX_DOCUMENT), "size"),
    "UTF-16": (lambda: RIGHT.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "encoding"),
    "UTF-16 without a mark": (lambda: (OPEN + CLOSE).decode().encode("utf-16-be"), "encoding"),
    "UTF-32": (lambda: (OPEN + CLOSE).decode().encode("utf-32"), "encoding"),
    "UTF-7": (lambda: b"<?xml version='1.0' encoding='utf-7'?>" + OPEN + CLOSE, "encoding"),
    "UTF-7 all over": (lambda: (OPEN + CLOSE).replace(b"<", b"+ADw-"), "syntax"),
    "EBCDIC": (lambda: ('<?xml version="1.0" encoding="cp037"?>' + (OPEN + CLOSE).decode()).encode("cp037"), "syntax"),
    "an encoding that nobody knows": (lambda: b"<?xml version='1.0' encoding='x-y'?>" + OPEN + CLOSE, "encoding"),
    **{
        f"{charset}that shifts within a name": (partial(shifting, charset, shift), "encoding")
        for charset, shift in (
            *((f"ISO-2022-{which} ", b"\x1b(B") for which in ("JP", "JP-1", "JP-2", "JP-3", "KR", "CN")),
            *(("HZ ", b"~{~}"), ("HZ-GB-2312 ", b"~{~}"), ("UTF-7 ", b"+AGk-"), ("IBM930 ", b"\x0e\x0f")),
        )
    },
    "a shift within a name, its encoding told elsewhere": (
        lambda: (OPEN + CLOSE).replace(b"Clin", b"Cli~{~}\x1b$)A\x0fn"),
        "syntax",
    ),
    "UTF-16 behind its blanks": (lambda: ("\r\n\r\n" + (OPEN + CLOSE).decode()).encode("utf-16-le"), "encoding"),
    "UTF-32 behind its blanks": (lambda: ("\n " + (OPEN + CLOSE).decode()).encode("utf-32-be"), "encoding"),
    "EBCDIC without a declaration": (lambda: (OPEN + CLOSE).decode().encode("cp037"), "syntax"),
    "EBCDIC that shifts": (
        lambda: (
            '<?xml version="1.0" encoding="IBM930"?><Clin'.encode("cp037")
            + b"\x0e\x0f"
            + "icalDocument/>".encode("cp037")
        ),
        "syntax",
    ),
    "EBCDIC behind an instruction": (lambda: ("<?a b?>" + (OPEN + CLOSE).decode()).encode("cp037"), "syntax"),
    "EBCDIC behind its blanks": (lambda: ("\r\n\t" + (OPEN + CLOSE).decode()).encode("cp500"), "syntax"),
    "EBCDIC behind a comment": (lambda: ("<!--a-->" + (OPEN + CLOSE).decode()).encode("cp037"), "syntax"),
    "below another root": (lambda: b"<r>" + OPEN + CLOSE + b"</r>", "below"),
    "two below another root": (lambda: b"<r><s>" + (OPEN + CLOSE) * 2 + b"</s></r>", "below"),
    "far below another root": (
        lambda: b"<r>" + b"<s/>" * 20_000 + b'<\xc3\xa9:ClinicalDocument\nxmlns:\xc3\xa9="u"/></r>',
        "below",
    ),
    "below another root that is cut": (lambda: b"<r>" + OPEN + CLOSE, "syntax"),
    "Latin-1 said UTF-8": (lambda: RIGHT.decode().encode("latin-1"), "syntax"),
    "DOCTYPE": (lambda: b"<!DOCTYPE ClinicalDocument>" + OPEN + CLOSE, "doctype"),
    "XXE": (
        lambda: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>' + OPEN + b"&b;" + CLOSE,
        "doctype",
    ),
    "external DTD": (lambda: b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + OPEN + CLOSE, "doctype"),
    "billion laughs": (
        lambda: (
            b'<!DOCTYPE a [<!ENTITY l0 "lol">'
            + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
            + b']><c:ClinicalDocument xmlns:c="urn:hl7-org:v3" a="&l9;">&l9;</c:ClinicalDocument>'
        ),
        "doctype",
    ),
    "quadratic": (
        lambda: b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 50_000 + b'">]>' + OPEN + b"&b;" * 50_000 + CLOSE,
        "doctype",
    ),
    "a DOCTYPE behind a comment": (lambda: b"<!-- -->\n<!DOCTYPE a>" + OPEN + CLOSE, "doctype"),
    "an entity that nobody declared": (lambda: OPEN + b"&b;" + CLOSE, "syntax"),
    "cut": (lambda: RIGHT[:-20], "syntax"),
    "two roots": (lambda: OPEN + CLOSE + OPEN + CLOSE, "syntax"),
    "NUL": (lambda: OPEN + b"\0" + CLOSE, "syntax"),
    "a beginning without end": (lambda: b"<!--" + b" " * 70_000 + b"-->" + OPEN + CLOSE, "empty"),
    "white space without end": (lambda: b" " * 70_000 + OPEN + CLOSE, "empty"),
    "101 levels": (lambda: OPEN + b"<a>" * 100 + b"</a>" * 100 + CLOSE, "depth"),
    "a million levels": (lambda: OPEN + b"<a>" * 1_000_000 + b"</a>" * 1_000_000 + CLOSE, "elements"),
    "100,000 levels": (lambda: OPEN + b"<a>" * 100_000 + b"</a>" * 100_000 + CLOSE, "syntax"),
    "4 million elements": (lambda: OPEN + b"<a/>" * 4_000_000 + CLOSE, "elements"),
    "200,000 elements": (lambda: OPEN + b"<a/>" * 200_000 + CLOSE, "elements"),
    "a million attributes": (
        lambda: OPEN + b"<a " + b" ".join(b"a%d='' " % n for n in range(1_000_000)) + b"/>" + CLOSE,
        "attributes",
    ),
    "two documents in a sheet": (lambda: SHEET % ((OPEN + CLOSE) * 2), "several"),
}

"""Mixed letters for relay tests: the same seed and index always make the same octets.

A letter is what a client sends in DATA: CRLF line ends, not dot-stuffed, ending in CRLF because SMTP knows no other
end. Each carries its own ``X-Payload-Id`` and the SHA-256 of its body in ``X-Payload-Sha256``, so that whoever
receives one can tell what it was.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.canaries import DOCTOR, DOCTOR_NAME, FILE_NAMES, MATRICULES, PATIENT_NAME, SUBJECTS

TEN_MO = 10_485_760  # req: SD-1
LONGEST_LINE = 900_000
SENDER = f"{DOCTOR}@ch-test.mssante.fr"
PATIENTS = tuple(f"{matricule}@patient.mssante.fr" for matricule in MATRICULES)
PROFESSIONAL = "cabinet@liberal.mssante.fr"
RECIPIENT_DOMAINS = ("patient.mssante.fr", "liberal.mssante.fr")

_TO_UPPER_HALF = bytes(octet | 0x80 for octet in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter of the corpus. ``content`` is header and body, ``sha256`` is that of the body alone (hex)."""

    payload_id: str
    kind: str
    recipient: str
    content: bytes = field(repr=False)
    sha256: str

    @property
    def message_id(self) -> str:
        return f"<{self.payload_id}@ch-test.mssante.fr>"


Maker = Callable[[random.Random, int], tuple[bytes, bytes]]  # (source, octets) -> (more header lines, body)


def _base64(source: random.Random, size: int) -> bytes:
    """About so many octets of base64 lines of 76 characters, as in an attachment."""
    return base64.encodebytes(source.randbytes(size * 57 // 78)).replace(b"\n", b"\r\n")


def _words(source: random.Random, size: int, words: Sequence[str]) -> bytes:
    lines, total = [], 0
    while total < size:
        line = " ".join(source.choices(words, k=source.randint(0, 11))).encode()
        lines.append(line)
        total += len(line) + 2
    return b"\r\n".join(lines) + b"\r\n"


_ASCII = ("compte", "rendu", "From", "hospitalisation", "traitement", "ordonnance:", "0,5", "mg", "matin", "--", "a")
_FRENCH = ("Hémoglobine", "glycémie", "élevée", "œdème", "à", "jeun", "µg/L", "≤", "“normal”", "naïve", "ÿ")


def _plain(source: random.Random, size: int) -> tuple[bytes, bytes]:
    return b"", _words(source, size, _ASCII)


def _attachment(source: random.Random, size: int) -> tuple[bytes, bytes]:
    boundary = f"=_{source.randbytes(12).hex()}".encode()
    name = source.choice(FILE_NAMES).encode()
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="' + boundary + b'"\r\n'
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nCi-joint.\r\n"
    part = (
        b'Content-Type: application/pdf; name="' + name + b'"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment;\r\n filename="' + name + b'"\r\n\r\n'
    )
    mark = b"--" + boundary
    body = [
        b"preamble kept as it is\r\n",
        mark,
        b"\r\n",
        text,
        mark,
        b"\r\n",
        part,
        _base64(source, size),
        mark,
        b"--\r\n",
    ]
    return head, b"".join(body) + b"epilogue \t\r\n"


def _utf8(source: random.Random, size: int) -> tuple[bytes, bytes]:
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    return head, _words(source, size, _FRENCH)


def _eight_bit(source: random.Random, size: int) -> tuple[bytes, bytes]:
    """Every octet but CR, LF and NUL, in lines of any length up to 998; no charset would make sense of it."""
    head = b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n"
    clean = source.randbytes(size).translate(None, b"\r\n\0")
    lines = []
    while clean:
        cut = source.randint(0, 998) or 1
        lines.append(clean[:cut])
        clean = clean[cut:]
    return head, b"\r\n".join(lines) + b"\r\n"


def _long_lines(source: random.Random, size: int) -> tuple[bytes, bytes]:
    """A few lines of up to 900 kB, 7-bit and 8-bit, that nobody may re-wrap."""
    head = b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n"
    lines = [b"short\r\n"]
    while size > 0:
        length = min(size, source.choice((999, 1_000, 2_047, 2_048, 2_049, 65_536, 131_072, LONGEST_LINE)))
        lines.append(base64.b64encode(source.randbytes(length * 3 // 4 + 3))[:length])
        if source.random() < 0.5:
            lines[-1] = lines[-1].translate(_TO_UPPER_HALF)
        lines.append(b"\r\n")
        size -= length + 2
    return head, b"".join(lines)


def _dots(source: random.Random, size: int) -> tuple[bytes, bytes]:
    odd = (b".", b"..", b"...", b".foo", b". ", b" .", b"." * 70, b"", b".\t", b"..bar", b"a.", b"QUIT", b"." * 998)
    body = b".\r\n" + b"".join(source.choice(odd) + b"\r\n" for _ in range(max(3, size // 100)))
    return b"", body + source.choice((b".", b"..", b".end")) + b"\r\n"


def _white_space(source: random.Random, size: int) -> tuple[bytes, bytes]:
    odd = (
        b" ",
        b"\t",
        b"   ",
        b"text ",
        b"text\t\t",
        b" text",
        b"",
        b"-- ",
        b">From me",
        b"From me",
        b"\x0c",
        b"\x1a\x08",
    )
    return b"", b"".join(source.choice(odd) + b"\r\n" for _ in range(max(4, size // 4))) + b" \r\n\r\n\r\n"


def _smime(source: random.Random, size: int) -> tuple[bytes, bytes]:
    """Shaped like an S/MIME signed letter: what is signed ends in white space that must not be lost."""
    boundary = f"----{source.randbytes(16).hex().upper()}".encode()
    head = (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol="application/x-pkcs7-signature"; '
        b'micalg="sha-256"; boundary="' + boundary + b'"\r\n'
    )
    signed = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + _words(source, size, _ASCII) + b" \t\r\n"
    signature = (
        b"\r\nContent-Type: application/x-pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + _base64(source, 2_000)
    )
    mark = b"--" + boundary
    return (
        head,
        b"This is an S/MIME signed message\r\n\r\n" + mark + b"\r\n" + signed + mark + signature + mark + b"--\r\n",
    )


def _dkim(source: random.Random, size: int) -> tuple[bytes, bytes]:
    """A DKIM signature with the relaxed-unfriendly folding that signers write; simple/simple breaks at any change."""
    fold = b"\r\n\t " if source.random() < 0.5 else b"\r\n        "
    value = source.randbytes(256)
    signature = fold.join(base64.encodebytes(value).split())
    body = _words(source, size, _ASCII)
    digest = base64.b64encode(hashlib.sha256(body).digest())
    head = b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=ch-test.mssante.fr; s=k1;" + fold
    return head + b"h=from:to:subject:date:message-id; bh=" + digest + b";" + fold + b"b=" + signature + b"\r\n", body


def _folded(source: random.Random, size: int) -> tuple[bytes, bytes]:
    references = b"\r\n\t".join(b"<" + source.randbytes(20).hex().encode() + b"@old.invalid>" for _ in range(40))
    head = (
        b"References: " + references + b"\r\n"
        b"X-Long: " + b"y" * 900 + b"\r\n"
        b"x-lower:no space after the colon\r\n"
        b"X-Empty:\r\n"
        b"X-Blank:   \r\n"
        b"X-Twice: 1\r\nX-Twice: 2  \r\n"
        b"X-Fold:\r\n  begins on the second line\r\n\t\tand goes on \r\n"
        b"X-Encoded: =?utf-8?Q?=C3=A9t=C3=A9?=\r\n =?iso-8859-1?Q?=E9t=E9?=\r\n"
    )
    return head, b"X-Not: a header field\r\n\r\n" + _words(source, size, _ASCII)


def _empty(source: random.Random, size: int) -> tuple[bytes, bytes]:
    return b"", b""


def _one_line(source: random.Random, size: int) -> tuple[bytes, bytes]:
    """The shortest bodies: a blank line, a dot, one letter, a line without a final newline (SMTP adds it)."""
    return b"", source.choice((b"\r\n", b".\r\n", b"x\r\n", b"\r\n\r\n", b" \r\n", b"no newline at the end\r\n"))


_SMALL, _MIDDLE, _LARGE = (4_000, 20_000), (20_000, 120_000), (120_000, 600_000)
# One entry for each letter in a hundred: (kind, maker, least and most octets).
_PLAN: tuple[tuple[str, Maker, tuple[int, int]], ...] = (
    *[("plain", _plain, _SMALL)] * 14,
    *[("attachment", _attachment, _MIDDLE)] * 14,
    *[("attachment", _attachment, _LARGE)] * 9,
    *[("attachment", _attachment, (3_000_000, 9_000_000))] * 1,
    *[("utf-8", _utf8, _SMALL)] * 9,
    *[("8-bit", _eight_bit, _MIDDLE)] * 9,
    *[("long lines", _long_lines, _LARGE)] * 4,
    *[("long lines", _long_lines, (1_000_000, 2_000_000))] * 2,
    *[("dots", _dots, _SMALL)] * 9,
    *[("white space", _white_space, _SMALL)] * 8,
    *[("s/mime", _smime, _MIDDLE)] * 8,
    *[("dkim", _dkim, _SMALL)] * 5,
    *[("folded header", _folded, _SMALL)] * 5,
    *[("one line", _one_line, (0, 0))] * 2,
    *[("empty body", _empty, (0, 0))] * 1,
)
assert len(_PLAN) == 100
_ORDER = random.Random(20_261_121).sample(range(100), 100)  # kinds and sizes well mixed, from the first letters on


def letter(seed: int, index: int) -> Letter:
    """The letter of that number; any hundred consecutive ones have every kind."""
    source = random.Random(f"{seed}/{index}")
    kind, make, (least, most) = _PLAN[_ORDER[index % 100]]
    more, body = make(source, source.randint(least, most))
    return _letter(source, f"s{seed}-{index:05d}", kind, more, body)


def letter_of_size(seed: int, index: int, octets: int) -> Letter:
    """A letter of exactly so many octets, in lines of at most 76 characters.

    Short lines because Postfix counts its own record marks when it declares SIZE: a letter with lines from 128
    characters on is declared larger than it is, and may be refused for it at MAIL FROM.
    """
    source = random.Random(f"{seed}/{index}/{octets}")
    payload_id = f"s{seed}-{index:05d}-{octets}"
    bare = len(_letter(random.Random(0), payload_id, "exact size", b"", b"", PATIENTS[0]).content)
    room = octets - bare
    assert room >= 200, "too small for a header and a line"
    lines, rest = divmod(room, 78)
    if rest in (1, 2):  # the last line needs at least one character: take some from a full line
        lines, rest = lines - 1, rest + 78
    whole = base64.encodebytes(source.randbytes(lines * 57)).replace(b"\n", b"\r\n")
    tail = b"".join(b"z" * (size - 2) + b"\r\n" for size in ((rest,) if 2 < rest <= 78 else (40, rest - 40)) if rest)
    made = _letter(source, payload_id, "exact size", b"", whole + tail, PATIENTS[0])
    assert len(made.content) == octets
    return made


def _letter(
    source: random.Random, payload_id: str, kind: str, more: bytes, body: bytes, recipient: str | None = None
) -> Letter:
    to = recipient or (source.choice(PATIENTS) if source.random() < 0.5 else PROFESSIONAL)
    digest = hashlib.sha256(body).hexdigest()
    named = "=?utf-8?B?" + base64.b64encode(DOCTOR_NAME.encode()).decode() + "?="
    about = "=?utf-8?B?" + base64.b64encode(f"{SUBJECTS[len(payload_id) % 3]} {PATIENT_NAME}".encode()).decode() + "?="
    head = (
        f"Date: Sat, 21 Nov 2026 09:30:00 +0100\r\nMessage-ID: <{payload_id}@ch-test.mssante.fr>\r\n"
        f"From: {named} <{SENDER}>\r\nTo: <{to}>\r\nSubject: {about}\r\n"
        f"X-Payload-Id: {payload_id}\r\nX-Payload-Sha256: {digest}\r\n"
    ).encode()
    content = head + more + b"\r\n" + body
    return Letter(payload_id=payload_id, kind=kind, recipient=to, content=content, sha256=digest)

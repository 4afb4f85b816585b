"""Whatever a validator would find or stop in a letter, the watch in the worker shows to one."""

import base64
import binascii
import quopri
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Profile
from mssgw.core.report import Order
from mssgw.formats.cda.making import make
from mssgw.formats.judging import judge_letter
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import to_wire
from tests.clinical_letters import archive, order

ORDER = Order(profile=Profile.STANDARD, now=datetime(2026, 1, 1, tzinfo=UTC))
ABOUT = order("279035121518989")
CDA, XDM = make(ABOUT), archive([ABOUT])
TEXT = "mot " * 700 + "\n"
MAGIC = (b"", b"%PDF-1.4\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"Bonjour,\n", b"begin")
FILLING = st.sampled_from([b"", b"x" * 2_000, b"x" * 2_001, b"x\n" * 40_000, TEXT.encode() * 3, b" " * 70_000])
LINES = st.integers(1, 100)


@st.composite
def uuencoded(draw: st.DrawFn) -> bytes:
    """A document among lines of a text, as programs write and read it."""
    mode = draw(st.sampled_from([b"644", b"0644", b"100644", b"6", b" 64 ", b"\t644", b"0o644"]))
    begin, end = b"begin", b"`\nend\n"
    lines = b"".join(binascii.b2a_uu(CDA[at : at + 45]) for at in range(0, len(CDA), 45))
    if draw(st.booleans()):
        begin, lines, end = b"begin-base64", base64.encodebytes(CDA), b"====\n"
    name = draw(st.sampled_from([b"d.xml", b"d", b"", b"d" * 300]))
    return draw(FILLING) + b"\n" + begin + b" " + mode + b" " + name + b"\n" + lines + end


@st.composite
def behind_magic(draw: st.DrawFn) -> bytes:
    """An archive that begins, and ends, as something else."""
    return draw(st.sampled_from(MAGIC)) + draw(FILLING) + draw(st.sampled_from([XDM, CDA])) + draw(FILLING)[:65_000]


@st.composite
def encoded(draw: st.DrawFn, content: bytes) -> tuple[str, bytes]:
    """In a transfer encoding, with the damage that readers overlook."""
    encoding = draw(st.sampled_from(["8bit", "quoted-printable", "base64", "base64", "x-uuencode"]))
    if encoding == "quoted-printable":
        coded = quopri.encodestring(content)
        soft = draw(st.sampled_from([b"=\n", b"= \n", b"=\t\n", b""]))
        return encoding, coded.replace(b"=\n", soft).replace(b"begin", draw(st.sampled_from([b"begin", b"be=\ngin"])))
    if encoding == "base64":
        width = 4 * draw(LINES)
        coded = base64.b64encode(content)
        if draw(st.booleans()):  # behind a picture and its padding
            coded = (
                base64.b64encode(b"GIF89a" + bytes(draw(st.integers(0, 4_000))))
                + draw(st.sampled_from([b"", b"="]))
                + coded
            )
        if draw(st.booleans()):
            coded = coded.rstrip(b"=")
        return encoding, b"".join(coded[at : at + width] + b"\n" for at in range(0, len(coded), width))
    return encoding, content


@given(data=st.data(), size=st.integers(50, 100_000), text=st.booleans())
def test_whatever_a_validator_finds_or_stops_it_was_asked_for(data: st.DataObject, size: int, text: bool) -> None:
    """However the document hides, and wherever packets end."""
    # Nobody looks for uuencode in a picture in base64: there, only what programs open by itself.
    content = data.draw(st.one_of(uuencoded(), behind_magic()) if text else behind_magic())
    encoding, coded = data.draw(encoded(content))
    kind = "text/plain" if text else data.draw(st.sampled_from(["application/pdf", "image/gif", "application/x-y"]))
    part = f"--b\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + coded
    header = b'From: a@b.fr\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    letter = to_wire(header + b"--b\n\nBonjour\n" + part + b"\n--b--\n")
    scanner = Scanner()
    for at in range(0, len(letter), size):
        scanner.feed(letter[at : at + size])
    report = judge_letter([letter], ORDER)
    assert scanner.finish().may_hold_documents or not report.documents

"""S/MIME: only what is encrypted is opaque (SD-14); what is signed is read as openssl writes it, or told unreadable."""

import base64
import contextlib
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.clinical import Verdict
from mssgw.core.report import Carried
from mssgw.formats import cms
from mssgw.formats.judging import judge_letter
from mssgw.formats.wire import to_wire
from tests.unit.formats.reading import read
from tests.unit.formats.test_judging import (
    CDA,
    JEANNE,
    LUCIE,
    OTHER,
    TEXT,
    XDM,
    _to,
    judged,
    letter,
    part,
    rules,
)

INNER = letter(part(CDA, "text/xml", "a.xml")).replace(b"\n", b"\r\n")
OPAQUE_SIGNED = "application/pkcs7-mime; smime-type=signed-data"
Openssl = Callable[..., bytes]


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Openssl:
    """``openssl(b"...", "cms", "-sign", ...)``, in DER, signed or encrypted for somebody invented."""
    here = tmp_path_factory.mktemp("smime")
    key, cert = here / "key", here / "cert"
    new = "req -x509 -newkey rsa:2048 -nodes -subj /CN=essai"
    _run(b"", *new.split(), "-keyout", str(key), "-out", str(cert))

    def run(content: bytes, *what: str) -> bytes:
        who = ("-signer", str(cert), "-inkey", str(key)) if "-sign" in what else ()
        to = (str(cert),) if "-encrypt" in what else ()
        return _run(content, *what, "-outform", "DER", *who, *to)

    return run


def _run(content: bytes, *what: str) -> bytes:
    try:
        return subprocess.run(["openssl", *what], input=content, capture_output=True, check=True, timeout=20).stdout
    except FileNotFoundError:
        pytest.skip("no openssl")


SIGN = ("-sign", "-nodetach", "-binary")
SIGNED = pytest.mark.parametrize("how", [("smime", *SIGN), ("cms", *SIGN), ("cms", *SIGN, "-stream")], ids=" ".join)


@SIGNED
def test_what_is_signed_is_read_whole(openssl: Openssl, how: tuple[str, ...]) -> None:
    """Of definite and indefinite lengths (-stream), in one piece and in many."""
    content = bytes(range(256)) * 1_000
    made = openssl(content, *how)
    assert cms.opened(made) == content
    assert cms.may_be_read(made[:1_000])
    assert not cms.is_encrypted(made[:40])
    twice = openssl(made, *how)
    assert cms.opened(cms.opened(twice) or b"") == content


@pytest.mark.parametrize(
    "how", [("smime", "-encrypt"), ("cms", "-encrypt"), ("cms", "-encrypt", "-stream")], ids=" ".join
)
def test_what_is_encrypted_is_opaque_and_asks_no_validator(openssl: Openssl, how: tuple[str, ...]) -> None:
    made = openssl(INNER, *how, "-aes-128-cbc")
    assert (cms.opened(made), cms.may_be_read(made[:1_000])) == (None, False)
    report = judged(TEXT, part(made, "application/pkcs7-mime", "smime.p7m"))
    assert (report.documents, set(report.carried)) == ((), {Carried.OPAQUE})
    head = read(letter(part(made, "application/pkcs7-mime", "smime.p7m")).replace(b"\n", b"\r\n"))
    assert (head.may_hold_documents, set(head.carried)) == (False, {Carried.OPAQUE})


@pytest.mark.parametrize("how", [("smime", "-sign", "-binary"), ("cms", "-sign", "-binary")], ids=" ".join)
def test_a_signature_alone_carries_nothing(openssl: Openssl, how: tuple[str, ...]) -> None:
    """That of clear-signed mail, whose parts are judged already: no validator is asked for it."""
    made = openssl(INNER, *how)
    assert (cms.opened(made), cms.may_be_read(made[:1_000])) == (b"", False)
    clear = judged(TEXT, part(made, "application/pkcs7-signature", "smime.p7s"), kind="multipart/signed")
    assert (clear.documents, clear.carried) == ((), frozenset())
    head = read(letter(TEXT, part(made, "application/pkcs7-signature", "smime.p7s")).replace(b"\n", b"\r\n"))
    assert not head.may_hold_documents


@SIGNED
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (OPAQUE_SIGNED, "smime.p7m"),
        ("application/x-pkcs7-mime", ""),
        ("application/octet-stream", "courrier.P7M"),
        ("application/octet-stream", "courrier.bin"),
        ("application/pkcs7-mime", "lettre.eml"),
    ],
)
def test_a_document_that_is_only_signed_is_judged_by_its_recipient(
    openssl: Openssl, how: tuple[str, ...], kind: str, name: str
) -> None:  # req: SD-14, INS-1
    """In another patient's letter it is refused as it would be without S/MIME."""
    made = openssl(INNER, *how)
    to_another = judged(TEXT, part(made, kind, name), asked=_to(LUCIE))
    assert ("CDA-COH-001" in rules(to_another), to_another.verdict) == (True, Verdict.REJECT)
    to_her = judged(TEXT, part(made, kind, name), asked=_to(JEANNE))
    assert (set(to_her.carried), "CDA-COH-001" in rules(to_her)) == ({Carried.CDA}, False)
    assert read(letter(TEXT, part(made, kind, name)).replace(b"\n", b"\r\n")).may_hold_documents


@SIGNED
def test_a_letter_that_is_one_signed_object_is_judged(openssl: Openssl, how: tuple[str, ...]) -> None:
    """As its whole body, in base64 or in octets as they are, and signed over and over."""
    head = b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\n"
    made = openssl(INNER, *how)
    for each in (made, openssl(made, *how)):
        coded = head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(each).replace(b"\n", b"\r\n")
        assert "CDA-COH-001" in rules(judge_letter([to_wire(coded)], _to(LUCIE)))
        assert read(coded).may_hold_documents


@pytest.mark.parametrize(("content", "name"), [(CDA, "a.xml.p7m"), (XDM, "IHE_XDM.zip.p7m")])
def test_a_file_that_is_signed_by_itself_is_judged(openssl: Openssl, content: bytes, name: str) -> None:
    report = judged(part(openssl(content, "cms", *SIGN), "application/octet-stream", name), asked=_to(LUCIE))
    assert "CDA-COH-001" in rules(report)


RECEIPT, TIME_STAMP = "1.2.840.113549.1.9.16.1.1", "1.2.840.113549.1.9.16.1.4"
FIELDS = bytes.fromhex("3011 020101 0605 2b03040506 0405 6f75692e2e")


@pytest.mark.parametrize(
    ("signs", "kind", "name"),
    [
        (RECEIPT, "application/pkcs7-mime; smime-type=signed-receipt", "smime.p7m"),
        (TIME_STAMP, "application/timestamp-token", "lettre.tst"),
    ],
)
def test_a_signed_receipt_and_a_time_stamp_pass(openssl: Openssl, signs: str, kind: str, name: str) -> None:
    """What they sign are fields and no letter: Outlook writes the one for whom it is asked (RFC 2634)."""
    made = openssl(FIELDS, "cms", *SIGN, "-econtent_type", signs)
    assert cms.opened(made) == FIELDS
    assert judged(TEXT, part(made, kind, name)).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("signs", [RECEIPT, TIME_STAMP])
@pytest.mark.parametrize("content", [CDA, XDM, INNER])
def test_what_is_called_a_receipt_and_is_a_document_is_judged(openssl: Openssl, signs: str, content: bytes) -> None:
    made = openssl(content, "cms", *SIGN, "-econtent_type", signs)
    report = judged(TEXT, part(made, "application/pkcs7-mime", "smime.p7m"), asked=_to(LUCIE))
    assert "CDA-COH-001" in rules(report)


def test_two_patients_in_signed_letters_are_refused(openssl: Openssl) -> None:  # req: SD-7
    other = letter(part(OTHER, "text/xml"))
    report = judged(part(CDA, "text/xml"), part(openssl(other, "cms", *SIGN), OPAQUE_SIGNED, "smime.p7m"))
    assert "CDA-COH-004" in rules(report)


def test_a_signature_alone_of_indefinite_lengths_carries_nothing() -> None:
    coded = (
        b"0\x80\x06\x09" + cms.SIGNED + b"\xa0\x800\x80\x02\x01\x011\x80\0\0" + b"0\x80\x06\x09" + cms.DATA + bytes(8)
    )
    assert (cms.opened(coded), cms.may_be_read(coded)) == (b"", False)


def test_objects_in_objects_end(openssl: Openssl) -> None:
    made = INNER
    for _ in range(8):
        made = openssl(made, "cms", *SIGN)
    assert rules(judged(part(made, OPAQUE_SIGNED, "smime.p7m"))) == {"GRD-LET-003"}


COMPRESSED = b"0\x80\x06\x0b*\x86H\x86\xf7\r\x01\x09\x10\x01\x09\xa0\x800\x80\0\0\0\0\0\0"


@pytest.mark.parametrize(
    "content",
    [COMPRESSED, b"0\x80", b"Bonjour", b"MIAGCSqGSIb3DQEHAqCA", b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80"],
)
def test_what_is_called_smime_and_is_neither_encrypted_nor_read_is_stopped(content: bytes) -> None:  # req: SD-14
    for kind, name in ((OPAQUE_SIGNED, ""), ("application/octet-stream", "smime.p7m")):
        report = judged(TEXT, part(content, kind, name))
        assert (rules(report), report.verdict, report.carried) == ({"GRD-LET-007"}, Verdict.REJECT, frozenset())
        assert read(letter(part(content, kind, name)).replace(b"\n", b"\r\n")).may_hold_documents


ENVELOPED = b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x03"
FOREIGN = pytest.mark.parametrize("name", ["IHE_XDM.zip", "cr.zip", "smime.p7m"])


def _is_stopped(content: bytes, name: str) -> bool:
    """For whom it is not about, with a validator asked for it, and nothing told to be opaque."""
    kind = "application/zip" if name.endswith("zip") else OPAQUE_SIGNED
    report = judged(TEXT, part(content, kind, name), asked=_to(LUCIE))
    asked = read(letter(part(content, kind, name)).replace(b"\n", b"\r\n")).may_hold_documents
    return asked and rules(report) == {"GRD-LET-007"} and Carried.OPAQUE not in report.carried


@FOREIGN
def test_an_archive_behind_the_head_of_an_encrypted_object_is_stopped(name: str) -> None:  # req: SD-14, INS-1
    """Programs look for the directory of a zip at its end, whatever it begins with."""
    content = b"\xa0\x800\x80" + b"\x04\x82" + len(XDM).to_bytes(2) + XDM + bytes(6)
    long = b"0\x82" + (11 + len(XDM)).to_bytes(2) + ENVELOPED[2:] + XDM
    assert all(_is_stopped(each, name) for each in (ENVELOPED + XDM, ENVELOPED + content, long))


@FOREIGN
def test_an_archive_behind_a_real_object_is_stopped(openssl: Openssl, name: str) -> None:  # req: SD-14, INS-1
    """Whoever opens the zip reads another than was signed, or than nobody could read."""
    own = (openssl(XDM, "cms", *SIGN), openssl(XDM, "cms", *SIGN, "-stream"), openssl(INNER, "cms", "-encrypt"))
    assert all(_is_stopped(each + XDM, name) for each in own)


@FOREIGN
def test_an_archive_beside_what_is_signed_is_stopped(name: str) -> None:  # req: SD-14, INS-1
    """Among the signatures, say: the object ends as it should."""
    kind = b"0\x80\x06\x09" + cms.DATA
    content = kind + b"\xa0\x80\x04\x07Bonjour" + bytes(4)
    beside = b"\x04\x82" + len(XDM).to_bytes(2) + XDM
    for version, signed, more in ((b"\2\1\1", content, beside), (beside, content, b""), (beside, kind + bytes(2), b"")):
        signed = b"0\x80" + version + b"1\0" + signed + more + bytes(2)
        assert _is_stopped(b"0\x80\x06\x09" + cms.SIGNED + b"\xa0\x80" + signed + bytes(4), name)


def test_a_document_behind_the_head_of_an_encrypted_object_is_stopped() -> None:  # req: SD-14, INS-1
    for content in (ENVELOPED + CDA, ENVELOPED + b"\xa0\x800\x80\x04\x82" + len(CDA).to_bytes(2) + CDA + bytes(6)):
        assert _is_stopped(content, "a.xml.p7m")


def test_a_signed_object_in_damaged_base64_is_stopped(openssl: Openssl) -> None:
    coded = b"!" + base64.encodebytes(openssl(INNER, "cms", *SIGN))
    damaged = part(coded, OPAQUE_SIGNED, "smime.p7m", encoding="x").replace(b"Encoding: x", b"Encoding: base64")
    assert rules(judged(damaged)) == {"GRD-LET-001"}


def test_a_document_that_is_a_letter_as_well_is_stopped(openssl: Openssl) -> None:
    both = CDA.replace(b"?>", b"?><!--\r\nContent-Type: text/xml\r\n\r\n-->", 1)
    report = judged(part(openssl(both, "cms", *SIGN), OPAQUE_SIGNED, "smime.p7m"))
    assert "GRD-LET-002" in rules(report)


# --- the reader, whatever it reads --------------------------------------------------------------------------------


@st.composite
def elements(draw: st.DrawFn, tag: int, content: bytes) -> bytes:
    """An element in any of the forms that BER allows."""
    if tag & 0x20 and draw(st.booleans()):
        return bytes([tag, 0x80]) + content + b"\0\0"
    octets = draw(st.integers(min_value=(len(content).bit_length() + 7) // 8 or 1, max_value=8))
    if len(content) < 0x80 and draw(st.booleans()):
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x80 | octets]) + len(content).to_bytes(octets) + content


@st.composite
def strings(draw: st.DrawFn, depth: int = 0) -> tuple[bytes, bytes]:
    """Octets, and one of their encodings."""
    if depth == 3 or draw(st.booleans()):
        octets = draw(st.binary(max_size=200))
        return octets, draw(elements(0x04, octets))
    pieces = draw(st.lists(strings(depth=depth + 1), max_size=4))
    return b"".join(o for o, _ in pieces), draw(elements(0x24, b"".join(e for _, e in pieces)))


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """What is signed, and the object, with anything for its certificates and signatures."""
    octets, coded = draw(strings())
    encapsulated = draw(elements(0x30, b"\x06\x09" + cms.DATA + draw(elements(0xA0, coded))))
    digests = draw(elements(0x31, draw(elements(0x30, b"\x06\x01\x2a"))))
    signed = draw(elements(0x30, b"\x02\x01\x01" + digests + encapsulated + draw(st.sampled_from([b"", b"1\0"]))))
    return octets, draw(elements(0x30, b"\x06\x09" + cms.SIGNED + draw(elements(0xA0, signed))))


@given(objects(), st.sampled_from([b"", b"\r\n", bytes(5)]))
def test_every_form_of_ber_is_read(made: tuple[bytes, bytes], after: bytes) -> None:
    octets, coded = made
    assert cms.opened(coded + after) == octets
    with pytest.raises(cms.UnreadableCms):
        cms.opened(coded + after + b"P")


@given(objects(), st.data())
def test_damage_is_told_and_nothing_else_is_raised(made: tuple[bytes, bytes], data: st.DataObject) -> None:
    coded = bytearray(made[1][: data.draw(st.integers(0, len(made[1])))])
    for at in data.draw(st.lists(st.integers(0, len(coded) - 1), max_size=3)) if coded else ():
        coded[at] = data.draw(st.integers(0, 255))
    for octets in (bytes(coded), data.draw(st.binary(max_size=60))):
        assert cms.content_type(octets) or cms.may_be_read(octets)
        with contextlib.suppress(cms.UnreadableCms):
            cms.opened(octets)


@pytest.mark.parametrize("piece", [b"\x04\0", b"\x24\x80", b"\x24\0"])
def test_a_string_of_very_many_pieces_is_unreadable(piece: bytes) -> None:
    head = b"0\x80\x06\x09" + cms.DATA + b"\xa0\x80\x24\x80"
    with pytest.raises(cms.UnreadableCms):
        cms.opened(head + piece * 1_000_000)

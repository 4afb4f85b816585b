"""Which parts of a letter are clinical documents, however they come; and what only a whole letter tells."""

import base64
import binascii
import io
import quopri
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mssgw.core.clinical import Environment, Finding, Profile, Verdict
from mssgw.core.ins import Matricule
from mssgw.core.report import Carried, Order, Report
from mssgw.formats import b64, pdf
from mssgw.formats.assessment import MAX_DOCUMENTS, MAX_FINDINGS
from mssgw.formats.cda.making import make
from mssgw.formats.judging import MAX_DEPTH, judge_file, judge_letter
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import to_wire
from tests.clinical_letters import archive, order
from tests.watchdog import watchdog
from tests.zips import zipped

JEANNE, LUCIE = "279035121518989", "288112B98765431"
CDA, OTHER = make(order(JEANNE)), make(order(LUCIE))
XDM = archive([order(JEANNE)])
PDF = pdf.letter("Copie", ["Bonjour"])
ORDER = Order(
    profile=Profile.STANDARD,
    now=datetime(2026, 1, 1, tzinfo=UTC),
    environment=Environment.PRODUCTION,
    professionals=True,
)


def part(content: bytes, kind: str = "application/octet-stream", name: str = "", encoding: str = "base64") -> bytes:
    """A part in base64, or with a content that is encoded already."""
    coded = base64.encodebytes(content) if encoding == "base64" else content
    named = f'Content-Disposition: attachment; filename="{name}"\n' if name else ""
    head = f"Content-Type: {kind}\n{named}Content-Transfer-Encoding: {encoding}\n\n"
    return head.encode() + coded


def letter(*parts: bytes, subject: str = "s", kind: str = "multipart/mixed") -> bytes:
    mark = f"B{zlib.crc32(b''.join(parts))}"  # letters in letters must not have the same
    head = f"From: a@b.example\nTo: c@d.example\nSubject: {subject}\nMIME-Version: 1.0\n"
    lines = [f'{head}Content-Type: {kind}; boundary="{mark}"\n\n'.encode()]
    lines += [f"--{mark}\n".encode() + each.rstrip(b"\n") + b"\n" for each in parts]
    return b"".join([*lines, f"--{mark}--\n".encode()])


def judged(*parts: bytes, subject: str = "s", asked: Order = ORDER, kind: str = "multipart/mixed") -> Report:
    return judge_letter([to_wire(letter(*parts, subject=subject, kind=kind))], asked)


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def found(report: Report) -> list[str]:
    return [each.name for each in report.documents if each.cda]


def uuencoded(content: bytes, name: str = "a.xml") -> bytes:
    lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
    return f"begin 644 {name}\n".encode() + b"".join(lines) + b"`\nend\n"


# --- found ------------------------------------------------------------------------------------------------------

TEXT = part(b"Bonjour,\n", "text/plain; charset=utf-8", encoding="7bit")
FORMS: dict[str, Callable[[], bytes]] = {
    "text/xml": lambda: part(CDA, "text/xml"),
    "application/xml": lambda: part(CDA, "application/xml"),
    "application/hl7-cda+xml": lambda: part(CDA, "application/hl7-cda+xml"),
    "octet-stream without a name": lambda: part(CDA),
    "text/plain": lambda: part(CDA, "text/plain"),
    "image/jpeg called .jpg": lambda: part(CDA, "image/jpeg", "a.jpg"),
    "called .pdf": lambda: part(CDA, "application/pdf", "a.pdf"),
    "8bit": lambda: part(CDA, "text/xml", encoding="8bit"),
    "binary": lambda: part(CDA, "text/xml", encoding="binary"),
    "an encoding with a comment": lambda: part(CDA, "text/xml").replace(b": base64", b": base64 (RFC 2045)"),
    "quoted-printable": lambda: part(quopri.encodestring(CDA), "text/xml", encoding="quoted-printable"),
    "uuencode": lambda: part(uuencoded(CDA), "text/xml", encoding="x-uuencode"),
    "uuencode in a text": lambda: part(b"Bonjour,\n\n" + uuencoded(CDA), "text/plain", encoding="7bit"),
    "uuencode's base64": lambda: part(
        b"begin-base64 644 a.xml\n" + base64.encodebytes(CDA) + b"====\n", "text/plain", encoding="7bit"
    ),
    "base64 without padding": lambda: part(CDA + b" " * (-len(CDA) % 3 + 1), "text/xml").replace(b"=\n", b"\n"),
    "byte order mark": lambda: part(b"\xef\xbb\xbf" + CDA, "text/xml"),
    "an archive": lambda: part(XDM, "application/zip", "IHE_XDM.zip"),
    "an archive in other letters": lambda: part(XDM, "application/octet-stream", "ihe_xdm.ZIP"),
    "an archive without a name": lambda: part(XDM),
    "an archive called otherwise": lambda: part(XDM, "application/pdf", "export (1).pdf"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_document_is_found_however_it_comes(form: str) -> None:
    """By content: neither type, name nor encoding hides it."""
    report = judged(TEXT, FORMS[form]())
    assert [name.split("/")[0] for name in found(report)] == ["2"]
    assert Carried.CDA in report.carried
    wrong = judged(TEXT, FORMS[form](), asked=_to(LUCIE))
    assert "CDA-COH-001" in rules(wrong)
    assert wrong.verdict is Verdict.REJECT


def _to(matricule: str, profile: Profile = Profile.OBSERVE) -> Order:
    return Order(profile=profile, now=ORDER.now, patients=(Matricule.parse(matricule),))


def test_a_letter_may_be_a_document_itself() -> None:
    """Without any multipart."""
    wire = to_wire(b"Subject: s\nContent-Type: text/xml\nContent-Transfer-Encoding: 8bit\n\n" + CDA)
    assert found(judge_letter([wire], ORDER)) == ["1"]


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "application/octet-stream"])
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_a_document_in_an_attached_letter_is_found(kind: str, encoding: str) -> None:
    """A forwarded letter: named by the part that it is, then as in it."""
    inner = letter(TEXT, part(XDM, "application/zip", "IHE_XDM.zip"))
    report = judged(TEXT, TEXT, part(inner, kind, "lettre.eml", encoding))
    assert found(report) == ["3/2/1"]
    assert "CDA-COH-001" in rules(judged(part(inner, kind, "lettre.eml", encoding), asked=_to(LUCIE)))


def test_parts_of_a_digest_are_letters() -> None:
    """Where they say nothing else (RFC 2046 section 5.1.5)."""
    inner = b"\n" + letter(part(CDA, "text/xml"))
    assert found(judged(inner, kind="multipart/digest")) == ["1/1"]


def test_letters_in_letters_are_followed_so_far_and_then_refused() -> None:
    """Whoever hides deeper is stopped; a chain that long is no accident."""
    inner = letter(part(CDA, "text/xml"))
    for depth in range(2, MAX_DEPTH + 2):
        report = judge_letter([to_wire(inner)], ORDER)
        assert found(report) == ["1" + "/1" * (depth - 2)]
        inner = letter(part(inner, "message/rfc822", encoding="8bit"))
    assert "GRD-LET-003" in rules(judge_letter([to_wire(inner)], ORDER))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"Content-Type: multipart/mixed\n\n--x\nContent-Type: application/zip\n\nPK", {"GRD-LET-002"}),
        (b"Content-Type: multipart/mixed\n\nrien", set()),
        (b"From: a\nFrom: b\nFrom: <<c>>, d\n\nBonjour\n", set()),
        (b"Subject: a\nSubject: b\nContent-Transfer-Encoding: 8bit\n\nBonjour\n", set()),
        (b"a b\nContent-Transfer-Encoding: quoted-printable\n\nJe pr=C3=A9f=C3=A8re =\n\n", set()),
        (b"a b\nContent-Transfer-Encoding: quoted-printable\n\n<=43linicalDocument\n", {"GRD-LET-002"}),
        (b"a b\nContent-Transfer-Encoding : BASE64\n\nUEsDBA==\n", {"GRD-LET-002"}),
        (b"a b\n\n=62egin 644 a.xml\n", {"GRD-LET-002"}),
    ],
)
def test_an_attached_letter_that_nobody_can_take_apart(content: bytes, told: set[str]) -> None:
    """Is refused when it could hold a document; old mail with odd headers is not."""
    assert rules(judged(TEXT, part(content, "message/rfc822", encoding="8bit"))) == told


# --- not to be read in two ways -----------------------------------------------------------------------------------

_B64 = base64.b64encode(CDA)
AMBIGUOUS = {
    "a stray octet first": b"!" + _B64,
    "a stray octet within": _B64[:400] + b"*" + _B64[400:],
    "something after the padding": base64.b64encode(b"\xff\xd8\xff" + b"x" * 7) + b"\n" + _B64,
    "behind a padding": b"AA==\n" + _B64,
    "nothing but letters, one too many": b"<ClinicalDocument></ClinicalDocument>",
    "a footer": _B64 + b"\n\n-- \nThis list is for friends\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
@pytest.mark.parametrize("kind", ["text/xml", "image/jpeg"])
def test_base64_that_hides_a_document_from_some_readers_is_refused(name: str, kind: str) -> None:
    """Whatever it is said to be: what one program shows, we must have seen."""
    body = b"\n".join(AMBIGUOUS[name][at : at + 76] for at in range(0, len(AMBIGUOUS[name]), 76))
    report = judged(TEXT, part(body, kind).replace(base64.encodebytes(body), body))
    assert rules(report) == {"GRD-LET-001"}
    assert report.verdict is Verdict.REJECT


def test_what_calls_itself_a_document_must_be_decodable() -> None:
    """By type or by name; a picture that was damaged on its way is nobody's danger."""
    broken = b"AAAA!BBBB\n"
    for kind, name in (("text/xml", ""), ("application/zip", ""), ("image/png", "a.XML"), ("text/plain", "b.zip. .")):
        assert rules(judged(part(b"", kind, name).rstrip() + b"\n\n" + broken)) == {"GRD-LET-001"}
    assert judged(part(b"", "image/jpeg", "a.jpg").rstrip() + b"\n\n" + broken) == Report()


def test_a_letter_in_fragments_is_refused() -> None:
    """Each alone could not be judged (RFC 2046 section 5.2.2)."""
    head = 'message/partial; id="a"; number=1; total=2'
    for encoding in ("8bit", "base64", "x-unknown"):
        assert rules(judged(part(CDA[:500], head, encoding=encoding))) == {"GRD-LET-005"}
    assert rules(judged(part(b"", head).rstrip() + b"\n\n" + CDA[:500])) == {"GRD-LET-005"}


def test_a_polyglot_is_no_way_around_the_guard() -> None:
    """A PDF for one program and an archive for another."""
    assert "GRD-ZIP-003" in rules(judged(part(PDF + XDM, "application/pdf", "a.pdf")))


@pytest.mark.parametrize("mode", [b"6", b"64", b"00644", b"100644", b" 644", b"644 ", b"\t644\t", b"0o644", b"+644"])
@pytest.mark.parametrize("name", [b"d.xml", b"d" * 300, b""])
def test_a_file_in_uuencode_is_found_whatever_its_mode_and_name(mode: bytes, name: bytes) -> None:
    text = b"Bonjour,\n" + uuencoded(CDA).replace(b"644 a.xml", mode + b" " + name)
    assert found(judged(part(text, "text/plain"))) == ["1"]


@pytest.mark.parametrize("encoding", ["quoted-printable", "x-unknown"])
def test_a_file_in_uuencode_is_found_in_any_reading_of_a_text(encoding: str) -> None:
    """White space after a soft break counts for some programs only (RFC 2045 6.7)."""
    text = quopri.encodestring(b"Bonjour,\n" + uuencoded(CDA)).replace(b"begin", b"beg= \nin")
    assert found(judged(part(text, "text/plain", encoding=encoding))) == ["1"]


@pytest.mark.parametrize(
    "line", [b"=ybegin line=128 size=9 name=cr.xml", b"(This file must be converted with BinHex 4.0)"]
)
@pytest.mark.parametrize("before", [b"", b"Bonjour,\n" * 300])
def test_a_file_in_an_encoding_that_nobody_reads_here_is_refused(line: bytes, before: bytes) -> None:
    """Some programs show it as an attachment. The words alone, within a line, are no file."""
    for encoding in ("7bit", "base64", "quoted-printable"):
        wire = to_wire(letter(part(before + line + b"\nabc\n", "text/plain", encoding=encoding)))
        scanner = Scanner()
        scanner.feed(wire)
        assert scanner.finish().may_hold_documents
        assert rules(judge_letter([wire], ORDER)) == {"GRD-LET-001"}
        assert judged(part(before + b"voir " + line, "text/plain", encoding=encoding)) == Report()
    assert rules(judge_letter([to_wire(b"Subject: s\n\n" + before + line + b"\n")], ORDER)) == {"GRD-LET-001"}


def test_files_in_uuencode_within_each_other_are_read_within_bounds_and_then_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each goes on to the end of the text: 500 times ten megabytes."""
    read, decode = [], b64.readings

    def counted(octets: bytes) -> tuple[bytes, ...]:
        read.append(len(octets))
        return decode(octets)

    monkeypatch.setattr(b64, "readings", counted)
    text = b"begin-base64 644 x\n" * 400 + (b"QUJD" * 19 + b"\n") * 3_000
    assert rules(judged(part(text, "text/plain", encoding="7bit"))) == {"GRD-LET-001"}
    assert sum(read) <= 6 * len(text)


@pytest.mark.parametrize(("begin", "encoding"), [(b"begin\n", "x-uuencode"), (b"begin 644 x\n", "7bit")])
@pytest.mark.parametrize("line", [b"\n", b"!!\n"])
def test_a_file_in_uuencode_of_millions_of_short_lines_is_refused_unread(
    begin: bytes, encoding: str, line: bytes
) -> None:
    """Each line takes its time, and an empty one is one of zeros for some: it took ten seconds and two gigabytes."""
    text = begin * 4 + line * 3_000_000 + b"end\n"
    with watchdog("uuencode"):
        assert rules(judged(part(text, "text/plain", encoding=encoding))) == {"GRD-LET-001"}


# --- not found ----------------------------------------------------------------------------------------------------

_ENCRYPTED = b"\xa0\x800\x80\x02\x01\0" + bytes(6)  # what follows its kind, of indefinite lengths


@pytest.mark.parametrize(
    ("content", "kind", "name", "carried"),
    [
        (PDF, "application/pdf", "a.pdf", {Carried.PDF}),
        (PDF, "application/octet-stream", "", {Carried.PDF}),
        (b"\x89PNG\r\n\x1a\n", "image/png", "a.png", {Carried.IMAGE}),
        (
            b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x03" + _ENCRYPTED,
            "application/pkcs7-mime",
            "smime.p7m",
            {Carried.OPAQUE},
        ),
        (b"0\x80\x06\x0b*\x86H\x86\xf7\r\x01\x09\x10\x01\x17" + _ENCRYPTED, "a/b", "smime.p7m", {Carried.OPAQUE}),
        (b"-----BEGIN PGP MESSAGE-----\n", "text/plain", "", {Carried.OPAQUE}),
        (b"\x78\x9f\x3e\x22\0\0", "application/ms-tnef", "winmail.dat", {Carried.WINMAIL}),
        (b"\x78\x9f\x3e\x22\0\0", "application/octet-stream", "", {Carried.WINMAIL}),
        (b"PK\3\4\x14\0\x01\0" + bytes(40), "application/zip", "a.zip", {Carried.LOCKED_ZIP}),
        (zipped({"a.xml": CDA}), "application/zip", "a.zip", {Carried.ARCHIVE}),
        (zipped({"[Content_Types].xml": b"<Types/>"}), "application/octet-stream", "a.docx", set()),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}), "application/zip", "a.odt", set()),
        (b"<html><body>ClinicalDocument</body></html>", "text/html", "", set()),
        (b"begin 2021 by a walk\nevery day\n", "text/plain", "", set()),
    ],
)
def test_what_is_no_document_is_counted_or_left_alone(
    content: bytes, kind: str, name: str, carried: set[Carried]
) -> None:  # req: SD-14
    """Only archives named or laid out as IHE XDM are opened."""
    report = judged(TEXT, part(content, kind, name))
    assert (report.documents, set(report.carried)) == ((), carried)


def test_an_archive_that_is_seen_at_the_end_of_a_winmail_is_refused() -> None:  # req: SD-14
    """Exchange would show it to its reader, and nobody has judged it."""
    outlook = part(b"\x78\x9f\x3e\x22\1\0" + bytes(500) + XDM + bytes(900), "application/ms-tnef", "winmail.dat")
    scanner = Scanner()
    scanner.feed(to_wire(letter(TEXT, outlook)))
    assert scanner.finish().may_hold_documents
    assert rules(judged(TEXT, outlook)) == {"GRD-ZIP-003"}


# --- a letter as a whole ------------------------------------------------------------------------------------------


def _of(report: Report, prefix: str = "CDA-COH") -> set[str]:
    return {rule for rule in rules(report) if rule.startswith(prefix)}


def test_a_document_twice_warns_and_another_one_of_its_id_is_refused() -> None:
    """CDA-5: the same id is the same document."""
    again = judged(part(CDA, "text/xml"), part(CDA, "text/xml"))
    assert (_of(again), again.verdict) == ({"CDA-COH-010"}, Verdict.WARN)
    changed = CDA.replace(b'<versionNumber value="1"/>', b'<versionNumber value="2"/>')
    assert changed != CDA
    other = judged(part(CDA, "text/xml"), part(changed, "text/xml"))
    assert (_of(other), other.verdict) == ({"CDA-COH-011"}, Verdict.REJECT)


def test_two_patients_are_refused_wherever_they_are() -> None:
    """One in the letter, the other in a letter that is attached (SD-7)."""
    inner = letter(part(OTHER, "text/xml"))
    report = judged(part(CDA, "text/xml"), part(inner, "message/rfc822", encoding="8bit"))
    assert "CDA-COH-004" in rules(report)


def test_the_ins_in_metadata_is_compared_with_the_address_where_the_document_has_none() -> None:  # req: INS-1
    """It tells of a PDF about one patient; the only CDA beside it has no INS, and nobody tells of it."""
    with zipfile.ZipFile(io.BytesIO(XDM)) as read:
        entries = {name: read.read(name) for name in read.namelist()}
    nameless = CDA.replace(JEANNE.encode(), b"IPP-1").replace(b"1.2.250.1.213.1.4.8", b"1.2.250.1.999")
    entries |= {"IHE_XDM/SUBSET01/DOC00001.XML": PDF, "IHE_XDM/SUBSET01/DOC00002.XML": nameless}
    archived = part(zipped(entries), "application/zip", "IHE_XDM.zip")
    assert "CDA-COH-001" in rules(judged(archived, asked=_to(LUCIE)))
    assert "CDA-COH-001" not in rules(judged(archived, asked=_to(JEANNE)))
    assert any(each.unchecked for each in judged(archived, asked=_to(JEANNE)).documents)


def test_a_copy_for_people_comes_with_an_archive() -> None:  # req: FMT-5
    """The very PDF of a N1 document."""
    own = part(order(JEANNE).shown(), "application/pdf")
    xdm = part(XDM, "application/zip", "IHE_XDM.zip")
    assert _of(judged(xdm, own)) == set()
    assert _of(judged(xdm)) == {"CDA-COH-030"}
    assert _of(judged(xdm, part(PDF, "application/pdf"))) == {"CDA-COH-031"}
    assert _of(judged(part(CDA, "text/xml"))) == set()


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("XDM/1.0/DDM+CR BERGERONNETTAUD CELESTINE 14/03/1979", set()),
        ("XDM/1.0/DDM+CR BERGERONNETTAUD CELESTINE", set()),
        ("Fwd: xdm/1.0/ddm+CR Bergeronnettaud Celestine 14-03-1979 ", set()),
        ("XDM/1.0/DDM+CR BERGERONNETTAUD CELESTINE 15/03/1979", {"CDA-COH-021"}),
        ("XDM/1.0/DDM+CR MARTIN CELESTINE 14/03/1979", {"CDA-COH-021"}),
        ("XDM/1.0/DDM+CR MARTIN PAUL 01/02/1950", {"CDA-COH-020"}),
        ("XDM/1.0/DDM+CR BERGERONNETTAUD CELESTINE 31/02/1979", set()),
        ("Compte rendu de MARTIN PAUL 01/02/1950", set()),
        ("[Annule et remplace] Compte rendu", {"CDA-COH-022"}),
    ],
)
def test_the_subject_is_held_against_the_documents(subject: str, told: set[str]) -> None:  # req: FMT-6, FMT-13
    """Both another name and another birth date are another patient."""
    assert _of(judged(part(CDA, "text/xml"), subject=subject)) == told


def test_no_name_of_a_file_or_a_patient_is_in_a_report() -> None:
    """Numbers name the parts; what is found is told in codes."""
    report = judged(
        part(XDM, "application/zip", "IHE_XDM.zip"),
        part(CDA[:-40], "text/xml", "BERGERONNETTAUD.xml"),
        subject="XDM/1.0/DDM+CR BERGERONNETTAUD 15/03/1979",
        asked=_to(LUCIE),
    )
    assert report.findings
    told = repr([(each.name, each.findings) for each in report.documents])
    for word in ("BERGERONNETTAUD", JEANNE, "1979", "IHE_XDM.zip"):
        assert word not in told


def test_a_report_is_bounded_and_keeps_the_gravest() -> None:
    """Hundreds of documents with hundreds of findings each say nothing new."""
    bad = b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b'<telecom use="X"/>' * 50 + b"</ClinicalDocument>"
    report = judged(*[part(bad, "text/xml")] * (MAX_DOCUMENTS + 50))
    assert "GRD-LET-004" in rules(report)
    assert len(report.documents) <= MAX_DOCUMENTS + 3
    assert len(report.findings) <= MAX_FINDINGS + MAX_DOCUMENTS + 3
    assert report.verdict is Verdict.REJECT


def test_files_are_judged_by_the_end_of_their_names() -> None:
    """A lone document has no name; those of an archive have their paths."""
    assert [each.name for each in judge_file(CDA, ORDER, name="a.xml").documents] == [""]
    names = [each.name for each in judge_file(XDM, ORDER, name="a.zip").documents]
    assert names == ["IHE XDM", "IHE_XDM/SUBSET01/DOC00001.XML"]
    assert [each.name for each in judge_file(letter(part(CDA)), ORDER, name="A.EML").documents] == ["1"]
    assert judge_file(b"rien", ORDER, name="a.zip").verdict is Verdict.REJECT
    assert _finding(judge_file(XDM, ORDER)) == _finding(judge_file(XDM, ORDER, name="a.zip"))


def _finding(report: Report) -> tuple[Finding, ...]:
    return report.findings

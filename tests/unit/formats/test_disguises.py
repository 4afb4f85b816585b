"""Another patient's document in disguise: the scanner calls a validator, and the validator refuses the letter.

Both halves count: what the one does not call for, the other never sees.
"""

import pytest

from mssgw.core.clinical import Profile, Verdict
from mssgw.core.report import Order
from mssgw.formats.judging import judge_letter
from mssgw.formats.mime import Scanner
from mssgw.formats.wire import to_wire
from mssgw.formats.xdm_making import zipped
from tests.clinical_letters import archive, order
from tests.unit.formats.disguises import DISGUISES
from tests.unit.formats.disguising import (
    CDA,
    MBOX,
    ORDER,
    OWN,
    OWN_XDM,
    TEXT,
    THEIRS,
    entries_of,
    letter,
    part,
    signed,
    uuencoded,
    with_more,
)
from tests.unit.formats.honest_letters import HONEST


@pytest.mark.parametrize("disguise", DISGUISES)
def test_another_patients_document_is_refused_in_any_disguise(disguise: str) -> None:  # req: INS-1, SD-7
    """A mail program that undoes the disguise would show it to the wrong patient."""
    wire = to_wire(letter(TEXT, DISGUISES[disguise]()))
    scanner = Scanner()
    scanner.feed(wire)
    head = scanner.finish()
    assert not head.unreadable
    assert head.may_hold_documents, "no validator is asked"
    assert judge_letter([wire], ORDER).verdict is Verdict.REJECT


def test_the_same_letters_pass_with_the_patients_own_document() -> None:
    """What is refused above is refused for the document in it."""
    for own in (
        part(OWN, "text/xml"),
        part(OWN_XDM, "application/zip"),
        part(letter(part(OWN)), "message/rfc822"),
        part(uuencoded(OWN), "text/xml", encoding="x-uuencode"),
        part(uuencoded(OWN_XDM), 'application/zip; name="IHE_XDM.zip"', encoding="x-uuencode"),
        part(OWN, "text/xml").replace(b"base64\n", b"base64 (RFC 2045)\n"),
        part(OWN_XDM, 'application/zip; name="IHE_XDM.zip"').replace(b"base64\n", b"base64;\n"),
        part(letter(part(OWN)), "application/octet-stream", "Content-Disposition: attachment; filename=Lettre 1.eml"),
        part(MBOX + letter(TEXT, part(OWN), mark="inner"), "message/rfc822", encoding="8bit"),
    ):
        assert judge_letter([to_wire(letter(TEXT, own))], ORDER).verdict is not Verdict.REJECT


@pytest.mark.parametrize("honest", HONEST)
def test_what_programs_honestly_write_passes(honest: str) -> None:
    """What is refused above only looks like it."""
    wire = to_wire(letter(TEXT, HONEST[honest]()))
    scanner = Scanner()
    scanner.feed(wire)
    assert not scanner.finish().unreadable
    assert judge_letter([wire], ORDER).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("IHE_XDM/SUBSET01/ANNEXE.EML", letter(TEXT, part(b"%PDF-1.4\n%%EOF", "application/pdf"))),
        ("IHE_XDM/SUBSET01/ANNEXE.PDF.P7M", signed(b"%PDF-1.4\n%%EOF")),
        ("IHE_XDM/SUBSET01/ANNEXE.TXT.P7M", signed(letter(TEXT))),
    ],
)
def test_a_letter_or_signed_file_without_document_passes_in_an_archive(path: str, content: bytes) -> None:
    """Beside the patient's own document."""
    wire = to_wire(letter(TEXT, part(with_more(path, content), "application/zip")))
    assert judge_letter([wire], ORDER).verdict is not Verdict.REJECT


def test_a_document_that_is_called_metadata_is_compared_by_every_profile() -> None:  # req: INS-1
    observing = Order(profile=Profile.OBSERVE, now=ORDER.now, patients=ORDER.patients)
    content = with_more("IHE_XDM/SUBSET02/METADATA.XML", CDA)
    report = judge_letter([to_wire(letter(TEXT, part(content, "application/zip")))], observing)
    assert "CDA-COH-001" in {finding.rule for finding in report.findings}


def test_a_hidden_document_among_the_junk_is_refused() -> None:  # req: SD-15
    """Of the patient's own, but not for the patient."""
    hidden = OWN.replace(b'<confidentialityCode code="N"', b'<confidentialityCode code="INVISIBLE_PATIENT"')
    report = judge_letter([to_wire(letter(TEXT, part(with_more("A.XML~", hidden), "application/zip")))], ORDER)
    assert "CDA-HID-001" in {finding.rule for finding in report.findings}


def test_a_document_under_metadata_of_another_patient_is_refused_by_every_profile() -> None:  # req: INS-1
    """Without an INS of its own, and named by no URI: METADATA.XML alone tells whose it is."""
    foreign = archive([order(THEIRS)], lambda document: document.replace(b"1.2.250.1.213.1.4.8", b"1.2.250.1.99.1"))
    untold = zipped({name.replace("DOC00001", "DOC00002"): each for name, each in entries_of(foreign).items()})
    observing = Order(profile=Profile.OBSERVE, now=ORDER.now, patients=ORDER.patients)
    report = judge_letter([to_wire(letter(TEXT, part(untold, "application/zip")))], observing)
    assert "CDA-COH-001" in {finding.rule for finding in report.findings}

"""Read receipts: RFC 8098 and the PFI's form of failure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.message import Content
from mssgw.formats.mdn import read_mdn
from tests.unit.formats.reading import multipart, read

PART = (
    b"Content-Type: message/disposition-notification\r\n\r\n"
    b"Reporting-UA: mes.example; Mon espace sante\r\n"
    b"Final-Recipient: rfc822;279035121518989@patient.mssante.fr\r\n"
    b"Original-Message-ID: <1@hopital.fr>\r\n"
    b"Disposition: manual-action/MDN-sent-automatically; displayed\r\n"
)


def receipt(part: bytes = PART) -> bytes:
    return multipart("b", b"\r\nLu", part, kind="report; report-type=disposition-notification")


def test_a_receipt_names_the_letter_and_what_became_of_it():
    """MDN-6."""
    head = read(receipt())
    assert head.content is Content.MDN
    assert head.mdn is not None
    assert head.mdn.original_message_id == "<1@hopital.fr>"
    assert (head.mdn.disposition, head.mdn.error) == ("displayed", None)


def test_a_receipt_may_cite_an_encoded_word_as_it_stands():
    """As replies may (SD-3): the letter is found by what it says."""
    mdn = read(receipt(PART.replace(b"<1@", b"<=?utf-8?q?1?=@"))).mdn
    assert mdn is not None
    assert mdn.original_message_id == "<1@hopital.fr>"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_receipt_in_base64_is_read(line_end):
    """Python, PHP and others encode text with the line ends that they have."""
    import base64

    header, _, content = PART.partition(b"\r\n\r\n")
    content = content.replace(b"\r\n", line_end)
    encoded = header + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(content)
    assert read(receipt(encoded)).mdn == read(receipt()).mdn


@pytest.mark.parametrize(
    ("disposition", "kind", "error"),
    [
        ("automatic-action/MDN-sent-automatically; processed", "processed", None),
        ("automatic-action/MDN-sent-automatically; processed/Error: 902^Patient inconnu", "processed", "902"),
        ("automatic-action/MDN-sent-automatically; processed/error", "processed", "error"),
        ("automatic-action/MDN-sent-automatically;processed/error\r\nError: 904^INS different", "processed", "904"),
        ("manual-action/MDN-sent-manually; Displayed (seen)", "displayed", None),
        ("manual-action/MDN-sent-manually; deleted/superseded,expired", "deleted", None),
        ("manual-action/MDN-sent-manually;\r\n displayed", "displayed", None),
        ("a/b; processed/Error: libelle sans code", "processed", "error"),
    ],
)
def test_both_grammars_of_disposition_are_read(disposition, kind, error):
    """MDN-7. Of a failure only the code is kept: the label is free text."""
    mdn = read_mdn(f"Disposition: {disposition}\r\n".encode())
    assert mdn is not None
    assert (mdn.disposition, mdn.error) == (kind, error)


@pytest.mark.parametrize(
    ("disposition", "outcome"),
    [
        ("processed", "processed"),
        ("processed/Error: 902^Patient inconnu", "processed/902"),
        ("processed/error", "processed/error"),
        ("processed/Error: 279035121518989^Patient inconnu", "processed/error"),
        ("displayed/error", "displayed/error"),
    ],
)
def test_the_journal_is_told_of_a_failure_with_a_short_number_only(disposition, outcome):
    """MDN-7: a peer may write a matricule where the code should be."""
    mdn = read_mdn(f"Disposition: automatic-action/MDN-sent-automatically; {disposition}\r\n".encode())
    assert mdn is not None
    assert mdn.outcome == outcome


@pytest.mark.parametrize("content", [b"", b"Disposition: displayed", b"Disposition: a/b;", b"x"])
def test_without_a_readable_disposition_there_is_no_receipt(content):
    assert read_mdn(content) is None


def test_a_forwarded_receipt_is_an_ordinary_letter():
    head = read(multipart("b", b"\r\nVoici", PART))
    assert (head.content, head.mdn) == (Content.ORDINARY, None)


@given(st.binary(max_size=300), st.text("ab/;:^ Error", max_size=60))
def test_any_octets_give_a_receipt_or_none(content, disposition):
    read_mdn(content)
    read_mdn(f"Disposition: x;{disposition}".encode())

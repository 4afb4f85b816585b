"""What the watch looks for in a text is found however it is folded, and wherever the text is cut."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mssgw.formats.watch import Watch, has_an_encoded_document

NAME = b"ClinicalDocument"
folds = st.sampled_from([b"", b"", b"", b"\r\n", b" ", b"\t", b"\r\n \t"])


def encoded(before: bytes, after: bytes) -> bytes:
    return base64.b64encode(before + NAME + after)


@given(before=st.binary(max_size=4), after=st.binary(max_size=4), data=st.data())
def test_the_name_of_a_document_is_found_in_base64_however_it_is_folded(
    before: bytes, after: bytes, data: st.DataObject
) -> None:
    letters = encoded(before, after)
    spaces = data.draw(st.lists(folds, min_size=len(letters), max_size=len(letters)))
    folded = b"".join(bytes([letter]) + space for letter, space in zip(letters, spaces, strict=True))
    assert has_an_encoded_document(b"Bonjour, W\r\n" + folded)


# Words whose base64 ends as that of the name does, text that only nearly has it, and anything.
near = st.one_of(
    st.just(b"alDocument").map(base64.b64encode),
    st.just(encoded(b"", b"")[:-3]),
    st.text("WxEb2N1VudY5pFsRG9jlnhvtZ0Q \r\n", max_size=40).map(str.encode),
    st.binary(max_size=40),
)


@given(st.lists(near, max_size=6).map(b" ".join))
@example(b"WWxEb2N1bWVud W5pY2FsRG9jdW1lbn WNhbERvY3VtZW50")
def test_nothing_else_is_taken_for_it(text: bytes) -> None:
    """But what holds one of its three forms, white space aside."""
    letters = text.translate(None, b"\r\n\t ")
    forms = (b"Q2xpbmljYWxEb2N1bWVud", b"NsaW5pY2FsRG9jdW1lbn", b"DbGluaWNhbERvY3VtZW50")
    assert has_an_encoded_document(text) == any(form in letters for form in forms)


@pytest.mark.parametrize(
    "hidden",
    [
        b"<ClinicalDocument",
        b"\r\nbegin 644 a.xml\r\n",
        b"\r\n=ybegin line=128 size=3 name=a.xml\r\n",
        b"\r\n(This file must be converted with BinHex 4.0)\r\n",
        encoded(b"<", b" x"),
    ],
)
@given(cut=st.integers(0, 120))
def test_it_is_found_in_pieces(hidden: bytes, cut: int) -> None:
    """Far down in a text, cut anywhere."""
    text = b"Bonjour,\r\n" * 5 + hidden + b"\r\nau revoir\r\n"
    watch = Watch("7bit")
    for piece in (text[:cut], text[cut:]):
        watch.take(piece)
    watch.end()
    assert watch.found


def test_a_text_hides_nothing() -> None:
    """Though all the letters are there that it begins with."""
    watch = Watch("8bit")
    for _ in range(50):
        assert watch.take("Compte rendu (bilan) = begin, Cf. W. Wyart : Document joint\r\n".encode("latin-1") * 20)
    watch.end()
    assert not watch.found

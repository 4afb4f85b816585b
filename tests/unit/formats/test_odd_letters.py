"""However odd its headers and boundaries, and however damaged what is signed in it: a letter is read to its end."""

from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.mime import Scanner
from mssgw.formats.wrapped import may_hold_document

_WORDS = st.sampled_from(
    (
        *("multipart/", "mixed", "digest", "report", "message/rfc822", "message/delivery-status", "text/html"),
        *("application/pkcs7-mime", "base64", "x-uuencode", "quoted-printable", "charset=", "utf-7'fr'", "name*0="),
        *("boundary=", "boundary*0=", "boundary*1*=", "boundary*=utf-8''%e9", "a:b", "é", "é:b", "x" * 69 + "é"),
        *("=?utf-8?q?=e9?=", "=?hz?b?/w==?=", "a@é.fr", "<a@b>", "[FIN]", "&#55296;", "\0", "\x85", "\u2028", "\ufeff"),
        *("; ", "\r\n ", "\t", "\\", "(", ")", ",", ":", '"', "=", "'", "%", "."),
    )
)
_NAMES = st.sampled_from(
    (
        *("Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "Content-Description", "Subject", "From"),
        *("To", "Message-ID", "References", "Auto-Submitted", "Received", "Disposition", "Final-Recipient"),
        "Reporting-MTA",
    )
)
_VALUES = st.lists(_WORDS, max_size=8).map("".join)
_FIELDS = st.lists(st.builds("{}: {}\r\n".format, _NAMES, _VALUES), max_size=4).map("".join)
_BOUNDARIES, _ENDS = st.sampled_from(["a:b", "a", "é", "é:b", "x" * 70]), st.sampled_from(["", "--", " ", "x"])
_TEXTS = st.sampled_from(["begin 644 x", "=ybegin x", "QUJD", "=4", "PK\5\6", "<?xml encoding='cp037'?>", "distribu"])
_LINES = st.one_of(st.builds("--{}{}".format, _BOUNDARIES, _ENDS), st.builds("{}\r\n".format, _FIELDS), _TEXTS)


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["", "multipart/mixed; boundary=é:b", 'multipart/digest; boundary="a:b"']))
    header = draw(_FIELDS) + (f"Content-Type: {kind}\r\n" if kind else "")
    text = f"{header}\r\n" + "\r\n".join(draw(st.lists(_LINES, max_size=12)))
    return text.encode(draw(st.sampled_from(["utf-8", "iso-8859-1"])), "replace")


@given(letters(), st.integers(1, 60))
def test_no_header_and_no_boundary_breaks_the_reading(letter, size):
    scanner = Scanner(hostname="h.example", person_header="Subject", person_received=True)
    for at in range(0, len(letter), size):
        scanner.feed(letter[at : at + size])
    scanner.finish()


_SIGNED = bytes.fromhex("30800609 2a864886f70d010702 a080 3080 020101 3100 3080 0609 2a864886f70d010701 a080 2480 0403")


@given(letters(), st.binary(max_size=60), st.booleans(), st.booleans())
def test_nothing_that_is_wrapped_breaks_the_look_into_it(letter, damage, is_letter, is_signed):
    for content in (letter, _SIGNED + damage + letter, damage):
        may_hold_document(content, is_letter=is_letter, is_signed=is_signed)

"""The names of a part, as one program or another reads them."""

import pytest

from mssgw.formats.headers import read_header
from mssgw.formats.parts import Part, kind_of
from tests.watchdog import watchdog


def names(*fields: str) -> tuple[str, ...]:
    header = read_header("\r\n".join(fields).encode())
    return Part(path=(), kind=kind_of(header), header=header).names


@pytest.mark.parametrize(
    "field",
    [
        'Content-Disposition: attachment; filename="a.eml"',
        "Content-Disposition: attachment; filename=\"a.pdf\"; filename*=utf-8''a%2Eeml",
        "Content-Disposition: attachment; filename*0*=utf-8''a%2E; filename*1=eml",
        "Content-Disposition: attachment; filename*1=eml; filename*0=a.; filename=a.pdf",
        'Content-Disposition: attachment; filename*0="a."; filename*2=eml; filename=a.pdf',
        'Content-Disposition: attachment; filename="a.pdf"; filename="a.eml"',
        'Content-Disposition: attachment junk; filename="a.eml"',
        'Content-Disposition: attachment; filename="a\\.e\\ml"',
        "Content-Disposition: attachment; filename*0=a.e\\ml",
        "Content-Disposition: attachment; filename*=utf-8''a.eml .pdf",
        'Content-Disposition: attachment; filename="a%2Eeml"',
        "Content-Disposition: attachment; filename*=utf-8''a.eml%00.pdf",
        "Content-Disposition: attachment; filename*=utf-8''a.e%E2%80%8Bml",
        "Content-Disposition: attachment; filename='a.eml'",
        "Content-Disposition: attachment; filename=a.eml (x)",
        'Content-Disposition: attachment; filename="a.eml',
        'Content-Type: octets; name="a.eml"',
        "Content-Type: application/octet-stream; name==?utf-8?Q?a=2Eeml?=",
        'Content-Type: application/octet-stream; name="a.pdf"; name="a.eml"',
        "Content-Description: a.eml . ",
        "Content-Name: a.eml",
        "X-Sun-Data-Name: A.EML",
    ],
)
def test_a_name_is_found_however_it_is_written(field):
    assert "a.eml" in names(field)


def test_a_name_with_spaces_that_nobody_quoted_is_read_whole():
    assert "lettre de sortie.eml" in names("Content-Disposition: attachment; filename=Lettre de sortie.eml; size=3")


def test_a_name_that_all_read_alike_is_one():
    assert names('Content-Type: application/pdf; name="Dupont.PDF"', "Content-Disposition: inline; filename=Dupont.pdf")
    assert names(
        'Content-Type: application/pdf; name="Dupont.PDF"',
        "Content-Disposition: attachment; filename=\"Dupont.pdf\"; filename*=utf-8''Dupont.pdf",
    ) == ("dupont.pdf",)
    assert names("Content-Type: text/plain; charset=utf-8", "Content-Disposition: inline") == ()


@pytest.mark.parametrize(
    "junk", ["name*0*=x;", "name*0=a\0;", "name*0*=a'';", 'name="\\', "name=;", "name= ", "name=%01"]
)
def test_names_without_end_are_read_at_once(junk):
    with watchdog("names"):
        names("Content-Disposition: a; " + junk * (60_000 // len(junk)))

"""Quoted-printable that encodes nothing in places: every program's reading is among ours."""

import pytest

from mssgw.formats.qp import readings


@pytest.mark.parametrize("encoded", [b"=C3=A9t=C3=A9", b"a=\r\nb=3D=3D", b"a?b=c&d=\xe9", b"="])
def test_what_all_read_alike_has_one_reading(encoded):
    assert len(readings(encoded)) == 1


@pytest.mark.parametrize(
    ("encoded", "read"),
    [
        (b"==3C", b"=<"),  # PHP, JavaMail
        (b"==3C", b"=3C"),  # Python
        (b"=g=3C!", b"=g=3C!"),  # Thunderbird
        (b"=g=3C!", b"=g<!"),  # the others
        (b"== \r\n=3C", b"=<"),
        (b"a= \r\nb", b"ab"),
        (b"a= \r\nb", b"a= \r\nb"),
    ],
)
def test_each_programs_reading_is_among_them(encoded, read):
    assert read in readings(encoded)

"""Quoted-printable that encodes nothing in places: every program's reading is among ours."""

import tracemalloc

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
        (b"a==\r\n3C", b"a<"),  # mailparser, emailjs
        (b"a=3=\r\nC", b"a<"),
        (b"a== \r\n3C==3C", b"a<=<"),
        (b"a= \r\nb", b"ab"),
        (b"a= \r\nb", b"a= \r\nb"),
    ],
)
def test_each_programs_reading_is_among_them(encoded, read):
    assert read in readings(encoded)


@pytest.mark.parametrize(("encoded", "read"), [(b"==3C", b"=<"), (b"=g=3C!\r\n", b"=g<!\r\n"), (b"== \r\n=3C", b"=<")])
def test_what_is_long_is_read_like_what_is_short(encoded, read):
    """It is taken in pieces."""
    assert read * 100_000 in readings(encoded * 100_000)
    assert b"." + read * 100_000 in readings(b"." + encoded * 100_000)


@pytest.mark.parametrize("line", [b"=x", b"=a=\r\n", b"abc=\r\n", b"abc= \r\n"])
def test_what_encodes_nothing_takes_little_memory(line):
    """Some times its own size, not a hundred: a validator has none for that."""
    hostile = b"=x=y" + line * (2_000_000 // len(line))
    tracemalloc.start()
    try:
        readings(hostile)
        assert tracemalloc.get_traced_memory()[1] < 30 * len(hostile)
    finally:
        tracemalloc.stop()

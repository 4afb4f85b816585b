"""Zips from others: what has one reading only is read, the rest stopped with the rule, before it costs anything."""

import io
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.archive import MAIL, MAX_ENTRY, Bounds, Entry, is_encrypted, safe_unzip
from mssgw.formats.archive_names import is_plain
from mssgw.formats.guard import ZIP, Stopped
from tests import zips
from tests.watchdog import watchdog

MEMORY = 50 * 1024 * 1024  # octets above idle that a refusal may take


def content_of(files: tuple[Entry, ...]) -> dict[str, bytes]:
    return {file.path: file.content for file in files}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_honest_archive_is_read_octet_by_octet(method: int) -> None:
    """Stored or deflated, folders left out."""
    entries = {**zips.PLAIN, "LARGE.BIN": bytes(range(256)) * 200}
    assert content_of(safe_unzip(zips.zipped({"IHE_XDM/": b"", **entries}, method=method))) == entries


def test_an_archive_written_as_a_stream_is_read() -> None:
    """Many write sizes and CRC after the data, with or without the mark of a descriptor."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.octets = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, octets: object) -> int:
            self.octets += bytes(octets)  # type: ignore[call-overload]
            return len(bytes(octets))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zips.PLAIN.items():
            archive.writestr(name, content)
    assert b"PK\7\10" in pipe.octets
    assert content_of(safe_unzip(bytes(pipe.octets))) == zips.PLAIN


def test_names_are_read_in_utf_8_and_in_cp437() -> None:
    """With the flag, without it, and as old tools wrote them."""
    assert [file.path for file in safe_unzip(zips.zipped({"été.xml": b"x"}))] == ["été.xml"]
    old = zips.zipped({"AB.XML": b"x"}).replace(b"AB.XML", b"\x82B.XML")
    assert [file.path for file in safe_unzip(old)] == ["éB.XML"]


def test_an_empty_archive_has_no_files() -> None:
    """It is an archive all the same."""
    assert safe_unzip(zips.zipped({})) == ()


@pytest.mark.parametrize("name", zips.ATTACKS)
def test_every_attack_is_stopped_by_its_rule(name: str) -> None:
    """At once, and in little memory."""
    make, rule = zips.ATTACKS[name]
    content = make()
    tracemalloc.start()
    try:
        with watchdog(name, 0.5), pytest.raises(Stopped) as caught:
            safe_unzip(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.rule.id == rule
    assert peak < MEMORY
    assert caught.value.reply.code == 554
    assert str(caught.value).isascii()


def test_every_rule_about_zips_stops_some_attack() -> None:
    """Or nobody would know that it works."""
    assert {rule for _, rule in zips.ATTACKS.values()} == {rule.id for rule in ZIP.values()}


def test_a_reason_repeats_no_name() -> None:
    """The name of a file may be a patient's."""
    with pytest.raises(Stopped) as caught:
        safe_unzip(zips.zipped({"../DUPONT_JEANNE.XML": b"x"}))
    assert "DUPONT" not in f"{caught.value!s}{caught.value!r}{caught.value.found}"
    assert "DUPONT" not in repr(safe_unzip(zips.zipped({"DUPONT_JEANNE.XML": b"x"})))


def test_what_is_as_large_as_allowed_passes() -> None:
    """16 MB in one entry."""
    content = bytes(range(256)) * (MAX_ENTRY // 256)
    assert len(safe_unzip(zips.zipped({"A.XML": content}, method=zipfile.ZIP_STORED))[0].content) == MAX_ENTRY


WIDE = Bounds(archive=10_000, entries=300, entry=2_000, total=3_000, ratio=10, comment=True)


def test_whoever_knows_where_an_archive_comes_from_sets_other_bounds() -> None:
    """They are kept as the others are; those for mail do not move."""
    many = zips.zipped({f"D{number}": b"" for number in range(201)}, method=zipfile.ZIP_STORED)
    assert len(safe_unzip(many, replace(WIDE, archive=30_000))) == 201
    for bounds, rule in (
        ({"archive": 100}, "GRD-ZIP-001"),
        ({"entries": 2}, "GRD-ZIP-005"),
        ({"entry": 6}, "GRD-ZIP-012"),
        ({"total": 10}, "GRD-ZIP-013"),
    ):
        with pytest.raises(Stopped) as caught:
            safe_unzip(zips.zipped(zips.PLAIN), replace(WIDE, **bounds))
        assert caught.value.rule.id == rule
    assert MAIL.comment is False


def test_only_what_is_wanted_is_unpacked_and_weighed() -> None:
    """What is not wanted may be as large as it likes, and broken; no rule about places and names is spared."""
    entries = {"A.XML": b"a", "BIG": bytes(1_000_000), "C.XML": b"c"}
    files = safe_unzip(zips.zipped(entries), WIDE, wanted=lambda path: path.endswith(".XML"))
    assert content_of(files) == {"A.XML": b"a", "C.XML": b"c"}
    for attack in ("path traversal", "overlapping", "same name twice", "hidden entry"):
        with pytest.raises(Stopped):
            safe_unzip(zips.ATTACKS[attack][0](), WIDE, wanted=lambda _: False)


@pytest.mark.parametrize("comment", [b"", b"4803b0f7cc14c708c2890e699730d25409292772", b"x" * 65_535])
def test_a_comment_is_let_pass_where_one_may_be(comment: bytes) -> None:
    """One that has the length it says, and nothing behind it."""
    content = zips.zipped(zips.PLAIN)[:-2] + len(comment).to_bytes(2, "little") + comment
    bounds = replace(WIDE, archive=100_000)
    assert content_of(safe_unzip(content, bounds)) == zips.PLAIN
    for wrong in (content + b"x", content[:-1], content + zips.zipped({})):
        with pytest.raises(Stopped):
            safe_unzip(wrong, bounds)


def test_a_password_is_seen_without_opening() -> None:
    """For archives that are not IHE XDM and only counted (SD-14)."""
    assert is_encrypted(zips.ATTACKS["encrypted"][0]())
    assert not is_encrypted(zips.zipped(zips.PLAIN))
    assert not is_encrypted(b"")


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_stopped(content: bytes) -> None:
    """Files, or Stopped; nothing else."""
    opened(content)


names = st.text(st.sampled_from("AB/.\\ a:\0é"), max_size=8)
archives = st.lists(st.tuples(names, st.binary(max_size=300)), max_size=4).map(zips.zipped)
changes = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4)


@given(archives, changes, st.integers(0, 600) | st.none())
def test_an_archive_damaged_anywhere_is_read_alike_or_stopped(
    content: bytes, damage: list[tuple[int, int]], cut: int | None
) -> None:
    """What we read, zipfile reads too, with the same octets under the same plain names."""
    octets = bytearray(content)
    for at, value in damage:
        if at < len(octets):
            octets[at] = value
    files = opened(bytes(octets[:cut]))
    if files:
        with zipfile.ZipFile(io.BytesIO(bytes(octets[:cut]))) as archive:
            theirs = [archive.read(each) for each in archive.infolist() if not each.is_dir()]
        assert [file.content for file in files] == theirs
        assert all(is_plain(file.path) for file in files)


def opened(content: bytes) -> tuple[Entry, ...]:
    try:
        return safe_unzip(content)
    except Stopped:
        return ()

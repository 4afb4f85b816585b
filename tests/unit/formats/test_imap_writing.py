"""What we say to IMAP servers: nothing in it can become a second command."""

import base64
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.imap_writing import (
    Unwritable,
    batches,
    day,
    flag_list,
    folder,
    folder_name,
    moment,
    quoted,
    read_moment,
    uid_set,
)
from mssgw.formats.letter_id import MalformedLetterId, letter_id_field, letter_id_of

MARCH = datetime(2026, 3, 7, 9, 5, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


def as_a_server_reads(name: str) -> str:
    """A folder name out of its quotation marks and modified UTF-7."""
    plain = re.sub(r"\\(.)", r"\1", name[1:-1])
    return re.sub(r"&([^-]*)-", lambda found: decoded(found[1]) if found[1] else "&", plain)


def decoded(base: str) -> str:
    return base64.b64decode(base + "=" * (-len(base) % 4), altchars=b"+,").decode("utf-16-be")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_folders_of_every_language(name: str) -> None:
    """ASCII on the wire, and the same name there."""
    written = folder(name)
    assert written.isascii()
    assert as_a_server_reads(written) == name


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_a_folder_that_is_listed_is_one_that_can_be_opened(name: str) -> None:
    listed = re.sub(r"\\(.)", r"\1", folder(name)[1:-1])
    assert folder_name(listed.encode()) == name


@given(st.binary(max_size=40) | st.text("&-,A+é", max_size=20).map(str.encode))
def test_names_of_any_octets_are_read_or_left_alone(written: bytes) -> None:
    """What is read is written again as it was."""
    name = folder_name(written)
    assert name is None or folder(name) == quoted(written.decode())


def test_folders_as_other_programs_write_them() -> None:
    """The examples of RFC 3501, and ours."""
    assert folder("~peter/mail/台北/日本語") == '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'
    assert folder('Reçus & "lus"') == r'"Re&AOc-us &- \"lus\""'


@pytest.mark.parametrize("name", ["", "a\r\nA1 LOGOUT", "a\0", "\ud800", "a\x7f"])
def test_names_that_imap_cannot_write(name: str) -> None:
    """A line end would begin a command of somebody else's."""
    with pytest.raises(Unwritable):
        folder(name)


@pytest.mark.parametrize("text", ["a\nb", "mot de passe é"])
def test_texts_that_cannot_be_quoted(text: str) -> None:
    with pytest.raises(Unwritable):
        quoted(text)


@pytest.mark.parametrize("flag", ["", "a b", "(", "\\", "a\r\n", "é"])
def test_flags_are_words(flag: str) -> None:
    with pytest.raises(Unwritable):
        flag_list([flag])
    assert flag_list(["\\Seen", "$MDNSent"]) == r"($MDNSent \Seen)"


@given(st.sets(st.integers(1, 60)))
def test_sets_say_each_uid_once(uids: set[int]) -> None:
    """In runs."""
    said = [each.split(":") for batch in batches(uids) for each in uid_set(batch).split(",")]
    assert [uid for run in said for uid in range(int(run[0]), int(run[-1]) + 1)] == sorted(uids)


def test_no_command_has_more_than_two_hundred() -> None:
    """Finding 13."""
    assert list(map(len, batches(range(1, 451)))) == [200, 200, 50]


def test_dates_are_english_whatever_the_locale() -> None:
    """And the time zone is kept."""
    assert day(MARCH) == "7-Mar-2026"
    assert moment(MARCH) == '" 7-Mar-2026 09:05:01 -0330"'


@pytest.mark.parametrize(
    "text", [" 7-Mar-2026 09:05:01 -0330", "07-mar-2026 12:35:01 +0000", "7-Mar-2026 12:35:01 +0000"]
)
def test_dates_are_read_as_servers_write_them(text: str) -> None:
    found = read_moment(text)
    assert found is not None
    assert found.astimezone(UTC) == MARCH.astimezone(UTC)


@pytest.mark.parametrize(
    "text", ["", "31-Feb-2026 09:05:01 +0000", "7-Mrz-2026 09:05:01 +0000", "7-Mar-2026 99:99:99 +0000"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_moment(text) is None


class TestLetterId:
    def test_ours_is_on_top(self) -> None:
        """What came with the letter stands below, and counts for nothing."""
        header = letter_id_field("Q1.0") + b"X-Mssgw-Id: forged\r\n"
        assert letter_id_of(header) == "Q1.0"
        assert letter_id_of(b"Return-Path: <>\r\nx-mssgw-ID: Q2\r\n\r\n") == "Q2"

    @pytest.mark.parametrize("header", [b"", b"\r\n", b"Subject: X-Mssgw-Id: Q1\r\n", b"X-Mssgw-Id: a b\r\n"])
    def test_no_id_is_none(self, header: bytes) -> None:
        assert letter_id_of(header) is None

    @pytest.mark.parametrize("letter_id", ["", "a b", "a\r\nb", "é", "a" * 101])
    def test_an_id_fits_into_a_header(self, letter_id: str) -> None:
        with pytest.raises(MalformedLetterId):
            letter_id_field(letter_id)

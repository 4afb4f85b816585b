"""Dates and times of HL7."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.formats.cda import moments


@pytest.mark.parametrize(
    ("text", "earliest", "pieces"),
    [
        ("2025", datetime(2025, 1, 1, tzinfo=UTC), 1),
        ("202502", datetime(2025, 2, 1, tzinfo=UTC), 2),
        ("20250204", datetime(2025, 2, 4, tzinfo=UTC), 3),
        ("202502041605+0100", datetime(2025, 2, 4, 15, 5, tzinfo=UTC), 5),
        ("20250204160530.1234-0430", datetime(2025, 2, 4, 20, 35, 30, tzinfo=UTC), 6),
        ("20240229", datetime(2024, 2, 29, tzinfo=UTC), 3),
    ],
)
def test_a_moment_is_read_as_far_as_it_is_told(text: str, earliest: datetime, pieces: int) -> None:
    """In UTC when no zone is told."""
    read = moments.read(text)
    assert read is not None
    assert (read.earliest, read.pieces, read.zoned) == (earliest, pieces, text[-5:-4] in ("+", "-"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "0000", "00010101+1400", "99991231235959-1400", "20250229", "20251301", "20250204240000"),
        *("202502041605+010", "202502041605+0160", "202502041605+1500", "20250204T1605", "2025020416:05"),
        *("2025-02-04", "٢٠٢٥", "2025 "),
    ],
)
def test_what_no_calendar_has_is_no_moment(text: str) -> None:
    """Neither is what is written otherwise."""
    assert moments.read(text) is None


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.integers(-14 * 60, 14 * 60),
)
def test_what_we_write_is_read_back(moment: datetime, zone: int) -> None:
    """To the second."""
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=zone)))
    read = moments.read(f"{moment.year:04d}{moment:%m%d%H%M%S%z}")
    assert read is not None
    assert read.earliest == moment


@given(st.text(max_size=30))
def test_any_text_is_judged(text: str) -> None:
    """No crash."""
    moments.read(text)
    moments.is_partial(text)

"""The search for planted canaries finds them, or the silence of the whole test run would prove nothing."""

import base64
import json
from pathlib import Path

import pytest

from tests.canaries import DOCTOR_NAME, FILE_NAMES, MATRICULES, SUBJECTS, assert_no_leak, leaks

CORSICAN = MATRICULES[2]


@pytest.mark.parametrize(
    "written",
    [
        f"to=<{CORSICAN}@patient.mssante.fr>".encode(),
        f"to=<{CORSICAN.lower()}@patient.mssante.fr>".encode(),
        json.dumps({"from": DOCTOR_NAME}).encode(),
        DOCTOR_NAME.upper().encode(),
        repr(DOCTOR_NAME.encode()).encode(),
        DOCTOR_NAME.encode("latin-1"),
        b"\x00\xff" + SUBJECTS[1].encode() + b"\x00",
        *(base64.b64encode(b"x" * shift + FILE_NAMES[0].encode() + b"yz") for shift in range(3)),
    ],
)
def test_a_canary_is_found_however_it_was_written(written: bytes) -> None:
    """In any case, JSON-escaped, as a Python repr, in Latin-1, inside base64."""
    assert leaks(b"before " * 50 + written + b" after" * 50)


def test_ordinary_log_lines_hold_no_canary() -> None:
    """Or every run would fail."""
    assert not leaks(b'{"event": "letter.accepted", "id": "01K9ZC7M2Q", "to": "k1:9f8e7d", "size": 10485760}' * 100)


def test_a_leak_in_one_file_of_many_fails_by_name(tmp_path: Path) -> None:
    """The failure names the file, for that is where to look."""
    clean, dirty = tmp_path / "clean.db", tmp_path / "dirty.db-wal"
    clean.write_bytes(b"\x00" * 4_096)
    dirty.write_bytes(b"\x00" * 4_096 + CORSICAN.encode())
    assert_no_leak([clean, tmp_path / "absent"])
    with pytest.raises(AssertionError, match=r"dirty\.db-wal holds in clear"):
        assert_no_leak([clean, dirty])

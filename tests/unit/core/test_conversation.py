"""Who may write to whom: the table is the documentation."""

import pytest

from mssgw.core.conversation import TRANSITIONS, Event, State, after, table
from mssgw.core.errors import IllegalMove

ABSENT, OPEN, CLOSED = State
WROTE, CLOSES, PATIENT_OPENS, PATIENT_WRITES = Event


@pytest.mark.parametrize(
    ("state", "event", "then"),
    [
        (ABSENT, WROTE, OPEN),
        (OPEN, WROTE, OPEN),
        (CLOSED, WROTE, OPEN),  # FIN-5
        (ABSENT, CLOSES, CLOSED),  # a one-way result (SD-2)
        (OPEN, CLOSES, CLOSED),  # FIN-1
        (CLOSED, CLOSES, CLOSED),
        (ABSENT, PATIENT_OPENS, OPEN),  # WHO-3
        (OPEN, PATIENT_OPENS, OPEN),
        (CLOSED, PATIENT_OPENS, OPEN),  # FIN-6
        (OPEN, PATIENT_WRITES, OPEN),  # WHO-2
    ],
)
def test_what_follows_what(state, event, then):
    assert after(state, event) is then


@pytest.mark.parametrize("state", [ABSENT, CLOSED])
def test_a_patient_writes_only_where_a_professional_opened(state):
    """WHO-2, FIN-7; the error names state and event."""
    with pytest.raises(IllegalMove, match=f"patient-wrote while {state}"):
        after(state, PATIENT_WRITES)


def test_the_table_holds_nothing_else():
    assert len(TRANSITIONS) == 10


def test_the_table_prints_as_markdown():
    assert table().splitlines() == [
        "| state | professional-wrote | professional-closed | patient-opened | patient-wrote |",
        "|---|---|---|---|---|",
        "| absent | open | closed | open | refused |",
        "| open | open | closed | open | open |",
        "| closed | open | closed | open | refused |",
    ]

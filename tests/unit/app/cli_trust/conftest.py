from pathlib import Path

import pytest

from tests.unit.app.cli_trust.place import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture
def kept(place: Place) -> Place:
    """Where list and CRLs were fetched."""
    place.run("refresh")
    return place

import pytest

from tests.unit.flow.delivering.office import Office


@pytest.fixture
def office() -> Office:
    return Office()

"""Mail stores of two makes, for whoever asks for one."""

from collections.abc import Iterator

import pytest

from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.pymap import PymapStore


@pytest.fixture(scope="module")
def dovecot_store() -> Iterator[DovecotStore]:
    """One for all tests of a module; each takes a mailbox of its own."""
    dovecot.required()
    with DovecotStore() as server:
        yield server


@pytest.fixture(scope="module")
def pymap_store() -> Iterator[PymapStore]:
    """The same."""
    with PymapStore() as server:
        yield server

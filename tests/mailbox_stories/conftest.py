"""One Dovecot and one pymap for all of these stories, a gateway for each: every story is told on both."""

from collections.abc import Iterator

import pytest

from tests.mailbox_stories.elsewhere import Elsewhere, Hook
from tests.mailbox_stories.house import House
from tests.peers import dovecot
from tests.peers.dovecot import DovecotStore
from tests.peers.mail_store import MailStore
from tests.peers.pymap import PymapStore


def _dovecot() -> MailStore:
    dovecot.required()
    return DovecotStore()


@pytest.fixture(scope="package", params=[_dovecot, PymapStore], ids=["dovecot", "pymap"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with request.param() as server, Elsewhere() as elsewhere, Hook(server.chain, server.key) as hook:
        made = House(server, elsewhere, hook)
        with made.gateway:
            yield made

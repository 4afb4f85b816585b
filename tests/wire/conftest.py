"""Certificates for dialogues over TLS."""

import ssl

import pytest

from mssgw.edges.tls import server_context
from tests.pki import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def ours(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The context of our listeners."""
    return server_context(authority.issue(tmp_path_factory.mktemp("pki"), "localhost", "127.0.0.1"))


@pytest.fixture
def trust(authority: Authority) -> ssl.SSLContext:
    """The context of a client that trusts our authority."""
    return authority.trusting_context()

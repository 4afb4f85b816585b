import pytest

from tests import pki
from tests.trust.courier import MX, THEIRS
from tests.trust.outbound.rows import named
from tests.trust.real import RealTrust


@pytest.fixture(scope="module")
def space() -> pki.TrustSpace:
    return pki.TrustSpace()


@pytest.fixture(scope="module")
def honest(space: pki.TrustSpace) -> pki.Identity:
    """The operator of THEIRS, on the host that its MX names."""
    return space.operator(MX)


@pytest.fixture
def trust(space: pki.TrustSpace) -> RealTrust:
    return RealTrust(space, {THEIRS: {named(MX)}, "autre.mssante.fr": {named("mx.autre.fr")}})

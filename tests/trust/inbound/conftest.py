import pytest

from tests.pki import TrustSpace
from tests.trust.gate import dn, twin
from tests.trust.inbound.rows import FOREIGN, HOST, OPERATOR, OTHER
from tests.trust.twin import TrustTwin


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
def trust() -> TrustTwin:
    """One operator with a domain of its own, another with another; both speak for one."""
    return twin({OPERATOR: [dn(HOST)], FOREIGN: [dn(OTHER)], "commun.mssante.fr": [dn(HOST), dn(OTHER)]})

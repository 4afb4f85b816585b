import pytest

from tests.pki import TrustSpace
from tests.unit.edges.crls.node import World


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
async def world(space, tmp_path) -> World:
    world = World(space, tmp_path)
    await world.poll()
    assert world.heard.take() == [("trust.crl_taken", False)] * 2
    return world

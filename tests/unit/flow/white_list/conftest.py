import pytest

from tests.unit.flow.white_list.node import Node


@pytest.fixture
def node() -> Node:
    return Node()

"""The contract of ports.LeaseBook: who does what one node does for all."""

from datetime import timedelta

from mssgw.core.delivery import Lease
from mssgw.ports import LeaseBook
from tests.contract.letters import Place


def book_of(place: Place) -> LeaseBook:
    return place.store  # type: ignore[return-value]


async def hold(place: Place, node: str, *names: str, life: str = "1", minutes: float = 1) -> set[str]:
    now = place.clock.now()
    lease = Lease(token=f"{node}.{life}", until=now + timedelta(minutes=minutes))
    return set(await book_of(place).take_leases(names, lease, node=node, now=now))


async def test_one_node_at_a_time_holds_a_name(place: Place) -> None:
    assert await hold(place, "a", "officine", "accueil") == {"officine", "accueil"}
    assert await hold(place, "b", "officine", "pharmacie") == {"pharmacie"}
    assert await hold(place, "a", "officine", "pharmacie") == {"officine"}


async def test_a_lease_lapses_when_it_is_not_renewed(place: Place) -> None:
    await hold(place, "a", "officine")
    place.clock.pass_(seconds=59)
    assert await hold(place, "b", "officine") == set()
    place.clock.pass_(seconds=1)
    assert await hold(place, "b", "officine") == {"officine"}
    assert await hold(place, "a", "officine") == set()


async def test_a_node_that_was_started_again_waits_for_nobody(place: Place) -> None:
    """What its earlier incarnation held is its own; what a node of a longer name holds is not."""
    await hold(place, "a", "officine")
    await hold(place, "a.b", "accueil")
    assert await hold(place, "a", "officine", "accueil", life="2") == {"officine"}


async def test_what_is_given_up_is_free_at_once(place: Place) -> None:
    await hold(place, "a", "officine")
    await hold(place, "b", "accueil")
    await book_of(place).leave_leases("a.1")
    assert await hold(place, "c", "officine", "accueil") == {"officine"}

"""Whether a message may come in now: what all listeners of a process share, above all its memory.

A letter in DATA takes a place from before the 354 until its fate is known. Without a free place the peer waits for its
354, so that a flood makes senders slower instead of the process bigger.

Places are shared fairly, first among clients and then among the addresses of one client: a free place goes to who has
the fewest. One client alone may have all of them; as soon as another waits in vain, it gives some back.
"""

import asyncio
from collections import Counter
from typing import Protocol

from mssgw.core.replies import Reply

# What one letter in DATA may hold at once besides its hot copy: the buffer that the transport fills, the chunk and
# its decoded form, and the segments on their way to the disk.
PLACE = 1_572_864
PATIENCE = 60.0  # seconds; RFC 5321 section 4.5.3.2.4: clients wait two minutes for the 354
COURTESY = 5.0  # seconds that others have to come to their end before one of them is cut
SLOW = 6_000  # octets a second: 10 MiB in half an hour. A client's only letter is cut below this, and not above
MEMORY_IS_SHORT = Reply(451, "4.3.2", "Passerelle tres chargee, reessayez plus tard")


class Refused(Exception):
    """No message may come in now; ``reply`` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class Transfer(Protocol):
    """A letter that is being received (smtpd_receiver.DataReceiver)."""

    @property
    def rate(self) -> float:
        """Octets a second since it began."""

    def cut(self) -> None:
        """Give way to somebody who waits; the place is free soon after."""


class Place:
    """One letter's place, held while an ``async with`` block runs, or its turn to get one: see Intake.place().

    ``transfer``: what may be cut, None while nothing may. ``turn``: of who has to wait.
    """

    turn: "asyncio.Future[None]"

    def __init__(self, intake: "Intake", client: str, peer: str) -> None:
        self._intake, self.client, self.peer = intake, client, peer
        self.transfer: Transfer | None = None
        self.since, self.leaving = 0.0, False

    async def __aenter__(self) -> "Place":
        await self._intake.enter(self)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._intake.leave(self)


class Intake:
    """``refusal``: what DATA is answered while nothing can be taken (disk reserve), None as a rule."""

    def __init__(
        self, *, memory: int = 128 * 1024 * 1024, patience: float = PATIENCE, courtesy: float = COURTESY
    ) -> None:
        """``memory``: octets for letters in DATA, all listeners together; one letter always fits."""
        self.refusal: Reply | None = None
        self.places = max(1, memory // PLACE)
        self._patience, self._courtesy = patience, courtesy
        self._held: set[Place] = set()
        self._waiting: list[Place] = []

    @property
    def taken(self) -> int:
        """How many letters are in DATA."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many peers wait for their 354."""
        return len(self._waiting)

    def place(self, client: str, peer: str) -> Place:
        """Hold a place while the block runs. Raises Refused when there is none for too long, or for any letter.

        ``client``: its configured name, ``peer``: the address that it speaks from.
        """
        return Place(self, client, peer)

    async def enter(self, place: Place) -> None:
        """Take it, or wait for it."""
        if self.refusal is not None:
            raise Refused(self.refusal)
        if self.taken >= self.places or self._waiting:
            await self._wait(place)
        else:
            self._give(place)

    async def _wait(self, place: Place) -> None:
        """Wait until somebody passes a place on; it is ours then."""
        place.turn = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._patience):
                while not (await asyncio.wait((place.turn,), timeout=self._courtesy))[0]:
                    self._make_room_for(place)
        except BaseException as error:
            if place in self._held:
                self.leave(place)  # the place came in the moment we gave up
            else:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Refused(MEMORY_IS_SHORT) from None
            raise

    def _give(self, place: Place) -> None:
        self._held.add(place)
        place.since = asyncio.get_running_loop().time()

    def leave(self, place: Place) -> None:
        """Pass it on to who has the fewest; among equals, to who came first."""
        self._held.remove(place)
        if self._waiting:
            held = self._shares()
            following = min(self._waiting, key=lambda each: (held[each.client], held[each.client, each.peer]))
            self._waiting.remove(following)
            self._give(following)
            following.turn.set_result(None)

    def _make_room_for(self, place: Place) -> None:
        """Cut the slowest letter of those who have more than their share, if there is one."""
        held, now = self._shares(), asyncio.get_running_loop().time()
        slowest, least = None, float("inf")
        for each in self._held:
            if each.transfer is None or each.leaving or now - each.since < self._courtesy:
                continue
            rate = each.transfer.rate
            if rate < least and _gives_way(each, place, held, slow=rate < SLOW):
                slowest, least = each, rate
        if slowest is not None and slowest.transfer is not None:
            slowest.leaving = True
            slowest.transfer.cut()

    def _shares(self) -> "Counter[str | tuple[str, str]]":
        """How many places each client has, and each of its addresses."""
        staying = [each for each in self._held if not each.leaving]
        return Counter(share for each in staying for share in (each.client, (each.client, each.peer)))


def _gives_way(one: Place, other: Place, held: "Counter[str | tuple[str, str]]", *, slow: bool) -> bool:
    """Whether a place is shared more fairly when it passes from one to the other; never back and forth."""
    if one.client != other.client:
        has, wants = held[one.client], held[other.client]
    else:
        has, wants = held[one.client, one.peer], held[other.client, other.peer]
    return has - wants >= 2 or (slow and (has, wants) == (1, 0))

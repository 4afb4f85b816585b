"""kill -9 at random moments under load: nothing is lost after a 250, and nothing comes twice but around a kill."""

import asyncio
import dataclasses
import random
from collections.abc import Iterator, Mapping

import pytest

from tests.crash.client import Promises, keep_sending
from tests.crash.judge import judge
from tests.crash.letters import LARGE, SMALL, CrashLetter, Letters
from tests.crash.next_hop import Arrival, NextHop
from tests.peers.gateway import GatewayProcess, Hops

CLIENTS = 12
QUIET = {"log": {"level": "info", "format": "json"}}


async def test_five_kills_lose_nothing(seed: int) -> None:
    """400 letters of 20 kB, 40 of 300 kB."""
    await storm(seed, kills=5, small=400, large=40)


@pytest.mark.soak
async def test_fifty_kills_lose_nothing(seed: int) -> None:
    """5,000 letters of 20 kB, 500 of 300 kB."""
    await storm(seed, kills=50, small=5_000, large=500)


async def storm(seed: int, *, kills: int, small: int, large: int) -> None:
    """Load from 12 clients, kills at random moments of it, a restart after each; then the verdict."""
    dice, promises, killed = random.Random(seed), Promises(), list[float]()
    moments = {at: asyncio.Event() for at in dice.sample(range((small + large) * 9 // 10), kills)}
    letters = mixed(Letters(seed), dice, moments, small=small, large=large)
    async with NextHop(pause=0.02).listening() as hop:
        with GatewayProcess(Hops(operators=hop.port), settings=QUIET) as gateway:
            async with asyncio.TaskGroup() as load:
                for _ in range(CLIENTS):
                    load.create_task(keep_sending(gateway.port, letters, promises))
                for moment in sorted(moments):
                    await moments[moment].wait()
                    await asyncio.sleep(dice.random() * 0.05)
                    killed.append(await asyncio.to_thread(gateway.kill))
                    await asyncio.sleep(dice.choice((0, 0, 0.2)))
                    await asyncio.to_thread(gateway.start)
            await hop.wait_for(set(promises.accepted), limit=60)
            await asyncio.to_thread(gateway.wait_until_nothing_waits)
            log = gateway.log()
    again = judge(promises, hop.arrivals, kills=killed, log=log)
    assert len(killed) == len(moments)
    assert not promises.refused, f"a kill is no reason to refuse: {list(promises.refused.values())[:3]}"
    assert len(promises.accepted) > (small + large) / 2, "the load was too thin to prove anything"
    print(
        f"{len(promises.accepted)} accepted, {len(promises.in_doubt)} in doubt, {again} came again, {len(killed)} kills"
    )


def mixed(
    letters: Letters, dice: random.Random, moments: Mapping[int, asyncio.Event], *, small: int, large: int
) -> Iterator[CrashLetter]:
    """The load, shuffled; the n-th letter sets the event of that number."""
    sizes = [SMALL] * small + [LARGE] * large
    dice.shuffle(sizes)
    for number, size in enumerate(sizes):
        if number in moments:
            moments[number].set()
        yield letters.make(size)


class TestTheJudge:
    """The proof can fail."""

    letter = Letters(1).make()
    arrived = Arrival(
        opened=99.0,
        at=100.0,
        payload_id=letter.payload_id,
        message_id=letter.message_id,
        queue_id="Q",
        digest=letter.digest,
    )
    log = '{"ts":"1970-01-01T00:01:41.000Z","event":"delivery.delivered","queue_id":"Q"}\n{"ts":"1970'

    def promises(self) -> Promises:
        return Promises(letters={self.letter.payload_id: self.letter}, accepted={self.letter.payload_id: "Q"})

    def copy(self, **changes: object) -> Arrival:
        return dataclasses.replace(self.arrived, **changes)  # type: ignore[arg-type]

    def test_it_is_content_with_one_whole_copy(self) -> None:
        assert judge(self.promises(), [self.arrived], kills=[], log=self.log) == 0

    def test_it_forgives_a_second_copy_of_a_letter_in_flight_at_a_kill(self) -> None:
        assert judge(self.promises(), [self.arrived, self.copy(opened=102.0, at=103.0)], kills=[100.5]) == 1

    @pytest.mark.parametrize(
        ("arrivals", "log", "why"),
        [
            ([], "", "did not arrive"),
            ([{"digest": "another"}], "", "in part"),
            ([{"queue_id": "R"}], "", "promised as Q"),
            ([{"message_id": "<other@x>"}], "", "another Message-ID"),
            ([{"payload_id": "unknown"}, {}], "", "never sent"),
            ([{}, {"at": 100.2}], "", "without a kill"),
            ([{}, {"opened": 102.0, "at": 103.0}], log, "noted as delivered"),
            ([{}, {"opened": 102.0, "at": 103.0, "queue_id": "R"}], "", "promised as Q"),
        ],
    )
    def test_it_notices(self, arrivals: list[dict[str, object]], log: str, why: str) -> None:
        with pytest.raises(AssertionError, match=why):
            judge(self.promises(), [self.copy(**each) for each in arrivals], kills=[100.5], log=log)


async def test_a_letter_that_was_refused_and_arrives_all_the_same_is_noticed() -> None:
    """The sender tries again: it would come twice, under two queue ids."""
    came = TestTheJudge.arrived
    promises = Promises(letters={came.payload_id: TestTheJudge.letter}, refused={came.payload_id: "451 4.3.0 later"})
    with pytest.raises(AssertionError, match="were refused"):
        judge(promises, [came], kills=[])

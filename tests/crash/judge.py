"""The verdict of a run: what was promised against what arrived."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from tests.crash.client import Promises
from tests.crash.next_hop import Arrival

# Seconds that a connection may wait in the next hop's backlog when its gateway is killed; a new one starts for longer.
_ACCEPTED_LATE = 0.1


def judge(promises: Promises, arrivals: Sequence[Arrival], *, kills: Sequence[float], log: str = "") -> int:
    """Nothing lost, nothing half, and no second copy but of a letter in flight at a kill. Returns the second copies.

    ``kills``: when, in seconds since the epoch. ``log``: the gateway's; a letter that it wrote off as delivered was
    in flight no more.
    """
    by_letter: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_letter[arrival.payload_id].append(arrival)
    lost = sorted(promises.accepted.keys() - by_letter.keys())
    assert not lost, f"{len(lost)} letters with a 250 did not arrive: {lost[:5]}"
    uncalled = sorted(by_letter.keys() - promises.accepted.keys() - promises.in_doubt)
    assert not uncalled, f"letters arrived that were refused, or never sent: {uncalled[:5]}"
    written_off = delivered(log)
    for payload_id, copies in by_letter.items():
        letter = promises.letters[payload_id]
        assert {copy.digest for copy in copies} == {letter.digest}, f"{payload_id} arrived changed, or in part"
        assert {copy.message_id for copy in copies} == {letter.message_id}, f"{payload_id} has another Message-ID"
        queue_ids = {copy.queue_id for copy in copies}
        promised = promises.accepted.get(payload_id, copies[0].queue_id)
        assert queue_ids == {promised}, f"{payload_id} arrived as {queue_ids}, and was promised as {promised}"
        _judge_copies(copies, kills, written_off)
    return sum(len(copies) - 1 for copies in by_letter.values())


def _judge_copies(copies: list[Arrival], kills: Sequence[float], written_off: dict[str, float]) -> None:
    """No connection outlives a kill: two copies came over one from before it and one from after it."""
    copies.sort(key=lambda copy: copy.at)
    for first, second in pairwise(copies):
        between = [kill for kill in kills if first.opened <= kill + _ACCEPTED_LATE and kill <= second.opened]
        assert between, f"{first.payload_id} came again without a kill in between"
        noted = written_off.get(first.queue_id)
        assert noted is None or noted > second.at, f"{first.payload_id} came again after it was noted as delivered"


def delivered(log: str) -> dict[str, float]:
    """Queue id to the first moment at which the gateway's log says delivered: its commit was done by then."""
    found: dict[str, float] = {}
    for event in events(log):
        if event.get("event") == "delivery.delivered":
            found.setdefault(event["queue_id"], datetime.fromisoformat(event["ts"]).timestamp())
    return found


def events(log: str) -> Iterable[dict[str, str]]:
    """The whole lines of a JSON log; a kill may cut one off."""
    for line in log.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue

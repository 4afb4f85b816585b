"""kill -9 at random moments while letters are put into a real mailbox: none is lost, none lies there twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.crash.client import Promises, keep_sending
from tests.crash.judge import events
from tests.crash.letters import CrashLetter, Letters
from tests.crash.test_kills import mixed
from tests.peers.gateway import GatewayProcess, Hops
from tests.peers.mail_store import HOST, PASSWORD, MailStore
from tests.peers.ports import free_port

MAILBOX = "officine@ch-test.mssante.fr"
FOLDER = "Recus"


@pytest.fixture(params=["dovecot", "pymap"])
def mail_store(request: pytest.FixtureRequest) -> MailStore:
    store: MailStore = request.getfixturevalue(f"{request.param}_store")
    return store


async def test_three_kills_lose_and_double_nothing(seed: int, mail_store: MailStore) -> None:
    """100 letters of 20 kB, 5 of 300 kB."""
    await storm(seed, mail_store, kills=3, small=100, large=5)


@pytest.mark.soak
async def test_twenty_kills_lose_and_double_nothing(seed: int, mail_store: MailStore) -> None:
    """475 letters of 20 kB, 25 of 300 kB."""
    await storm(seed, mail_store, kills=20, small=475, large=25)


async def storm(seed: int, mail_store: MailStore, *, kills: int, small: int, large: int) -> None:
    """Load from 6 clients, kills at random moments of it, a restart after each; then the mailbox is looked into."""
    dice, promises, account = random.Random(seed), Promises(), mail_store.fresh()
    moments = {at: asyncio.Event() for at in dice.sample(range((small + large) * 9 // 10), kills)}
    letters = to_the_mailbox(mixed(Letters(seed), dice, moments, small=small, large=large))
    with gateway(mail_store, account) as running:
        async with asyncio.TaskGroup() as load:
            for _ in range(6):
                load.create_task(keep_sending(running.port, letters, promises))
            for moment in sorted(moments):
                await moments[moment].wait()
                await asyncio.sleep(dice.random() * 0.05)
                await asyncio.to_thread(running.kill)
                await asyncio.sleep(dice.choice((0, 0, 0.2)))
                await asyncio.to_thread(running.start)
        await asyncio.to_thread(running.wait_until_nothing_waits)
        log = running.log()
    lying = await asyncio.to_thread(mail_store.letters, account, FOLDER)
    verdict(promises, lying)
    assert not promises.refused, f"a kill is no reason to refuse: {list(promises.refused.values())[:3]}"
    assert len(promises.accepted) > (small + large) / 2, "the load was too thin to prove anything"
    found = sum(event.get("event") == "delivery.found_again" for event in events(log))
    print(f"{len(promises.accepted)} accepted, {len(promises.in_doubt)} in doubt, {found} found again, {kills} kills")


def verdict(promises: Promises, lying: list[bytes]) -> None:
    """What got a 250 lies in the mailbox, once and whole; what is in doubt at most once; and nothing else."""
    counted = Counter(payload_id_of(each) for each in lying)
    lost = promises.accepted.keys() - counted.keys()
    assert not lost, f"{len(lost)} letters are lost: {sorted(lost)[:5]}"
    twice = [payload_id for payload_id, times in counted.items() if times > 1]
    assert not twice, f"{len(twice)} letters lie there twice: {sorted(twice)[:5]}"
    unknown = counted.keys() - promises.accepted.keys() - promises.in_doubt
    assert not unknown, f"letters that were refused, or never sent: {sorted(unknown)[:5]}"
    for each in lying:
        assert each.endswith(promises.letters[payload_id_of(each)].content), "a letter was changed, or came in part"
        assert each.startswith(b"X-Mssgw-Id: ")


def test_the_verdict_can_fail() -> None:
    """Lost, doubled, cut off, or never sent."""
    letter = Letters(1).make()
    promises = Promises(letters={letter.payload_id: letter}, accepted={letter.payload_id: "Q"})
    whole = b"X-Mssgw-Id: Q.0\r\n" + letter.content
    verdict(promises, [whole])
    for lying, why in [([], "lost"), ([whole, whole], "twice"), ([whole[:-9]], "changed")]:
        with pytest.raises(AssertionError, match=why):
            verdict(promises, lying)
    with pytest.raises(AssertionError, match="never sent"):
        verdict(promises, [whole, Letters(2).make().content])


def payload_id_of(letter: bytes) -> str:
    return letter.partition(b"X-Payload-Id: ")[2].partition(b"\r\n")[0].decode()


def to_the_mailbox(letters: Iterator[CrashLetter]) -> Iterator[CrashLetter]:
    return (replace(each, recipient=MAILBOX) for each in letters)


def gateway(mail_store: MailStore, account: str) -> GatewayProcess:
    """Delivers into that account."""
    secret = mail_store.home / "bal.password"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    secret.chmod(0o600)
    store = {"name": "bals", "host": HOST, "port": mail_store.port, "tls": "starttls"}
    mailbox = {"address": MAILBOX, "kind": "ORG", "mail_store": "bals", "user": account, "folder": FOLDER}
    settings: dict[str, Any] = {
        "log": {"level": "info", "format": "json"},
        "delivery": {"first_retry": "1s", "longest_retry": "2s", "ca_file": str(mail_store.anchors)},
        "mail_store": [store],
        "mailbox": [mailbox | {"password_file": str(secret)}],
    }
    return GatewayProcess(Hops(operators=free_port()), settings=settings)

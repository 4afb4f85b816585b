"""Carrying many letters through a chain of servers, and the proof that each arrived as it left.

The chain is: plain SMTP clients -> the establishment's Postfix -> (a gateway) -> the next hop's Postfix -> files.
"""

import contextlib
import hashlib
import re
import smtplib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from tests.corpus import RECIPIENT_DOMAINS, SENDER, TEN_MO, Letter, letter, letter_of_size
from tests.peers.postfix import Arrived, PostfixInstance

UPSTREAM, NEXT_HOP = "smtp.ch-test.invalid", "mx.operator.invalid"
HELO = "dpi.ch-test.invalid"
_PAYLOAD_ID = re.compile(rb"^X-Payload-Id: (\S+)\r\n", re.MULTILINE)
_NAMED = re.compile(r" ([0-9A-F]+): message-id=<([^@>]+)@")
_CUT_OFF = re.compile(r" ([0-9A-F]+): .*while sending end of data -- message may be sent more than once")
_QUEUE_ID = re.compile(rb"\tby mssgw\.ch-test\.invalid(?: with [A-Z0-9]+)? id ([0-9A-Z]+);\r\n")
_NOTED = re.compile(r'"ts":"([^"]+)"[^\n]*"event":"delivery\.delivered"[^\n]*"queue_id":"([^"]+)"')
_FOR = re.compile(rb"^X-Original-To: (\S+)\r\n", re.MULTILINE)
_RECEIVED_UPSTREAM = re.compile(
    rb"^Received: from " + re.escape(HELO.encode()) + rb"(?:[^\r]|\r\n[\t ])*?by " + re.escape(UPSTREAM.encode()), re.M
)


def next_hop() -> PostfixInstance:
    """The Postfix that delivers all letters of the corpus to files."""
    return PostfixInstance(NEXT_HOP, domains=RECIPIENT_DOMAINS)


def upstream(relay_to: int, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> PostfixInstance:
    """The establishment's Postfix: relays everything to that port, keeps its own domain's mail in files.

    The queue id in its Received field is made one of constant length, so that the octets it adds are known beforehand.
    """
    made = PostfixInstance(UPSTREAM, domains=("ch-test.mssante.fr",), relay_to=relay_to, settings=settings, port=port)
    checks = made.home / "etc/header_checks"
    checks.write_text("/^(Received: from .* id )[0-9A-Za-z]+(.*)$/ REPLACE ${1}000000000000${2}\n")
    with (made.home / "etc/main.cf").open("a") as main:
        main.write(f"header_checks = regexp:{checks}\n")
    return made


@dataclass(frozen=True, slots=True)
class Sent:
    """What is remembered of a letter that upstream took: digests, not the letter itself."""

    recipient: str
    length: int
    digest: bytes  # of the whole content
    body_sha256: str
    at: float
    arrives_as: int | None  # octets that the gateway must have received, where they were meant to be exact


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill -9 of the gateway, and when it was started again: seconds since the epoch."""

    at: float
    back_at: float


@dataclass(frozen=True, slots=True)
class Copy:
    """One arrival of a letter: when, and under which queue id of the gateway."""

    at: float
    queue_id: str


@dataclass(slots=True)
class Carriage:
    """The ledger of one run."""

    sent: dict[str, Sent] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)

    def submit(self, port: int, letters: Iterable[Letter], *, arrives_as: int | None = None) -> None:
        """Hand letters to the server on that port, over one connection. Raises smtplib's errors."""
        with smtplib.SMTP("127.0.0.1", port, local_hostname=HELO, timeout=60) as client:
            for each in letters:
                at = time.time()
                client.sendmail(SENDER, [each.recipient], each.content, mail_options=["BODY=8BITMIME"])
                self.sent[each.payload_id] = Sent(
                    each.recipient,
                    len(each.content),
                    hashlib.sha256(each.content).digest(),
                    each.sha256,
                    at,
                    arrives_as,
                )

    def submit_mixed(self, port: int, *, seed: int, count: int, clients: int = 8) -> None:
        """Submit that many mixed letters over several connections at once; returns when all were taken."""

        def share(number: int) -> None:
            self.submit(port, (letter(seed, index) for index in range(number, count, clients)))

        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(share, number) for number in range(clients)]:
                done.result()

    def measure_added(self, port: int, sink: PostfixInstance) -> int:
        """How many octets upstream adds to a letter of ``submit_exact``: sends a small one through and looks."""
        probe = letter_of_size(0, 0, 2_000)
        before = {each.path for each in sink.arrived()}
        self.submit(port, [probe])
        came = next(each for each in sink.wait_for(len(before) + 1) if each.path not in before)
        return octets_behind_upstream(came.raw()) - len(probe.content)

    def submit_exact(self, port: int, *, index: int, added: int, octets: int = TEN_MO) -> None:
        """Submit a letter that arrives behind upstream with exactly so many octets."""
        self.submit(port, [letter_of_size(1, index, octets - added)], arrives_as=octets)

    def verify(self, arrived: Iterable[Arrived], *, upstream_log: str = "", gateway_log: str = "") -> None:
        """Fail unless every letter arrived, at its recipient, with every octet; and twice only where a kill excuses it.

        Beyond the SHA-256 of the body, header and body together must stand unchanged below the trace fields. A second
        copy is excused where upstream says that it sent again, having seen no reply, and where the gateway died after
        it had handed the first one on and before it had noted so: its log tells when it noted what.
        """
        copies: dict[str, list[Copy]] = defaultdict(list)
        for each in arrived:
            copies[self._verify_one(each)].append(copy_of(each))
        lost = sorted(self.sent.keys() - copies.keys())
        assert not lost, f"{len(lost)} of {len(self.sent)} letters did not arrive: {lost[:10]}"
        sent_again = cut_off_before_the_reply(upstream_log) if self.kills else set()
        noted = noted_as_delivered(gateway_log)
        for payload_id, each_copy in copies.items():
            if len(each_copy) > 1 and payload_id not in sent_again:
                found = [(copy.queue_id, copy.at, noted.get(copy.queue_id)) for copy in each_copy]
                assert self.in_flight_at_a_kill(each_copy, noted), (
                    f"{payload_id} came {len(found)} times (queue id, arrived, noted): {found}, kills: {self.kills}"
                )

    def _verify_one(self, arrived: Arrived) -> str:
        raw = arrived.raw()
        found = _PAYLOAD_ID.search(raw)
        assert found is not None, f"not a letter of the corpus: {raw[:600]!r}"
        payload_id = found[1].decode()
        sent = self.sent[payload_id]
        body = raw.partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(body).hexdigest() == sent.body_sha256, f"the body of {payload_id} changed"
        assert hashlib.sha256(raw[-sent.length :]).digest() == sent.digest, f"the header of {payload_id} changed"
        assert (to := _FOR.search(raw)) is not None
        assert to[1].decode() == sent.recipient, f"{payload_id} went to somebody else"
        if sent.arrives_as is not None:
            assert octets_behind_upstream(raw) == sent.arrives_as
        return payload_id

    def in_flight_at_a_kill(self, copies: list[Copy], noted: Mapping[str, list[float]]) -> bool:
        """Whether each copy but the last of one accepted letter was cut off from its note by a kill of its own."""
        queue_id, first = copies[0].queue_id, copies[0].at
        notes = noted.get(queue_id, [])
        if len(notes) != 1 or any(copy.queue_id != queue_id for copy in copies):
            return False
        between = [kill for kill in self.kills if first <= kill.back_at and kill.at <= notes[0]]
        return len(copies) <= 1 + len(between)


def copy_of(arrived: Arrived) -> Copy:
    """What tells one copy of a letter from another; the queue id is empty where no gateway stood in the chain."""
    found = _QUEUE_ID.search(arrived.raw())
    return Copy(arrived.at, found[1].decode() if found else "")


def noted_as_delivered(gateway_log: str) -> dict[str, list[float]]:
    """When the gateway noted a delivery, by queue id: seconds since the epoch. Each letter has one recipient."""
    noted: dict[str, list[float]] = defaultdict(list)
    for at, queue_id in _NOTED.findall(gateway_log):
        noted[queue_id].append(datetime.fromisoformat(at).timestamp())
    return noted


def cut_off_before_the_reply(log: str) -> set[str]:
    """Payload ids of letters that upstream had sent whole when the connection broke: it says so, and sends again."""
    names = dict(_NAMED.findall(log))
    return {names[queue_id] for queue_id in _CUT_OFF.findall(log) if queue_id in names}


def octets_behind_upstream(raw: bytes) -> int:
    """The octets of an arrived message as upstream sent it: from its Received field on."""
    found = _RECEIVED_UPSTREAM.search(raw)
    assert found is not None, f"no Received field of {UPSTREAM}: {raw[:600]!r}"
    return len(raw) - found.start()


def wait_for_all(sink: PostfixInstance, carriage: Carriage, *, limit: float) -> list[Arrived]:
    """Wait until as many different letters arrived as were sent; after the limit return what there is."""
    end = time.monotonic() + limit
    while len(arrived := sink.arrived()) < len(carriage.sent) or _distinct(arrived) < len(carriage.sent):
        if time.monotonic() > end:
            break  # verify() says which are missing
        time.sleep(0.2)
    return arrived


def _distinct(arrived: list[Arrived]) -> int:
    names = set()
    for each in arrived:
        with each.path.open("rb") as file:
            found = re.search(rb"^X-Payload-Id: (\S+)\n", file.read(16_384), re.M)
            names.add(found[1] if found else each.path.name.encode())
    return len(names)


@contextlib.contextmanager
def in_background(work: Callable[[], None]) -> Iterator[threading.Thread]:
    """Run the work in a thread beside the block; what it raises is raised at the end of the block."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(timeout=600)
    assert not thread.is_alive(), "the submitting clients did not end"
    if errors:
        raise errors[0]

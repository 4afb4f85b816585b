"""What every scene of the demo is made of: a letter is sent, and arrives as it was, or is refused as it should be."""

import hashlib
import time

from demo import people
from demo.bal import Bal
from demo.gateway import Gateway
from demo.mail import Mail
from demo.stage import Stage
from demo.standin import Received, Standin
from demo.submission import Answer
from demo.submission import Stage as Where
from demo.timeline import Timeline

ARRIVAL = 10.0  # seconds a letter may take


class Acting:
    """Sends letters on the ``stage``, and tells the ``timeline`` what came of each and what was expected."""

    def __init__(self, stage: Stage, timeline: Timeline) -> None:
        self.stage, self.timeline = stage, timeline
        self.hospital, self.pharmacy, self.mes = stage.standins
        self.expected_arrivals: set[str] = set()

    async def send(
        self, sender: Standin, receiver: Standin | Bal | None, letter: Mail, what: str, *, declare_size: bool = True
    ) -> Answer:
        """A scene: the letter is sent. ``receiver`` None: nobody should get it."""
        whom = receiver.name if receiver else "Gateway"
        self.timeline.scene(sender.name, whom, what, f"from <{letter.sender}> to <{letter.recipient}>")
        return await sender.send(letter, port=self.stage.port_for(sender), declare_size=declare_size)

    def accepted(self, answer: Answer) -> bool:
        """Whether it was."""
        right = answer.accepted and bool(answer.queue_id)
        return self.timeline.check(right, f"{answer}", "250 with a queue id")

    async def arrives(self, sender: Standin, receiver: Standin | Bal, letter: Mail, what: str) -> str:
        """The letter is accepted and arrives unchanged; gives its queue id."""
        answer = await self.send(sender, receiver, letter, what)
        if self.accepted(answer):
            await self.arrival(receiver, letter)
        return answer.queue_id

    async def arrival(self, receiver: Standin | Bal, letter: Mail) -> None:
        """It comes, with its envelope and every octet."""
        self.expected_arrivals.add(letter.message_id)
        began = time.monotonic()
        received = await receiver.letter(letter.message_id, ARRIVAL)
        if received is None:
            self.timeline.check(False, f"nothing arrived in {ARRIVAL:.0f} s", f"arrives at {receiver.name}")
            return
        told = f"arrived at {receiver.name} {time.monotonic() - began:.2f} s later"
        self.timeline.check(_same_envelope(letter, received), told, "with its envelope as it was")
        sent, came = _sha256(letter.content), _sha256(received.content[-len(letter.content) :])
        told = f"{number(len(letter.content))} octets, SHA-256 {came[:16]}…"
        self.timeline.check(sent == came, told, f"{sent[:16]}… as sent, below the trace headers")

    async def refused(
        self,
        sender: Standin,
        letter: Mail,
        what: str,
        status: str,
        where: Where,
        *,
        declare_size: bool = True,
        says: str = "",
    ) -> None:
        """A scene: the letter is refused, with this status, at this point of the dialogue; the reply ``says`` so."""
        answer = await self.send(sender, None, letter, what, declare_size=declare_size)
        right = answer.status == status and answer.stage is where and says in answer.text
        self.timeline.check(right, f"{answer.stage}: {answer}", f"{status} {where}")

    def names_nobody(self, gateway: Gateway) -> None:
        """Its log knows people by queue ids and keyed hashes alone."""
        log = gateway.log_file.read_text(errors="replace").lower()
        leaks = sum(word in log for word in people.PERSONAL)
        told = f"its log of {log.count(chr(10))} lines names {leaks or 'nobody'}"
        self.timeline.check(bool(log) and not leaks, told, "no INS, name, subject or file name")


def _same_envelope(letter: Mail, received: Received) -> bool:
    return (received.sender, received.recipients) == (letter.sender, (letter.recipient,))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def number(count: int) -> str:
    """As people write it."""
    return f"{count:,}".replace(",", " ")

"""The letters of the crash suite: many, cheap to make, each recognisable in whole and in part."""

import hashlib
import random
from dataclasses import dataclass, field

from tests.canaries import SUBJECTS
from tests.corpus import PATIENTS, PROFESSIONAL, SENDER

SMALL, LARGE = 20_000, 300_000  # octets of the body: one stays in the row, the other becomes a spool file
RECIPIENTS = (PROFESSIONAL, *PATIENTS)
_LINE = 76


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLetter:
    """What a client sends in DATA, and what must arrive below the gateway's own trace field."""

    payload_id: str
    recipient: str
    content: bytes = field(repr=False)  # CRLF line ends, no line begins with a dot

    @property
    def message_id(self) -> str:
        return f"<{self.payload_id}@ch-test.mssante.fr>"

    @property
    def digest(self) -> str:
        return digest(self.content)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Letters:
    """An endless supply. The same seed makes the same letters; no two are equal."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"letters {seed}")
        octets = self._random.randbytes(LARGE // 2).hex().encode()
        self._lines = [octets[at : at + _LINE] for at in range(0, len(octets) - _LINE, _LINE)]
        self._prefix, self._made = f"c{seed}", 0

    def make(self, size: int = SMALL) -> CrashLetter:
        """The next one, of about ``size`` octets."""
        self._made += 1
        payload_id = f"{self._prefix}-{self._made:05}"
        start, count = self._random.randrange(len(self._lines)), size // (_LINE + 2)
        body = b"\r\n".join((self._lines[start:] + self._lines * (1 + size // LARGE))[:count])
        recipient = self._random.choice(RECIPIENTS)
        head = (
            f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: {SUBJECTS[self._made % 3]}\r\n"
            f"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{payload_id}@ch-test.mssante.fr>\r\n"
            f"X-Payload-Id: {payload_id}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        )
        # The last line names the letter again: one that was cut off, or continued by another, has the wrong end.
        content = head.encode() + body + f"\r\nend of {payload_id}\r\n".encode()
        return CrashLetter(payload_id=payload_id, recipient=recipient, content=content)

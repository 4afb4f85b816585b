"""Clients that send to nodes which come and go, and remember what each letter was answered."""

import itertools
import random
import smtplib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.corpus import PATIENTS, SENDER
from tests.nodes.hop import digest

SMALL, LARGE = 20_000, 300_000  # octets; the large ones rest in segments
_LIMIT = 45.0  # seconds for one answer


@dataclass(slots=True)
class Ledger:
    """What was sent, by payload id, and what was answered."""

    digests: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)  # when: time.monotonic()
    doubtful: set[str] = field(default_factory=set)  # 4xx, or no answer: the sender keeps the letter
    refused: Counter[str] = field(default_factory=Counter)  # replies 4xx and 5xx


def content(payload_id: str, recipient: str, size: int) -> bytes:
    """A letter; its last line names it again, so that one that is cut off or mixed up is seen."""
    line = (payload_id + " ").encode() * 8
    head = f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: essai\r\n"
    head += f"Message-ID: <{payload_id}@ch-test.mssante.fr>\r\n"
    body = b"\r\n".join([line[:76]] * (size // 78))
    head += f"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nX-Payload-Id: {payload_id}\r\n\r\n"
    return head.encode() + body + f"\r\nend of {payload_id}\r\n".encode()


class Load:
    """Threads that keep sending to one port each until stopped."""

    def __init__(self, ports: list[int], *, clients: int) -> None:
        self.ledger = Ledger()
        self._prefix = f"n{random.randrange(10**6):06}"
        self._over = threading.Event()
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._keep_sending, args=(port,), daemon=True)
            for port in ports
            for _ in range(clients)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _LIMIT)

    def _keep_sending(self, port: int) -> None:
        while not self._over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", port, local_hostname="dpi.ch-test.invalid", timeout=_LIMIT) as client:
                    while not self._over.is_set():
                        self.send(client)
            except (OSError, smtplib.SMTPException):  # the node is down, or was killed
                time.sleep(0.1)

    def send(self, client: smtplib.SMTP, *, size: int | None = None) -> str:
        """One letter; its payload id. Raises what smtplib raises when the connection is of no more use."""
        number = next(self._numbers)
        payload_id, recipient = f"{self._prefix}-{number:06}", PATIENTS[number % len(PATIENTS)]
        made = content(payload_id, recipient, size or (LARGE if number % 8 == 0 else SMALL))
        self.ledger.digests[payload_id] = digest(made)
        try:
            client.sendmail(SENDER, [recipient], made)
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused(payload_id, *error.recipients[recipient])
        except smtplib.SMTPResponseException as error:
            return self._refused(payload_id, error.smtp_code, error.smtp_error)
        except BaseException:
            self.ledger.doubtful.add(payload_id)
            raise
        self.ledger.accepted[payload_id] = time.monotonic()
        return payload_id

    def _refused(self, payload_id: str, code: int, text: bytes | str) -> str:
        self.ledger.doubtful.add(payload_id)
        self.ledger.refused[f"{code} {text!r}"] += 1
        return payload_id

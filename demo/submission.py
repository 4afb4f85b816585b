"""A small SMTP client that says how far it came: a refusal at RCPT is not the same as one after DATA."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from enum import StrEnum

from demo import people
from demo.mail import Mail

LIMIT = 15.0  # seconds for one submission
_QUEUE_ID = re.compile(r"queued as (\S+)")
_CHUNK = 2**18


class Stage(StrEnum):
    """Where a dialogue ended."""

    CONNECT = "at connection"
    TLS = "in the TLS handshake"
    MAIL = "at MAIL FROM"
    RCPT = "at RCPT TO"
    DATA = "at DATA"
    END = "after DATA"


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's last word on a message. ``code`` 0: there was none, and ``text`` says why."""

    stage: Stage
    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return self.stage is Stage.END and self.code == 250

    @property
    def status(self) -> str:
        """``550 5.7.1``: the code and the enhanced status."""
        return f"{self.code} {self.text.partition(' ')[0]}"

    @property
    def queue_id(self) -> str:
        """Under which the gateway keeps the letter, "" when it did not say."""
        found = _QUEUE_ID.search(self.text) if self.accepted else None
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text


async def submit(
    mail: Mail, *, port: int, source: str, name: str, declare_size: bool = True, tls: ssl.SSLContext | None = None
) -> Answer:
    """Send a message to the gateway's port from a loopback address of one's own. ``tls``: after STARTTLS."""
    dialogue = _Dialogue()
    try:
        async with asyncio.timeout(LIMIT):
            await dialogue.open(port, source)
            return await dialogue.carry(mail, name, declare_size=declare_size, tls=tls)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        return Answer(dialogue.stage, 0, f"no reply: {type(error).__name__} {error}".rstrip())
    finally:
        dialogue.close()


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class _Dialogue:
    def __init__(self) -> None:
        self.stage = Stage.CONNECT
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, port: int, source: str) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))

    async def carry(self, mail: Mail, name: str, *, declare_size: bool, tls: ssl.SSLContext | None) -> Answer:
        size = f" SIZE={len(mail.content)}" if declare_size else ""
        eight_bit = "" if mail.content.isascii() else " BODY=8BITMIME"
        try:
            await self._expect(Stage.CONNECT, 220)
            await self._say(Stage.CONNECT, f"EHLO {name}", 250)
            if tls is not None:
                await self._say(Stage.TLS, "STARTTLS", 220)
                assert self._writer is not None
                await self._writer.start_tls(tls, server_hostname=people.GATEWAY_HOST)
                await self._say(Stage.TLS, f"EHLO {name}", 250)
            await self._say(Stage.MAIL, f"MAIL FROM:<{mail.sender}>{size}{eight_bit}", 250)
            await self._say(Stage.RCPT, f"RCPT TO:<{mail.recipient}>", 250)
            await self._say(Stage.DATA, "DATA", 354)
            await self._send(_on_the_wire(mail.content))
            answer = await self._expect(Stage.END, 250)
        except _Refused as refused:
            answer = refused.answer
        await self._send(b"QUIT\r\n")
        return answer

    async def _say(self, stage: Stage, command: str, expected: int) -> Answer:
        self.stage = stage
        await self._send(command.encode() + b"\r\n")
        return await self._expect(stage, expected)

    async def _expect(self, stage: Stage, expected: int) -> Answer:
        self.stage = stage
        lines = []
        while True:
            line = (await self._reader.readuntil(b"\r\n"))[:-2].decode("ascii", "replace")
            lines.append(line[4:])
            if line[3:4] != "-":
                break
        answer = Answer(stage, int(line[:3]), " ".join(lines))
        if answer.code != expected:
            raise _Refused(answer)
        return answer

    async def _send(self, data: bytes) -> None:
        assert self._writer is not None
        for start in range(0, len(data), _CHUNK):
            self._writer.write(data[start : start + _CHUNK])
            await self._writer.drain()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _on_the_wire(content: bytes) -> bytes:
    """Dots that begin a line doubled, and the final dot (RFC 5321 section 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if content.startswith(b".") else b"") + stuffed + b".\r\n"

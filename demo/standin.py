"""A mail server small enough to read at a glance: it takes every letter and remembers it."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.mail import Mail
from demo.submission import Answer, submit

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of servers that demand certificates
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Received:
    """A letter that arrived, as it arrived. ``sender`` "" is the null reverse-path.

    ``tls``: version, and the CN of the certificate that the client showed; "" in clear.
    """

    sender: str
    recipients: tuple[str, ...]
    message_id: str
    content: bytes
    tls: str = ""


class Standin:
    """Listens on a loopback address of its own, and sends from it. ``on_letter`` hears of each arrival.

    ``server`` and ``client``: how it does TLS on either side; without, it speaks in clear.
    """

    def __init__(
        self,
        name: str,
        *,
        ip: str,
        host: str,
        on_letter: Callable[["Standin", Received], None],
        server: ssl.SSLContext | None = None,
        client: ssl.SSLContext | None = None,
    ) -> None:
        self.name, self.ip, self.host, self.server, self.client = name, ip, host, server, client
        self.port = 0  # a free one, then for good: it comes back where it was
        self.letters: list[Received] = []
        self._on_letter = on_letter
        self._arrival = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.BaseTransport] = set()

    async def open(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), self.ip, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Go down: nobody listens any more, and whoever was connected is cut off."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self._connections):
            transport.abort() if isinstance(transport, asyncio.Transport) else transport.close()
        self._server = None

    async def send(self, mail: Mail, *, port: int, declare_size: bool = True) -> Answer:
        """Send a letter to the gateway."""
        return await submit(mail, port=port, source=self.ip, name=self.host, declare_size=declare_size, tls=self.client)

    async def letter(self, message_id: str, limit: float) -> Received | None:
        """The letter with that Message-ID, waiting up to ``limit`` seconds for it."""
        return await self.such(lambda letter: letter.message_id == message_id, limit)

    async def such(self, wanted: Callable[[Received], bool], limit: float) -> Received | None:
        """The first letter that is ``wanted``, waiting up to ``limit`` seconds for it."""

        def found() -> Received | None:
            return next(filter(wanted, self.letters), None)

        try:
            async with asyncio.timeout(limit), self._arrival:
                return await self._arrival.wait_for(found)
        except TimeoutError:
            return None

    def connected(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(transport)

    def disconnected(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._connections.discard(transport)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd calls this at the final dot, with the dots of the transport removed."""
        content = envelope.content
        assert isinstance(content, bytes)
        named = _MESSAGE_ID.search(content.partition(b"\r\n\r\n")[0])
        message_id = named[1].decode() if named else ""
        sender = (envelope.mail_from or "").removeprefix("<>")  # so aiosmtpd writes the null reverse-path
        letter = Received(sender, tuple(envelope.rcpt_tos), message_id, content, _shown(server.transport))
        async with self._arrival:
            self.letters.append(letter)
            self._arrival.notify_all()
        self._on_letter(self, letter)
        return "250 2.0.0 Recu"


def _shown(transport: asyncio.BaseTransport | None) -> str:
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return ""
    subject = dict(pair for part in tls.getpeercert()["subject"] for pair in part)
    return f"{tls.version()}, CN={subject['commonName']}"


class _Session(SMTP):
    """One connection to a stand-in."""

    line_length_limit = 2**20

    def __init__(self, standin: Standin) -> None:
        self._standin = standin
        self._mine: asyncio.BaseTransport | None = None
        super().__init__(
            standin,
            hostname=standin.host,
            ident="stand-in",
            enable_SMTPUTF8=True,
            timeout=120,
            tls_context=standin.server,
            require_starttls=standin.server is not None,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mine = transport
        self._standin.connected(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._standin.disconnected(self._mine)
        super().connection_lost(error)

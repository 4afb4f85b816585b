"""Who is not ours: Mon espace santé and ordinary mail, one server for both; and a pharmacy's software, by webhook."""

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller

from tests.mailbox_stories.box import until
from tests.peers.ports import free_port


@dataclass(frozen=True, slots=True)
class Came:
    """One letter, with its envelope."""

    sender: str
    to: list[str]
    content: bytes


class Elsewhere:
    """A mail server that keeps all it takes, in a thread of its own while the ``with`` block lasts."""

    def __init__(self) -> None:
        self.port = free_port()
        self.letters: list[Came] = []
        self._server = Controller(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, server_hostname="mx.operator.invalid"
        )

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.stop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """aiosmtpd's hook."""
        self.letters.append(Came(envelope.mail_from.removeprefix("<>"), envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 OK"

    def to(self, address: str) -> list[Came]:
        return [each for each in list(self.letters) if address in each.to]

    def came(self, message_id: str) -> Came:
        """Wait for a letter."""
        found = until(lambda: [each for each in list(self.letters) if message_id.encode() in each.content])
        return found[0]


class Hook:
    """An https server that keeps what is posted to it."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.posted: list[bytes] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}/mssante?jeton=x"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def told(self) -> list[Any]:
        """What was said, as it is read."""
        return [json.loads(each) for each in list(self.posted)]

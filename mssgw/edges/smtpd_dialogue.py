"""One inbound SMTP connection: its life, its timers and its replies. aiosmtpd reads and dispatches the commands.

aiosmtpd 1.4.6 is pinned: this class replaces its constructor and its connection callbacks, which are slow (they list
all methods for every connection) and cancel a commit when the peer hangs up (threats findings 1, 2, 12).
"""

import asyncio
import logging
import math
from collections.abc import Coroutine
from typing import Any, ClassVar, Protocol, TypeVar

import structlog
from aiosmtpd.smtp import SMTP, Session

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_listener import Listener, TlsMode
from mssgw.edges.smtpd_reader import CommandReader
from mssgw.ports import Reception

Kept = TypeVar("Kept")

log = structlog.get_logger("mssgw.smtp")

# aiosmtpd logs every command, RCPT TO with its patient included (threats finding 2).
_noisy = logging.getLogger("mail.log")
_noisy.addHandler(logging.NullHandler())
_noisy.propagate = False
_noisy.setLevel(logging.CRITICAL + 1)

_FLUSH_GRACE = 10.0  # seconds that a peer has to read our last reply
_HELD_BACK = 100  # replies to pipelined commands that are written at once


class Door(Protocol):
    """What a connection needs of the listener that it came through (smtp_in.SmtpIn)."""

    @property
    def reception(self) -> Reception: ...
    @property
    def listener(self) -> Listener: ...
    @property
    def closing(self) -> bool: ...
    def enter(self, dialogue: "Dialogue") -> bool:
        """Count the connection in; False when there is no room."""

    def leave(self, dialogue: "Dialogue") -> None: ...
    def keep(self, work: Coroutine[Any, Any, Kept]) -> "asyncio.Task[Kept]":
        """Run what must outlive the connection."""


class _CommandLimits(dict[str, int]):
    """Octets of a command line by verb."""

    def __missing__(self, verb: str) -> int:
        return 4_096  # MAIL and RCPT with every parameter at its longest, and room


class Dialogue(SMTP):
    """The connection itself. Verbs are methods named ``smtp_VERB``, in the classes built on this one."""

    command_size_limit = 4_096
    command_size_limits = _CommandLimits(AUTH=12_288)  # RFC 4954 section 4.3
    _verbs: ClassVar[dict[str, str]] = {}
    transport: Any  # a plain or a TLS transport, None when the connection is lost
    session: Session

    def __init_subclass__(cls) -> None:
        cls._verbs = {name[5:]: name for name in dir(cls) if name.startswith("smtp_")}

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self.door, self.listener, self.reception, self.loop = door, door.listener, door.reception, loop
        self.lines = CommandReader(limit=16_384, loop=loop)
        asyncio.StreamReaderProtocol.__init__(self, self.lines, self._cb_client_connected, loop)
        self._be_an_smtp()
        self.peer = self.tls = self.client_name = self.why = ""
        self.accepted = 0
        self.in_data = self._lost = False
        self._handled = True
        self._out: list[bytes] = []
        self._logged: set[tuple[int, str]] = set()

    def _be_an_smtp(self) -> None:
        """What the constructor of aiosmtpd's SMTP would set, as far as its command loop uses it."""
        self.hostname, self.__ident__ = self.listener.hostname, "ESMTP"
        self.enable_SMTPUTF8, self._decode_data, self.data_size_limit = True, False, self.listener.size_limit
        self._timeout_handle, self._deadline = None, math.inf
        self._proxy_timeout, self._auth_required, self._handle_hooks = None, False, {}
        self.require_starttls, self._tls_handshake_okay = False, True  # open_verbs() decides which verbs need TLS
        self._tls_protocol = self._original_transport = self.transport = self._handler_coroutine = None
        self._enforce_call_limit, self._call_limit_base = True, dict(self.listener.commands)
        self._call_limit_default = self.listener.commands.get("*", 50)

    # Its life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        asyncio.StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        self.peer = _ip(transport.get_extra_info("peername"))
        self.forget()
        if not self.door.enter(self):
            self.hang_up(say.TOO_MANY if self.listener.tls is not TlsMode.IMPLICIT else None)
            return
        self._reset_timeout()
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def connection_lost(self, error: Exception | None) -> None:
        """The peer is gone. A message in DATA ends by itself, and what it commits stays committed."""
        if self._lost:
            return
        self._lost = True
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        if self._handler_coroutine is not None and not self.in_data:
            self._handler_coroutine.cancel()
        self.transport = None
        self._smtp_methods = {}  # bound methods: they would keep this object until the garbage collector comes
        self._leave()

    def _leave(self) -> None:
        """Leave when the connection is lost and what it began has come to its end."""
        if self._lost and self._handled:
            self.door.leave(self)

    def eof_received(self) -> bool:
        """The peer will send no more; what it did send is answered where the transport still can."""
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.tls

    async def _handle_client(self) -> None:
        self._handled = False  # here and not before: a task that is cancelled before its first step has no end
        log.debug("smtp.session.opened", listener=self.listener.name, peer=self.peer)
        try:
            await self.begin()
            await super()._handle_client()
        except asyncio.CancelledError:
            pass  # the connection is lost: nobody awaits this task
        except ConnectionError as error:
            self.why = self.why or type(error).__name__
        except Exception as error:
            self.log_error(error)
        finally:
            self.hang_up(None)
            self._handled = True
            self._leave()
            log.info(
                "smtp.session.closed",
                listener=self.listener.name,
                peer=self.peer,
                client=self.client_name,
                tls=self.tls,
                messages=self.accepted,
                why=self.why or "lost",
            )

    async def begin(self) -> None:
        """What comes before the greeting."""
        self.open_verbs()

    def open_verbs(self) -> None:
        """Say which verbs this connection may use from now on."""
        self._smtp_methods = {verb: getattr(self, name) for verb, name in self._verbs.items()}

    def _set_rset_state(self) -> None:
        """Forget the mail transaction; aiosmtpd's name for it."""

    def forget(self) -> None:
        """Begin as if nothing had been said (RFC 3207 section 4.2)."""
        self.session = Session(self.loop)
        self._set_rset_state()

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """What handles this connection."""
        return self._handler_coroutine

    def cut(self) -> None:
        """End the connection now. A commit that has begun goes on; a message that is not complete is given up."""
        self.hang_up(say.GOING_DOWN)
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    def hang_up(self, last_word: Reply | None) -> None:
        """Say a last word and close."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if last_word is not None:
            self.why = self.why or str(last_word)[:9]
            if not last_word.ok and last_word is not say.GOING_DOWN:
                self._log_refusal(last_word.code, last_word.status)
            self._out.append(f"{last_word}\r\n".encode())
        self.flush()
        transport.close()
        if transport.get_write_buffer_size():  # a peer that does not read may not keep us
            self.loop.call_later(_FLUSH_GRACE, transport.abort)

    # Its timer: one for the whole connection, which looks again when it was put off

    def _reset_timeout(self, duration: float | None = None) -> None:  # aiosmtpd calls it for every command
        self._deadline = self.loop.time() + self.listener.idle
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def pause_timer(self) -> None:
        """DATA and the commit have limits of their own."""
        self._deadline = math.inf

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self._deadline <= self.loop.time():
            self.hang_up(say.TOO_SLOW)
        elif self._deadline < math.inf:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    # Its replies

    async def push(self, status: Any) -> None:
        """Every reply of one line goes through here, aiosmtpd's too; it leaves with an enhanced status code.

        Replies to pipelined commands are held back and written together (RFC 2920 section 3.2).
        """
        line = with_status_of(status)
        if line[0] in "45":
            self._log_refusal(int(line[:3]), line[4:].partition(" ")[0])
        self._out.append(line.encode("ascii", "replace") + b"\r\n")
        if line[:2] in ("25", "45", "55") and self.lines.has_line() and len(self._out) < _HELD_BACK:
            return
        self.flush()
        await self._writer.drain()

    async def say(self, reply: Reply) -> None:
        await self.push(str(reply))

    async def say_lines(self, code: int, lines: list[str]) -> None:
        """A reply of several lines, without status: EHLO."""
        marks = ["-"] * (len(lines) - 1) + [" "]
        self._out += [f"{code}{mark}{line}\r\n".encode("ascii") for mark, line in zip(marks, lines, strict=True)]
        self.flush()
        await self._writer.drain()

    def flush(self) -> None:
        """Write what was held back."""
        if self._out and self.transport is not None:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd would answer 500 with the text of the exception (threats finding 1)."""
        return str(self.reply_to(error))

    def reply_to(self, error: Exception) -> Reply:
        """The reply to what went wrong, which is logged unless the error is one that we know."""
        if not isinstance(error, GatewayError):
            self.log_error(error)
        return say.reply_for(error)

    # Its log lines: never an address, a login or anything else that the peer said

    def _log_refusal(self, code: int, status: str) -> None:
        """One line for each kind of refusal in a connection: ten thousand refused recipients are one line."""
        if (code, status) in self._logged:
            return
        self._logged.add((code, status))
        log.info(
            "smtp.refused",
            listener=self.listener.name,
            peer=self.peer,
            client=self.client_name,
            code=code,
            status=status,
        )

    def log_error(self, error: BaseException) -> None:
        log.error(
            "smtp.error",
            listener=self.listener.name,
            peer=self.peer,
            error=type(error).__name__,
            where=say.where(error),
        )


def with_status_of(status: str | bytes) -> str:
    return say.with_status(status if isinstance(status, str) else status.decode("ascii", "replace"))


def _ip(peername: Any) -> str:
    """The peer's IP address; IPv4 that came through an IPv6 socket is IPv4. "" when the peer has gone already."""
    host = str(peername[0]) if isinstance(peername, tuple) and peername else ""
    return host.removeprefix("::ffff:") if "." in host else host

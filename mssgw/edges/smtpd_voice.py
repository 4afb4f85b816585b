"""The part of an inbound dialogue that speaks: replies, their enhanced codes, their writing, and the last word.

aiosmtpd reads and dispatches the commands. Its constructor is replaced: it lists all methods for every connection.
"""

import asyncio
import math
from typing import Any

from aiosmtpd.smtp import SMTP, Session

from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.edges import smtpd_replies as say
from mssgw.edges.metering import UNMETERED
from mssgw.edges.smtpd_listener import Listener
from mssgw.edges.smtpd_log import SessionLog
from mssgw.edges.smtpd_reader import CommandReader
from mssgw.ports import Meter

_FLUSH_GRACE = 10.0  # seconds that a peer has to read our last reply
_HELD_BACK = 100  # replies to pipelined commands that are written at once


class _CommandLimits(dict[str, int]):
    """Octets of a command line by verb."""

    def __missing__(self, verb: str) -> int:
        return 4_096  # MAIL and RCPT with every parameter at its longest, and room


class Voice(SMTP):
    """An SMTP connection that can reply. ``why``: how it ended, for the log."""

    command_size_limit = 4_096
    command_size_limits = _CommandLimits(AUTH=12_288)  # RFC 4954 section 4.3
    transport: Any  # a plain or a TLS transport, None when the connection is lost
    session: Session
    _smtp_methods: Any  # aiosmtpd's own dictionary of them is not used

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop, meter: Meter = UNMETERED) -> None:
        self.listener, self.loop, self.why = listener, loop, ""
        self.lines = CommandReader(limit=16_384, loop=loop)
        asyncio.StreamReaderProtocol.__init__(self, self.lines, self._cb_client_connected, loop)
        self._be_an_smtp()
        self.log = SessionLog(listener.name, meter, listener.flood)
        self._out: list[bytes] = []
        self.refusals = 0  # since the last accepted message

    def _be_an_smtp(self) -> None:
        """What the constructor of aiosmtpd's SMTP would set, as far as its command loop uses it."""
        self.hostname, self.__ident__ = self.listener.hostname, "ESMTP"
        self.enable_SMTPUTF8, self._decode_data, self.data_size_limit = True, False, self.listener.size_limit
        self._timeout_handle, self._deadline = None, math.inf
        self._proxy_timeout, self._auth_required, self._handle_hooks = None, False, {}
        self.require_starttls, self._tls_handshake_okay = False, True  # verb() decides which verbs need TLS
        self._tls_protocol = self._original_transport = self.transport = self._handler_coroutine = None
        self._enforce_call_limit, self._call_limit_base = True, dict(self.listener.commands)
        self._call_limit_default = self.listener.commands.get("*", 50)

    async def push(self, status: Any) -> None:
        """Every reply of one line goes through here, aiosmtpd's too; it leaves with an enhanced status code.

        Replies to pipelined commands are held back and written together (RFC 2920 section 3.2).
        """
        line = say.with_status(status if isinstance(status, str) else status.decode("ascii", "replace"))
        if line[0] in "45":
            self.log.refused(int(line[:3]), line[4:].partition(" ")[0])
            self.refusals += line[0] == "5"
            if self.refusals > self.listener.max_refusals:
                self.hang_up(say.TOO_MUCH)
                return
        self._out.append(line.encode("ascii", "replace") + b"\r\n")
        if line[:2] in ("25", "45", "55") and self.lines.has_line() and len(self._out) < _HELD_BACK:
            return
        self.flush()
        await self._writer.drain()

    async def say(self, reply: Reply, *, told: bool = False) -> None:
        """``told``: the reception decided this, and has logged it with its rule; each refusal is one line."""
        self.log.told_by_the_flow = told and not reply.ok
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
            self.log.error(error)
        return say.reply_for(error)

    def hang_up(self, last_word: Reply | None) -> None:
        """Say a last word and close."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if last_word is not None:
            self.why = self.why or str(last_word)[:9]
            if not last_word.ok and last_word is not say.GOING_DOWN:
                self.log.refused(last_word.code, last_word.status)
            self._out.append(f"{last_word}\r\n".encode())
        self.flush()
        transport.close()
        if transport.get_write_buffer_size():  # a peer that does not read may not keep us
            self.loop.call_later(_FLUSH_GRACE, transport.abort)

    # One timer for the whole connection, which looks again when it was put off

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

"""One inbound SMTP connection from its greeting to its end.

aiosmtpd 1.4.6 is pinned: its connection callbacks are replaced, because they cancel a commit when the peer hangs up
(threats finding 12).
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol, TypeVar

from aiosmtpd.smtp import Session

from mssgw.edges import smtpd_replies as say
from mssgw.edges.smtpd_intake import Intake
from mssgw.edges.smtpd_listener import Listener, TlsMode
from mssgw.edges.smtpd_logins import Turn
from mssgw.edges.smtpd_voice import Voice
from mssgw.ports import Meter, Reception

Kept = TypeVar("Kept")
Verb = Callable[[str | None], Coroutine[Any, Any, None]]


class Door(Protocol):
    """What a connection needs of the listener that it came through (smtp_in.SmtpIn)."""

    @property
    def reception(self) -> Reception: ...
    @property
    def listener(self) -> Listener: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def closing(self) -> bool: ...
    def enter(self, dialogue: "Dialogue") -> bool:
        """Count the connection in; False when there is no room."""

    def recognised(self, dialogue: "Dialogue") -> None:
        """The peer has shown that it is a client: it keeps its place, and its address is remembered."""

    def leave(self, dialogue: "Dialogue") -> None: ...
    def turn_to_log_in(self, peer: str) -> AbstractAsyncContextManager[Turn]:
        """Wait for this address's turn to have a password checked. Raises TimeoutError."""

    def keep(self, work: Coroutine[Any, Any, Kept]) -> "asyncio.Task[Kept]":
        """Run what must outlive the connection."""


class Dialogue(Voice):
    """The connection itself. Verbs are methods named ``smtp_VERB``, in the classes built on this one.

    ``in_data``: DATA runs, and ends by itself. ``accepted``: messages that got a 2xx. ``tls``: "" in clear.
    """

    _verbs: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        cls._verbs = {name[5:]: name for name in dir(cls) if name.startswith("smtp_")}

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door.listener, loop, door.meter)
        self.door, self.reception = door, door.reception
        self.peer = self.tls = ""
        self.accepted = 0
        self.in_data = self._lost = False
        self._handled = True
        self._smtp_methods = _Verbs(self.verb)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        asyncio.StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        self.peer = self.log.peer = _ip(transport.get_extra_info("peername"))
        self.forget()
        if not self.door.enter(self):
            why = say.GOING_DOWN if self.door.closing else say.TOO_MANY
            self.hang_up(why if self.listener.tls is not TlsMode.IMPLICIT else None)
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
        self._smtp_methods = {}  # it would keep this object until the garbage collector comes
        self._leave()

    def _leave(self) -> None:
        """Leave when the connection is lost and what it began has come to its end."""
        if self._lost and self._handled:
            self.door.leave(self)

    def eof_received(self) -> bool:
        """The peer will send no more; what it did send is answered where the transport still can."""
        return bool(asyncio.StreamReaderProtocol.eof_received(self))

    async def _handle_client(self) -> None:
        self._handled = False  # here and not before: a task that is cancelled before its first step has no end
        self.log.opened()
        try:
            await self.begin()
            await super()._handle_client()
        except (asyncio.CancelledError, ConnectionError):
            pass  # the connection is lost: nobody awaits this task
        except Exception as error:
            self.log.error(error)
        finally:
            self.hang_up(None)
            self._handled = True
            self._leave()
            self.log.closed(tls=self.tls, messages=self.accepted, why=self.why or "lost")

    async def begin(self) -> None:
        """What comes before the greeting."""

    def verb(self, verb: str) -> Verb | None:
        """The method of a verb as this connection may use it now, None for an unknown one."""
        name = self._verbs.get(verb)
        return getattr(self, name) if name is not None else None

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

    def give_way(self) -> None:
        """End the connection at once: others need its place, and it has not shown who it is."""
        in_handshake = self.listener.tls is TlsMode.IMPLICIT and not self.tls
        self.hang_up(None if in_handshake else say.TOO_SLOW)
        if self.transport is not None:
            self.transport.abort()

    def cut(self) -> None:
        """End the connection now. A commit that has begun goes on; a message that is not complete is given up."""
        self.hang_up(say.GOING_DOWN)
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()


class _Verbs:
    """What aiosmtpd looks verbs up in. A dictionary of bound methods would cost more than a whole letter's commands."""

    __slots__ = ("get",)

    def __init__(self, get: Callable[[str], Verb | None]) -> None:
        self.get = get


def _ip(peername: Any) -> str:
    """The peer's IP address; IPv4 that came through an IPv6 socket is IPv4. "" when the peer has gone already."""
    host = str(peername[0]) if isinstance(peername, tuple) and peername else ""
    return host.removeprefix("::ffff:") if "." in host else host

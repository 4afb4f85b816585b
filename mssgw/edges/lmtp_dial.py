"""From a route to an open, verified LMTP connection: socket, greeting, LHLO, STARTTLS where the route asks for it.

A unix socket needs no TLS; over TCP nothing goes out before what the route asks for is verified (TLS-7).
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import cast

import structlog

from mssgw.core.delivery import Deferred
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, TlsPolicy
from mssgw.edges.resolver import Resolver, Unreachable
from mssgw.edges.smtp_commands import Offer
from mssgw.edges.smtp_dial import MOST_ADDRESSES, Connection, TlsContexts, verifying_context
from mssgw.edges.smtp_limits import Timeouts
from mssgw.edges.smtp_replies import GARBLED, MAX_TEXT, Lost, Wire
from mssgw.edges.smtp_trouble import (
    NO_CONNECTION,
    NO_STARTTLS,
    NOT_TRUSTED,
    Refused,
    no_connection,
    of_all,
    unreachable,
    why,
)

SOCKET = "localhost"  # what a unix socket is called in reports

log = structlog.get_logger("mssgw.delivery")


class LmtpDialer:
    """Opens connections; smtp_pool.Dials."""

    def __init__(self, *, hostname: str, tls_contexts: TlsContexts, resolver: Resolver, timeouts: Timeouts) -> None:
        self._hostname, self._tls_contexts = hostname, tls_contexts
        self._resolver, self._timeouts = resolver, timeouts

    async def dial(self, route: Route) -> Connection:
        """Open a connection to the first address that can be reached. Raises Unreachable."""
        troubles: list[Unreachable] = []
        try:
            for address in await self._addresses(route):
                try:
                    return await self._open(route, address)
                except Unreachable as exc:
                    troubles.append(exc)
            raise of_all(troubles)
        except Unreachable as exc:
            self._log_failure(route, exc)
            raise

    def avoid(self, host: str) -> None:
        """It is the only one."""

    def still_trusts(self, route: Route, connection: Connection) -> bool:
        """Always: no certificate of the trust space is involved."""
        return True

    async def _addresses(self, route: Route) -> Sequence[str]:
        if route.host.startswith("/"):
            return (route.host,)
        return (await self._resolver.addresses(route.host, mx=False))[:MOST_ADDRESSES]

    async def _open(self, route: Route, address: str) -> Connection:
        local = address.startswith("/")
        name = SOCKET if local else route.host
        try:
            context = None if local else verifying_context(route, self._tls_contexts)
            if context is not None and route.tls is TlsPolicy.MUTUAL:
                raise Refused(NOT_TRUSTED)  # that is for operators
            wire = await self._connect(route, address, context)
        except (OSError, Refused) as exc:
            trouble, cause = self._trouble(exc, name)
            raise trouble from cause
        try:
            return await self._introduce(wire, route, name, context)
        except (OSError, Refused, Lost) as exc:
            wire.abort()
            trouble, cause = self._trouble(exc, name)
            raise trouble from cause
        except BaseException:
            wire.abort()
            raise

    async def _connect(self, route: Route, address: str, context: ssl.SSLContext | None) -> Wire:
        loop, early = asyncio.get_running_loop(), _Early()
        async with asyncio.timeout(self._timeouts.connect):
            if address.startswith("/"):
                await loop.create_unix_connection(lambda: early, address)
            elif context is not None and route.tls is TlsPolicy.IMPLICIT:
                await loop.create_connection(
                    lambda: early, address, route.port, ssl=context, server_hostname=route.host
                )
            else:
                await loop.create_connection(lambda: early, address, route.port)
        assert early.wire is not None
        return early.wire

    async def _introduce(self, wire: Wire, route: Route, name: str, context: ssl.SSLContext | None) -> Connection:
        _check(await wire.reply(self._timeouts.greeting))
        offers = await self._hello(wire)
        if context is not None and route.tls is TlsPolicy.REQUIRE:
            if "starttls" not in offers:
                raise Refused(NO_STARTTLS)
            wire = await self._start_tls(wire, route.host, context)
            offers = await self._hello(wire)
        return Connection(wire=wire, host=name, offer=Offer.of(offers))

    async def _hello(self, wire: Wire) -> dict[str, str]:
        """The extensions by keyword, lower case."""
        wire.write(f"LHLO {self._hostname}\r\n".encode("ascii"), replies=1)
        _check(await wire.reply(self._timeouts.greeting))
        pairs = (line.partition(" ") for line in wire.latest[1:])
        return {keyword.lower(): parameters for keyword, _, parameters in pairs}

    async def _start_tls(self, wire: Wire, host: str, context: ssl.SSLContext) -> Wire:
        """A single octet that comes in clear behind the 220 ends the connection: Wire takes no reply that is not owed.

        start_tls() stops reading in clear before anything else happens.
        """
        wire.write(b"STARTTLS\r\n", replies=1)
        if (await wire.reply(self._timeouts.greeting)).code != 220:
            raise Refused(NO_STARTTLS)
        if not wire.usable:
            raise Lost(GARBLED)
        limit = self._timeouts.greeting
        plain = wire.transport
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                plain, wire, context, server_hostname=host, ssl_handshake_timeout=limit
            )
        except BaseException:
            plain.abort()  # asyncio leaves it open
            raise
        if upgraded is None or not wire.usable:
            plain.abort()
            raise ConnectionResetError
        return Wire(upgraded)

    @staticmethod
    def _trouble(exc: Exception, name: str) -> tuple[Unreachable, Exception]:
        if isinstance(exc, Lost):
            return Unreachable(Deferred(reply=exc.reply, next_hop=name, down=not exc.peer_said), try_next=True), exc
        if isinstance(exc, Refused | ssl.SSLError | TimeoutError):
            return unreachable(exc, name, mutual=False)
        reply = no_connection(exc) if isinstance(exc, OSError) else NO_CONNECTION
        return Unreachable(Deferred(reply=reply, next_hop=name, down=True), try_next=True), exc

    @staticmethod
    def _log_failure(route: Route, trouble: Unreachable) -> None:
        reply = trouble.outcome.reply
        log.warning(
            "delivery.connection_failed",
            route=route.name,
            host=trouble.outcome.next_hop,
            port=route.port,
            tls=str(route.tls),
            code=reply.code,
            status=reply.status,
            why=why(trouble),
        )


class _Early(asyncio.Protocol):
    """Until the transport is there; then Wire, which expects the greeting, takes over before a single octet is read."""

    wire: Wire | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = Wire(cast(asyncio.Transport, transport))
        self.wire.write(b"", replies=1)


def _check(reply: Reply) -> None:
    """A refusal before MAIL is about us or the store, not about the letter: it waits. Raises Lost."""
    if reply.code // 100 == 2:
        return
    if reply.ok:
        raise Lost(GARBLED)
    text = f"{NO_CONNECTION.text} : {reply}"[:MAX_TEXT]
    raise Lost(Reply(NO_CONNECTION.code, NO_CONNECTION.status, text), peer_said=True)

"""From a route to an open, verified SMTP connection: look-up, TCP, greeting, EHLO, STARTTLS, AUTH.

aiosmtplib does the dialogue up to here; then its protocol is replaced by our Wire. No credential and no MAIL goes
out before the certificate and host name that the route asks for are verified, and nothing falls back to clear text.
req: TLS-1, TLS-5, TLS-7
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import aiosmtplib
import structlog

from mssgw.core.delivery import Deferred
from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply
from mssgw.core.routes import Route, TlsPolicy
from mssgw.edges.resolver import Resolver, Unreachable
from mssgw.edges.smtp_commands import Offer
from mssgw.edges.smtp_limits import Timeouts
from mssgw.edges.smtp_replies import LOST, MAX_TEXT, SILENT, Wire, to_reply

TlsContexts = Callable[[Route], ssl.SSLContext]

MOST_HOSTS = 5  # tried for one letter before it waits
MOST_ADDRESSES = 4  # of each
REFUSED = Reply(451, "4.4.1", "Connexion au serveur suivant impossible")
NO_STARTTLS = Reply(454, "4.7.4", "Le serveur suivant n'offre pas STARTTLS, exige par la route")
NOT_TRUSTED = Reply(454, "4.7.5", "Le certificat ou la negociation TLS du serveur suivant est refuse")
NO_LOGIN = Reply(454, "4.7.8", "Le serveur suivant refuse notre authentification")

log = structlog.get_logger("mssgw.delivery")


@dataclass(slots=True, eq=False, kw_only=True)
class Connection:
    """An open connection. ``used``: transactions so far; ``in_transaction``: MAIL was said, so RSET comes first."""

    wire: Wire
    host: str
    offer: Offer
    used: int = 0
    in_transaction: bool = False
    idle_since: float = 0.0


class Dialer:
    """Opens connections. Each step has a limit of its own; whoever calls bounds them all (Timeouts.attempt)."""

    def __init__(self, *, hostname: str, tls_contexts: TlsContexts, resolver: Resolver, timeouts: Timeouts) -> None:
        self._hostname = hostname
        self._tls_contexts = tls_contexts
        self._resolver = resolver
        self._timeouts = timeouts

    async def dial(self, route: Route) -> Connection:
        """Open a connection to the first host, by preference, that can be reached. Raises Unreachable."""
        trouble: Unreachable | None = None
        for host in (await self._hosts(route))[:MOST_HOSTS]:
            try:
                return await self._dial_host(route, host)
            except Unreachable as exc:
                self._log_failure(route, exc)
                trouble = exc
                if not exc.try_next:
                    break
        raise trouble or Unreachable(Deferred(reply=REFUSED, next_hop=route.host, down=True))

    async def _hosts(self, route: Route) -> Sequence[str]:
        if not route.mx:
            return (route.host,)
        try:
            return await self._resolver.exchangers(route.host)
        except Unreachable as exc:
            self._log_failure(route, exc)
            raise

    async def _dial_host(self, route: Route, host: str) -> Connection:
        addresses = (await self._resolver.addresses(host, mx=route.mx))[:MOST_ADDRESSES]
        for address in addresses[:-1]:
            try:
                return await self._open(route, host, address)
            except Unreachable as exc:
                if not exc.try_next:
                    raise
        return await self._open(route, host, addresses[-1])

    async def _open(self, route: Route, host: str, address: str) -> Connection:
        try:
            context = self._verifying_context(route)
            client = aiosmtplib.SMTP(
                hostname=host,
                sock=await self._connect(host, address, route.port),
                local_hostname=self._hostname,
                timeout=self._timeouts.greeting,
                use_tls=route.tls is TlsPolicy.IMPLICIT,
                start_tls=False,
                tls_context=context,
            )
            connection, tls = await _introduce(client, route, host)
        except (aiosmtplib.SMTPException, OSError, ValueError, _Distrust) as exc:
            raise _unreachable(exc, host) from exc
        log.info("delivery.connected", route=route.name, host=host, port=route.port, tls=tls)
        return connection

    async def _connect(self, host: str, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # TCP named: asyncio then sets NODELAY
        sock.setblocking(False)
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except OSError as exc:  # refused, unreachable, or the time-out, which is an OSError too
            sock.close()
            raise Unreachable(Deferred(reply=REFUSED, next_hop=host, down=True), try_next=True) from exc
        except BaseException:
            sock.close()
            raise
        return sock

    def _verifying_context(self, route: Route) -> ssl.SSLContext | None:
        if route.tls is TlsPolicy.NONE:
            return None
        try:
            context = self._tls_contexts(route)
        except (GatewayError, OSError, ValueError):  # a certificate file that cannot be used; SSLError is an OSError
            raise _Distrust(NOT_TRUSTED) from None
        if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
            raise _Distrust(NOT_TRUSTED)  # a context that trusts anybody is a mistake, never a policy
        return context

    def _log_failure(self, route: Route, trouble: Unreachable) -> None:
        outcome = trouble.outcome
        log.warning(
            "delivery.connection_failed",
            route=route.name,
            host=outcome.next_hop,
            port=route.port,
            tls=str(route.tls),
            code=outcome.reply.code,
            status=outcome.reply.status,
            why=_why(trouble),
        )


def _why(trouble: Unreachable) -> str:
    """What went wrong, for the log: in words of ours, of the system or of OpenSSL, never the peer's, who may quote."""
    cause = trouble.__cause__
    if (tls := _tls_error(cause)) is not None:
        return _said_by_openssl(tls)
    match cause:
        case None | _Distrust():  # the name service, or we
            return trouble.outcome.reply.text
        case aiosmtplib.SMTPResponseException():
            return f"{type(cause).__name__} {cause.code}"
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return type(cause).__name__


def _said_by_openssl(error: ssl.SSLError) -> str:
    """As in "certificate has expired", "self-signed certificate", or that it is not valid for our name of the host."""
    return getattr(error, "verify_message", "") or error.reason or "TLS"


class _Distrust(Exception):
    """The peer is there, but we may not go on: an administrator has to look."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


async def _introduce(client: aiosmtplib.SMTP, route: Route, host: str) -> tuple[Connection, str | None]:
    """Greeting to AUTH; the connection and its TLS version."""
    await client.connect()
    transport = cast(asyncio.Transport, client.transport)
    try:
        await _hello(client)
        if route.tls is TlsPolicy.REQUIRE:
            transport = await _start_tls(client)
            await _hello(client)
        if route.login is not None:
            await _login(client, route.login, route.password or "")
        tls = transport.get_extra_info("ssl_object")
        return _take_over(client, transport, host), tls.version() if tls is not None else None
    except BaseException:
        transport.abort()
        raise


async def _hello(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()  # RFC 5321 section 3.2; raises again when the connection is gone


async def _start_tls(client: aiosmtplib.SMTP) -> asyncio.Transport:
    if not client.supports_extension("starttls"):
        raise _Distrust(NO_STARTTLS)
    try:
        await client.starttls()  # drops what the peer sent in clear after its 220 (RFC 3207 section 4.2)
    except aiosmtplib.SMTPResponseException as exc:
        raise _Distrust(_starttls_refused(exc)) from None
    return cast(asyncio.Transport, client.transport)


def _starttls_refused(exc: aiosmtplib.SMTPResponseException) -> Reply:
    """It offers STARTTLS and will not begin it, for want of a certificate mostly: its code, not its text, is quoted."""
    if not 400 <= exc.code <= 599:
        return Reply(
            NO_STARTTLS.code, NO_STARTTLS.status, "Le serveur suivant repond mal a STARTTLS, exige par la route"
        )
    said = to_reply(exc.code, exc.message.split("\n"))
    code = f"{said.code} {said.status}".strip()
    text = f"Le serveur suivant offre STARTTLS, exige par la route, mais le refuse ({code})"
    return Reply(NO_STARTTLS.code, NO_STARTTLS.status, text)


async def _login(client: aiosmtplib.SMTP, login: str, password: str) -> None:
    try:
        await client.login(login, password)
    except (ConnectionError, TimeoutError):
        raise
    except (aiosmtplib.SMTPException, ValueError):  # refused, no common method, or a challenge that is no base64
        raise _Distrust(NO_LOGIN) from None


def _take_over(client: aiosmtplib.SMTP, transport: asyncio.Transport, host: str) -> Connection:
    """Replace aiosmtplib's protocol by ours; nothing of the peer may be left unread between the two."""
    if getattr(client.protocol, "_buffer", b"") or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("unsolicited reply")
    return Connection(wire=Wire(transport), host=host, offer=Offer.of(client.esmtp_extensions))


def _unreachable(exc: Exception, host: str) -> Unreachable:
    """What becomes of the letter when the dialogue before MAIL failed."""
    if isinstance(exc, _Distrust):
        return Unreachable(Deferred(reply=exc.reply, next_hop=host, alarm=True))
    if (tls := _tls_error(exc)) is not None:
        text = f"{NOT_TRUSTED.text} ({_said_by_openssl(tls)})"[:MAX_TEXT]
        reply = Reply(NOT_TRUSTED.code, NOT_TRUSTED.status, text)
        return Unreachable(Deferred(reply=reply, next_hop=host, alarm=True))
    if isinstance(exc, aiosmtplib.SMTPResponseException) and 400 <= exc.code <= 599:
        said = to_reply(exc.code, exc.message.split("\n"))
        reply = Reply(REFUSED.code, REFUSED.status, f"{REFUSED.text} : {said}"[:MAX_TEXT])
        # A 5xx before MAIL is about us or the host, not about the letter: it waits, and somebody is told.
        return Unreachable(Deferred(reply=reply, next_hop=host, alarm=said.permanent, down=True), try_next=True)
    reply = SILENT if isinstance(exc, TimeoutError) else LOST
    return Unreachable(Deferred(reply=reply, next_hop=host), try_next=True)


def _tls_error(exc: BaseException | None) -> ssl.SSLError | None:
    while exc is not None:
        if isinstance(exc, ssl.SSLError):
            return exc
        exc = exc.__cause__
    return None

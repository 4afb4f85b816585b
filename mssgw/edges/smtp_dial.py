"""From a route to an open, verified SMTP connection: look-up, TCP, greeting, EHLO, STARTTLS, AUTH.

aiosmtplib does the dialogue up to here; then its protocol is replaced by our Wire. No credential and no MAIL goes
out before the certificate and host name that the route asks for are verified, and nothing falls back to clear text.
Between operators the peer is vetted too, right after the handshake and before anything else is said (smtp_trust).
req: TLS-1, TLS-5, TLS-6, TLS-7
"""

import asyncio
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
from mssgw.core.trust import Chain
from mssgw.edges.resolver import Resolver, Unreachable
from mssgw.edges.smtp_commands import Offer
from mssgw.edges.smtp_limits import Timeouts
from mssgw.edges.smtp_replies import Wire, to_reply
from mssgw.edges.smtp_trouble import (
    NO_CONNECTION,
    NO_LOGIN,
    NO_STARTTLS,
    NOT_TRUSTED,
    Refused,
    is_distrust,
    no_connection,
    of_all,
    unreachable,
    why,
)
from mssgw.edges.smtp_trust import NotTrusted, Vetting, tell
from mssgw.ports import Trust

TlsContexts = Callable[[Route], ssl.SSLContext]

MOST_HOSTS = 5  # tried for one letter before it waits
MOST_ADDRESSES = 4  # of each
# Seconds; more than an hour passes between late attempts, and each may be made by another worker, who has to find out.
AVOIDED = 4500.0
log = structlog.get_logger("mssgw.delivery")


@dataclass(slots=True, eq=False, kw_only=True)
class Connection:
    """An open connection. ``used``: transactions so far; ``in_transaction``: MAIL was said, so RSET comes first.

    ``idle_since``: on the loop's clock, when it was last put into the pool; 0.0 for never. ``chain``: the peer's, where
    it was vetted.
    """

    wire: Wire
    host: str
    offer: Offer
    used: int = 0
    in_transaction: bool = False
    idle_since: float = 0.0
    chain: Chain = ()


class Dialer:
    """Opens connections. Each step has a limit of its own; whoever calls bounds them all (Timeouts.attempt)."""

    def __init__(
        self,
        *,
        hostname: str,
        tls_contexts: TlsContexts,
        resolver: Resolver,
        timeouts: Timeouts,
        trust: Trust | None = None,
    ) -> None:
        self._hostname = hostname
        self._vetting = Vetting(trust)
        self._tls_contexts = tls_contexts
        self._resolver = resolver
        self._timeouts = timeouts
        self._avoided: dict[str, float] = {}  # until when, on the loop's clock

    async def dial(self, route: Route) -> Connection:
        """Open a connection to the first host, by preference, that can be reached. Raises Unreachable."""
        troubles: list[Unreachable] = []
        now, preferred = asyncio.get_running_loop().time(), (await self._hosts(route))[:MOST_HOSTS]
        hosts = sorted(preferred, key=lambda host: self._avoided.get(host, now) > now)
        while hosts:
            host = hosts.pop(0)
            try:
                connection = await self._dial_host(route, host)
            except Unreachable as exc:
                self._log_failure(route, exc)
                troubles.append(exc)
                if not exc.try_next:  # but those before it, which are avoided: it would not have been met at all
                    hosts = [each for each in hosts if each in preferred[: preferred.index(host)]]
            else:
                if troubles:  # dialled before it again: to wait for them each time helps no letter
                    self._avoided.pop(host, None)
                return connection
        if troubles:
            raise of_all(troubles)
        raise Unreachable(Deferred(reply=NO_CONNECTION, next_hop=route.host, down=True))

    def avoid(self, host: str) -> None:
        """Dial others of its domain before it for a while: it talks to us, and took no letter for now.

        A best exchanger with a full disk says so at MAIL, for hours, while the next one would take the letter (RFC 5321
        section 5.1: each is tried, until one delivers).
        """
        now = asyncio.get_running_loop().time()
        self._avoided = {each: until for each, until in self._avoided.items() if until > now}
        self._avoided[host] = now + AVOIDED

    def still_trusts(self, route: Route, connection: Connection) -> bool:
        """Whether a letter may go out on a kept connection: certificates are revoked, and domains change hands."""
        if route.tls is not TlsPolicy.MUTUAL:
            return True
        return self._vetting.still_admits(connection.chain, route, connection.host)

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
        troubles: list[Unreachable] = []
        for address in addresses:
            try:
                return await self._open(route, host, address)
            except Unreachable as exc:
                if not exc.try_next:
                    raise
                troubles.append(exc)
        trouble = of_all(troubles)
        for each in troubles:
            if is_distrust(each) and not is_distrust(trouble):
                self._log_failure(route, each)
        raise trouble

    async def _open(self, route: Route, host: str, address: str) -> Connection:
        try:
            context = verifying_context(route, self._tls_contexts)
            client = aiosmtplib.SMTP(
                hostname=host,
                sock=await self._connect(host, address, route.port),
                local_hostname=self._hostname,
                timeout=self._timeouts.greeting,
                use_tls=route.tls is TlsPolicy.IMPLICIT,
                start_tls=False,
                tls_context=context,
            )
            connection, tls = await _introduce(client, route, host, self._vetting)
        except (aiosmtplib.SMTPException, OSError, ValueError, Refused, NotTrusted) as exc:
            trouble, cause = unreachable(exc, host, mutual=route.tls is TlsPolicy.MUTUAL)
            raise trouble from cause
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
            raise Unreachable(Deferred(reply=no_connection(exc), next_hop=host, down=True), try_next=True) from exc
        except BaseException:
            sock.close()
            raise
        return sock

    def _log_failure(self, route: Route, trouble: Unreachable) -> None:
        outcome = trouble.outcome
        if isinstance(cause := trouble.__cause__, NotTrusted):
            tell(cause, route, outcome.next_hop)
            return
        log.warning(
            "delivery.connection_failed",
            route=route.name,
            host=outcome.next_hop,
            port=route.port,
            tls=str(route.tls),
            code=outcome.reply.code,
            status=outcome.reply.status,
            why=why(trouble),
        )


def verifying_context(route: Route, contexts: TlsContexts) -> ssl.SSLContext | None:
    """The context that a route asks for; None without TLS. Raises Refused when it would not verify everything."""
    if route.tls is TlsPolicy.NONE:
        return None
    try:
        context = contexts(route)
    except (GatewayError, OSError, ValueError):  # a certificate file that cannot be used; SSLError is an OSError
        raise Refused(NOT_TRUSTED) from None
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise Refused(NOT_TRUSTED)  # a context that trusts anybody is a mistake, never a policy
    return context


async def _introduce(
    client: aiosmtplib.SMTP, route: Route, host: str, vetting: Vetting
) -> tuple[Connection, str | None]:
    """Greeting to AUTH; the connection and its TLS version."""
    await client.connect()
    transport = cast(asyncio.Transport, client.transport)
    try:
        await _hello(client)
        chain: Chain = ()
        if route.tls in (TlsPolicy.REQUIRE, TlsPolicy.MUTUAL):
            transport = await _start_tls(client)
            if route.tls is TlsPolicy.MUTUAL:  # req: TLS-6, TLS-7
                chain = vetting.admit(transport.get_extra_info("ssl_object"), route)
            await _hello(client)
        if route.login is not None:
            await _login(client, route.login, route.password or "")
        tls = transport.get_extra_info("ssl_object")
        return _take_over(client, transport, host, chain), tls.version() if tls is not None else None
    except BaseException:
        transport.abort()
        raise


async def _hello(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as refused:
        if refused.code // 100 == 4:
            raise  # for now: what it offers is not known, and a letter would bounce for want of it
        await client.helo()  # RFC 5321 section 3.2; raises again when the connection is gone


async def _start_tls(client: aiosmtplib.SMTP) -> asyncio.Transport:
    if not client.supports_extension("starttls"):
        raise Refused(NO_STARTTLS)
    try:
        await client.starttls()  # drops what the peer sent in clear after its 220 (RFC 3207 section 4.2)
    except aiosmtplib.SMTPResponseException as exc:
        raise Refused(_starttls_refused(exc)) from None
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
        raise Refused(NO_LOGIN) from None


def _take_over(client: aiosmtplib.SMTP, transport: asyncio.Transport, host: str, chain: Chain) -> Connection:
    """Replace aiosmtplib's protocol by ours; nothing of the peer may be left unread between the two."""
    if getattr(client.protocol, "_buffer", b"") or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("unsolicited reply")
    return Connection(wire=Wire(transport), host=host, offer=Offer.of(client.esmtp_extensions), chain=chain)

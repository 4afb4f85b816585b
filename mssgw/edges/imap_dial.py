"""From an account to an open, verified and logged-in IMAP connection.

No login goes out before certificate and host name are verified, and nothing falls back to clear text (TLS-7).
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mssgw.core.errors import GatewayError
from mssgw.core.routes import TlsPolicy
from mssgw.edges.imap_answers import Answer
from mssgw.edges.imap_limits import Limits
from mssgw.edges.imap_wire import AUTH, Wire
from mssgw.edges.resolver import Resolver, Unreachable
from mssgw.formats.imap_writing import Unwritable, quoted
from mssgw.ports.mailbox import Account, LoginBroken, LoginRefused, MailboxDistrusted, MailboxLost, MailboxTrouble

TlsContexts = Callable[[Account], ssl.SSLContext]
T = TypeVar("T")

MOST_ADDRESSES = 4
_TEMPORARY = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})  # codes of RFC 5530 that are not about the login

# A peer that vanished without a word is missed within about half a minute, IDLE or not.
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))


class Dialer:
    """Opens connections. ``tls_contexts``: the client context of an account, asked for at each connection.

    Let accounts share one: each costs a megabyte where it holds the public authorities.
    """

    def __init__(self, *, tls_contexts: TlsContexts, resolver: Resolver, limits: Limits) -> None:
        self._tls_contexts, self._resolver, self._limits = tls_contexts, resolver, limits

    async def dial(self, account: Account) -> tuple[Wire, frozenset[str]]:
        """The connection and what the server can do. Raises MailboxLost, MailboxDistrusted, LoginRefused."""
        context = self._verifying_context(account)
        wire = await self._connect(account, context)
        try:
            return wire, await self._introduce(wire, account, context)
        except ssl.SSLError as error:
            raise _distrust(account, error) from None
        except OSError as error:
            raise MailboxLost(f"{account.host}: {_why(error)}") from None
        except BaseException:
            wire.fail("given up")
            raise

    async def _connect(self, account: Account, context: ssl.SSLContext | None) -> Wire:
        try:
            addresses = await self._resolver.addresses(account.host, mx=False)
        except Unreachable as exc:
            raise MailboxLost(f"{account.host}: {exc.outcome.reply.text}") from None
        trouble: MailboxTrouble = MailboxLost(f"{account.host}: no address")
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._open(account, address, context if account.tls is TlsPolicy.IMPLICIT else None)
            except ssl.SSLError as error:
                trouble = _distrust(account, error)
            except OSError as error:  # a TimeoutError is one
                trouble = MailboxLost(f"{account.host}: {_why(error)}")
        raise trouble

    async def _open(self, account: Account, address: str, context: ssl.SSLContext | None) -> Wire:
        loop, limits = asyncio.get_running_loop(), self._limits
        async with asyncio.timeout(limits.connect * 2):
            transport, wire = await loop.create_connection(
                lambda: Wire(account.host, limits),
                address,
                account.port,
                ssl=context,
                server_hostname=account.host if context else None,
                ssl_handshake_timeout=limits.connect if context else None,
            )
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return wire

    async def _introduce(self, wire: Wire, account: Account, context: ssl.SSLContext | None) -> frozenset[str]:
        greeting = await wire.greeted()
        if greeting.kind == "PREAUTH":  # nobody asked who we are, and STARTTLS can no longer be said
            raise MailboxDistrusted(f"{account.host}: the server greets us as logged in")
        offers = await capabilities(wire)
        if account.tls is TlsPolicy.REQUIRE:
            if "STARTTLS" not in offers or context is None:
                raise MailboxDistrusted(f"{account.host}: no STARTTLS is offered")
            await wire.start_tls(context)
            offers = await capabilities(wire)  # what was said in clear counts no more (RFC 3501 section 6.2.1)
        answer = await _unbroken(_login(wire, account, offers))
        if answer.status.kind != "OK":
            raise _refused(account, answer)
        wire.state = AUTH
        return await _unbroken(capabilities(wire))

    def _verifying_context(self, account: Account) -> ssl.SSLContext | None:
        if account.tls is TlsPolicy.NONE:
            return None
        try:
            context = self._tls_contexts(account)
        except (GatewayError, OSError, ValueError):
            raise MailboxDistrusted(f"{account.host}: our trust anchors cannot be used") from None
        if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
            raise MailboxDistrusted(f"{account.host}: our TLS context verifies nobody")  # a mistake, never a policy
        if account.tls is TlsPolicy.MUTUAL:
            raise MailboxDistrusted(f"{account.host}: mutual TLS is for operators, not for mail stores")
        return context


async def _unbroken(step: Awaitable[T]) -> T:
    """A step of the login. Raises LoginBroken in place of MailboxLost: the store was there until then."""
    try:
        return await step
    except MailboxLost as error:
        raise LoginBroken(str(error)) from None


async def capabilities(wire: Wire) -> frozenset[str]:
    """What the server can do, in upper case. Raises MailboxLost."""
    answer = await wire.ask("CAPABILITY")
    words = [word for each in answer.named("CAPABILITY") for word in each.raw[0].split()]
    return frozenset(word.decode("ascii", "replace").upper() for word in words)


async def _login(wire: Wire, account: Account, offers: frozenset[str]) -> Answer:
    """AUTHENTICATE PLAIN where it is offered: it takes every password, and a master user; else LOGIN."""
    if "AUTH=PLAIN" in offers:
        words = (account.authorize_as, account.login, account.password)
        if any("\0" in word for word in words):
            raise LoginRefused(f"{account.host}: login or password cannot be written")
        secret = base64.b64encode("\0".join(words).encode())
        if "SASL-IR" in offers:
            return await wire.ask("AUTHENTICATE", "PLAIN", secret.decode())
        return await wire.ask_with("AUTHENTICATE", "PLAIN", rest=secret)
    if "LOGINDISABLED" in offers or account.authorize_as:
        raise LoginRefused(f"{account.host}: no way to log in that we know is offered")
    try:
        return await wire.ask("LOGIN", quoted(account.login), quoted(account.password))
    except Unwritable:
        raise LoginRefused(f"{account.host}: login or password cannot be written") from None


def _refused(account: Account, answer: Answer) -> MailboxTrouble:
    if answer.status.code in _TEMPORARY:
        return MailboxLost(f"{account.host}: no login now ({answer.status.code})")
    return LoginRefused(f"{account.host}: login refused")


def _distrust(account: Account, error: ssl.SSLError) -> MailboxDistrusted:
    """In OpenSSL's words: "certificate has expired", or that it is not valid for our name of the host."""
    return MailboxDistrusted(f"{account.host}: {getattr(error, 'verify_message', '') or error.reason or 'TLS'}")


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "no connection in time"

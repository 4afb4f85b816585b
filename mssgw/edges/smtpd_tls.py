"""STARTTLS and implicit TLS on an inbound connection."""

import asyncio
import ssl
from typing import NoReturn

from mssgw.core.trust import Chain
from mssgw.edges import smtpd_replies as say
from mssgw.edges.certificates import chain_of
from mssgw.edges.smtpd_dialogue import Dialogue, Verb
from mssgw.edges.smtpd_listener import TlsMode
from mssgw.edges.tls_mutual import ALERTED

_BEFORE_TLS = frozenset({"EHLO", "HELO", "NOOP", "QUIT", "STARTTLS"})
_SHUTDOWN = 5.0  # seconds for the peer's close_notify


class TlsDialogue(Dialogue):
    """A dialogue that knows TLS. ``tls``: version and cipher, "" in clear. ``chain``: what the peer proved to be."""

    chain: Chain = ()

    async def begin(self) -> None:
        if self.listener.tls is TlsMode.IMPLICIT:
            await self._secure()

    def verb(self, verb: str) -> Verb | None:
        if self.listener.require_tls and not self.tls and verb in self._verbs and verb not in _BEFORE_TLS:
            return self._tls_first  # req: TLS-1, WL-8
        return super().verb(verb)

    async def _tls_first(self, arg: str | None) -> None:
        await self.say(say.TLS_FIRST)

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.listener.tls is not TlsMode.STARTTLS or self.tls:
            await self.say(say.NO_TLS)
        elif arg:
            await self.say(say.BAD_SYNTAX)
        elif self.lines.pending():  # would be read as if it had come through TLS (threats finding 4)
            await self.say(say.AFTER_STARTTLS)
            self.hang_up(None)
        else:
            self._out.append(b"220 2.0.0 Pret pour TLS\r\n")
            self.flush()
            await self._secure()
            self.forget()

    async def _secure(self) -> None:
        """Let TLS grow over the connection. Raises ConnectionError when the handshake fails or takes too long."""
        plain, context = self.transport, self.listener.context
        assert isinstance(plain, asyncio.Transport)
        assert context is not None
        ALERTED.set(plain)  # this connection's task has a context of its own
        self._over_ssl = True  # before we hear of it: a peer may close with the last octet of the handshake
        try:
            secure = await self.loop.start_tls(
                plain,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self.listener.handshake,
                ssl_shutdown_timeout=_SHUTDOWN,
            )
            tls = secure.get_extra_info("ssl_object") if secure is not None else None
        except ssl.SSLCertVerificationError as error:
            self.log.certificate_refused(error.verify_message, getattr(error, "presented", b""))  # req: TLS-4, TLS-5
            self._no_tls(plain)
        except OSError as error:  # SSLError and TimeoutError are some
            self._no_tls(plain, str(getattr(error, "reason", None) or type(error).__name__))
        finally:
            ALERTED.set(None)
        if secure is None or tls is None:
            self._no_tls(plain, "lost")
        assert isinstance(tls, ssl.SSLObject)
        self.tls = f"{tls.version()} {(tls.cipher() or ('',))[0]}"
        self._move_to(secure)
        if self.listener.peers:
            self.chain = self.log.chain = chain_of(tls)

    def _no_tls(self, plain: asyncio.Transport, reason: str = "") -> NoReturn:
        self.why = "tls"
        if reason:
            self.log.tls_failed(reason)
        plain.abort()
        self.connection_lost(None)  # asyncio leaves it out when the handshake never ended
        raise ConnectionResetError

    def _move_to(self, secure: asyncio.Transport) -> None:
        """Put the TLS transport in the place of the plain one, in asyncio's stream objects too."""
        self._over_ssl = True
        self.transport = self._transport = secure
        self._writer._transport = secure  # type: ignore[attr-defined]
        self.lines.move_to(secure)

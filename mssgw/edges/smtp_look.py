"""A look at an operator's server, for ``trust peer``: what it shows, and what our handshake makes of it.

The first look is the handshake that letters take. When that fails, others find out what is wrong and see the chain all
the same: without the host name, then without verifying anything. They say EHLO, STARTTLS and QUIT, and nothing over
TLS: whoever is there is not trusted. Nothing of a letter is ever said.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import cast

import aiosmtplib
from cryptography import x509

from mssgw.core.errors import GatewayError
from mssgw.core.trust import Certificate, Chain
from mssgw.edges.certificates import certificate, presented_ders, verified_ders
from mssgw.edges.smtp_trouble import tls_error
from mssgw.edges.smtp_trust import WRONG_HOST

STEP = 15.0  # seconds for each answer
TOTAL = 60.0  # for one look
_QUIT = 2.0


class NothingToSee(GatewayError):
    """The peer's certificate could not be seen. The text says why, and may quote an answer of the peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen. ``proven``: the handshake verified the chain, which ends with an anchor then.

    ``issuers``: as the certificates of ``chain`` name them. ``chain_flaw``, ``host_flaw``: what the handshake has
    against them. ``answer``: what became of EHLO over TLS, "" when nothing is trusted and it was not said.
    """

    chain: Chain
    issuers: tuple[str, ...]
    proven: bool
    tls: str
    cipher: str
    chain_flaw: str = ""
    host_flaw: str = ""
    answer: str = ""
    answered: bool = False


async def look(host: str, port: int, *, hostname: str, context: Callable[[], ssl.SSLContext]) -> Look:
    """Look at a server. ``hostname``: ours. ``context``: makes tls.mutual_client_context(). Raises NothingToSee."""
    try:
        return await _look(host, port, hostname, context())
    except ssl.SSLCertVerificationError as error:
        first = error
    wrong_host = first.verify_message if first.verify_code in WRONG_HOST else ""
    nameless = context()
    nameless.check_hostname = False
    try:
        seen = await _look(host, port, hostname, nameless, say_more=False)
        return replace(seen, host_flaw=first.verify_message)  # nothing else was wrong with it
    except ssl.SSLCertVerificationError as error:
        chain_flaw = error.verify_message
    nameless.verify_mode = ssl.CERT_NONE
    seen = await _look(host, port, hostname, nameless, say_more=False)
    if not wrong_host and seen.chain and not _is_for(seen.chain[0], host):
        wrong_host = f"not for {host}"
    return replace(seen, chain_flaw=chain_flaw, host_flaw=wrong_host)


async def _look(host: str, port: int, hostname: str, context: ssl.SSLContext, *, say_more: bool = True) -> Look:
    """Raises NothingToSee, and SSLCertVerificationError when that is why."""
    client = aiosmtplib.SMTP(
        hostname=host,
        port=port,
        local_hostname=hostname,
        timeout=STEP,
        use_tls=False,
        start_tls=False,
        tls_context=context,
    )
    opened: list[asyncio.BaseTransport | None] = []  # a handshake that fails leaves the plain one behind
    try:
        async with asyncio.timeout(TOTAL):
            return await _introduce(client, context, opened, say_more=say_more)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # SSLError and TimeoutError are OSErrors
        if isinstance(tls := tls_error(error), ssl.SSLCertVerificationError):
            raise tls from None
        raise NothingToSee(_what_is_wrong(error, tls)) from None
    finally:
        for each in (client.transport, *opened):
            if each is not None:
                cast(asyncio.Transport, each).abort()
        await asyncio.sleep(0)  # in which they are closed


async def _introduce(
    client: aiosmtplib.SMTP, context: ssl.SSLContext, opened: list[asyncio.BaseTransport | None], *, say_more: bool
) -> Look:
    await client.connect()
    opened.append(client.transport)
    await client.ehlo()
    if not client.supports_extension("starttls"):
        raise NothingToSee("it offers no STARTTLS")
    await client.starttls()
    tls = cast(asyncio.Transport, client.transport).get_extra_info("ssl_object")
    proven = context.verify_mode is ssl.CERT_REQUIRED
    ders = verified_ders(tls) if proven else presented_ders(tls)
    seen = Look(
        chain=tuple(certificate(der) for der in ders),
        issuers=tuple(_issuer(der) for der in ders),
        proven=proven,
        tls=tls.version() or "",
        cipher=(tls.cipher() or ("",))[0],
    )
    if say_more:
        seen = await _greet(client, seen)
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=_QUIT)
    return seen


async def _greet(client: aiosmtplib.SMTP, seen: Look) -> Look:
    """With TLS 1.3 a server that does not like our certificate says so only now."""
    try:
        answer = await client.ehlo()
        return replace(seen, answer=f"{answer.code} to EHLO", answered=True)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return replace(seen, answer=_what_is_wrong(error, tls_error(error)))


def _issuer(der: bytes) -> str:
    try:
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()
    except Exception:  # as in certificates.py: what cannot be read has no issuer to show
        return ""


def _is_for(leaf: Certificate, host: str) -> bool:
    """As OpenSSL would say, had it come so far: it finds flaws of the chain first."""
    names = [name.lower().rstrip(".") for name in leaf.hosts]
    with suppress(ValueError):
        return str(ipaddress.ip_address(host)) in names
    wanted = host.lower().rstrip(".")
    return wanted in names or f"*.{wanted.partition('.')[2]}" in names


def _what_is_wrong(error: BaseException, tls: ssl.SSLError | None) -> str:
    if tls is not None:
        return f"TLS failed: {tls.reason or 'closed'}"
    match error:
        case aiosmtplib.SMTPResponseException():
            return f"it answered {error.code} {error.message.splitlines()[0] if error.message else ''}".rstrip()
        case aiosmtplib.SMTPTimeoutError() | TimeoutError():
            return f"no answer within {STEP:g} s"
        case aiosmtplib.SMTPConnectError():
            return f"no connection: {error.__cause__ or error}"
        case aiosmtplib.SMTPServerDisconnected():
            return "it closed the connection"
        case OSError():
            return f"no connection: {error.strerror or type(error).__name__}"
        case _:
            return type(error).__name__

"""ports.Hooks: one HTTPS POST of a small JSON, within seconds or not at all."""

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from mssgw.edges.http_get import HttpTrouble, post, what_is_wrong
from mssgw.edges.lone_thread import LoneThread
from mssgw.ports import Untold

TOTAL = 15.0  # seconds, from the look-up of the name to the status line
_HEADERS = {"Content-Type": "application/json", "User-Agent": "mssgw"}


class Webhooks:
    """Redirections are not followed: what is told is told to the server that the configuration names."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, total: float = TOTAL) -> None:
        """``tls``: the context in force, which verifies certificate and host name. ``total``: seconds."""
        self._tls, self._total = tls, total
        # One after the other to one server, each with a thread of its own: a name that hangs keeps nobody else waiting.
        self._servers: dict[str, tuple[asyncio.Lock, LoneThread]] = {}

    async def post(self, url: str, content: bytes) -> None:
        target = urlsplit(url)
        if target.scheme != "https":
            raise Untold("the URL is not https")
        line, thread = self._servers.setdefault(target.netloc, (asyncio.Lock(), LoneThread("webhook-look-up")))
        try:
            async with line, asyncio.timeout(self._total):
                status = await post(target, _HEADERS, content, tls=self._tls(), thread=thread)
        except TimeoutError:
            raise Untold(f"no answer within {self._total:g} s") from None
        except (HttpTrouble, OSError, EOFError) as error:
            raise Untold(what_is_wrong(error)) from None
        if not 200 <= status < 300:
            raise Untold(f"HTTP status {status}")

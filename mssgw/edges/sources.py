"""Where published files come from: a path, or a URL that is asked whether it has something new."""

import asyncio
import base64
import os
import re
import ssl
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from mssgw.core.errors import SourceUnavailable
from mssgw.edges.http_get import Answer, HttpTrouble, get, what_is_wrong
from mssgw.edges.lone_thread import LoneThread
from mssgw.ports import Source

TOTAL = 20.0  # seconds for one file in all: with a poll of 30 s, a revocation takes effect within 60 s
_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_SENDABLE = re.compile(r"[ -~]{1,500}")
_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


def source(place: str, *, tls: ssl.SSLContext, clear: bool = False, total: float = TOTAL) -> Source:
    """The source that a configuration names: a path, or a URL.

    ``tls`` verifies servers: tls.client_context(ca_file=anchors). ``clear``: http will do too, for what is signed by
    itself (CRLs: their distribution points are http so as not to need one another). ``total``: seconds.
    Raises SourceUnavailable for a URL that can never be fetched.
    """
    if "://" not in place:
        return PathSource(Path(place), total=total)
    return UrlSource(place, tls=tls, schemes=frozenset({"https", "http"} if clear else {"https"}), total=total)


class PathSource:
    """A file, read again when it is another one or was written to. It is as old as it was written to last.

    A file lies there for ever, whether or not anybody still renews it: only its time tells.
    """

    def __init__(self, path: Path, *, total: float = TOTAL) -> None:
        self._path, self._total = path, total
        self._thread = LoneThread("source-file")
        self._seen: tuple[int, ...] = ()
        self.as_of: datetime | None = None

    @property
    def name(self) -> str:
        return str(self._path)

    async def fetch(self, *, limit: int) -> bytes | None:
        try:
            async with asyncio.timeout(self._total):
                content, status = await self._thread.run(self._read, limit, self._seen)
        except TimeoutError:
            raise SourceUnavailable(f"{self.name}: cannot be read within {self._total:g} s") from None
        except OSError as error:
            raise SourceUnavailable(f"{self.name}: {error.strerror or 'cannot be read'}") from None
        self._seen = _identity(status)  # not in the thread: what comes too late for us was not given
        self.as_of = datetime.fromtimestamp(status.st_mtime, UTC)
        return content

    def forget(self) -> None:
        self._seen = ()

    def _read(self, limit: int, seen: tuple[int, ...]) -> tuple[bytes | None, os.stat_result]:
        # Without waiting: a named pipe would hold the thread until somebody writes to it.
        with open(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise SourceUnavailable(f"{self.name}: is no file")
            if _identity(before) == seen:
                return None, before
            content = file.read(limit + 1)
            if len(content) > limit:
                raise SourceUnavailable(f"{self.name}: larger than {limit} octets")
            if _identity(os.fstat(file.fileno())) != _identity(before):
                raise SourceUnavailable(f"{self.name}: changes while it is read")
        return content, before


class UrlSource:
    """A file on a web server, fetched again when its ETag or date has changed."""

    as_of: datetime | None = None  # a server that answers publishes it now

    def __init__(self, url: str, *, tls: ssl.SSLContext, schemes: frozenset[str], total: float = TOTAL) -> None:
        self._tls, self._schemes, self._total = tls, schemes, total
        self._thread = LoneThread("source-look-up")
        self._validators: Mapping[str, str] = {}
        try:
            self._url = urlsplit(url)
            self._name = _shown(self._url)
        except ValueError:
            raise SourceUnavailable("a URL that cannot be read") from None
        self._refuse_scheme(self._url)

    @property
    def name(self) -> str:
        return self._name

    async def fetch(self, *, limit: int) -> bytes | None:
        try:
            async with asyncio.timeout(self._total):
                answer = await self._follow(limit)
        except TimeoutError:
            raise SourceUnavailable(f"{self.name}: not fetched within {self._total:g} s") from None
        except (HttpTrouble, ssl.SSLError, OSError, EOFError) as error:
            raise SourceUnavailable(f"{self.name}: {what_is_wrong(error)}") from None
        if answer.status == 304 and self._validators:
            return None
        if answer.status != 200:
            raise SourceUnavailable(f"{self.name}: HTTP status {answer.status}")
        told = {ask: answer.headers.get(tell, "") for tell, ask in _VALIDATORS.items()}
        self._validators = {ask: value for ask, value in told.items() if value and _SENDABLE.fullmatch(value)}
        return answer.body

    def forget(self) -> None:
        self._validators = {}

    async def _follow(self, limit: int) -> Answer:
        url = self._url
        for _ in range(_REDIRECTS + 1):
            headers = {**self._validators, **self._login(url)}
            answer = await get(url, headers, tls=self._tls, limit=limit, thread=self._thread)
            if answer.status not in _MOVED or not (place := answer.headers.get("location")):
                return answer
            try:
                url = urlsplit(urljoin(url.geturl(), place))
                _shown(url)
            except ValueError:
                raise HttpTrouble("redirected to a URL that cannot be read") from None
            self._refuse_scheme(url)
        raise HttpTrouble(f"more than {_REDIRECTS} redirections")

    def _login(self, url: SplitResult) -> Mapping[str, str]:
        """User and password of the configured URL, for the server that it names and no other."""
        mine = self._url
        same = (url.scheme, url.hostname, url.port) == (mine.scheme, mine.hostname, mine.port)
        if not same or mine.username is None:
            return {}
        pair = f"{unquote(mine.username)}:{unquote(mine.password or '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _refuse_scheme(self, url: SplitResult) -> None:
        """An https file is never fetched in clear because a server says so."""
        allowed = self._schemes if self._url.scheme == "http" else self._schemes & {"https"}
        if url.scheme not in allowed or not url.hostname:
            leads = "leads" if url == self._url else "is redirected"
            raise SourceUnavailable(
                f"{self.name}: {leads} to {url.scheme or 'no'}://, not {' or '.join(sorted(allowed))}"
            )


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _shown(url: SplitResult) -> str:
    """Without user, password and query: what may be secret is there. Raises ValueError for a port that is none."""
    host = f"[{url.hostname}]" if url.hostname and ":" in url.hostname else url.hostname or ""
    return f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}{url.path}"

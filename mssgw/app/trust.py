"""The trust space at work in one process: white list and revocation lists, kept up to date, and the port over them."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from mssgw.app.config import Config
from mssgw.app.config.model import TrustSettings
from mssgw.app.eyes.health import Check
from mssgw.core.errors import StoreUnavailable
from mssgw.edges.crl_reading import authorities
from mssgw.edges.crls import Crls
from mssgw.edges.list_signature import PinnedSigner
from mssgw.edges.sources import source
from mssgw.edges.tls import client_context
from mssgw.edges.trust_files import TrustFiles
from mssgw.flow.trust import TrustSpace
from mssgw.flow.white_list import WhiteListKeeper
from mssgw.ports import Clock, Telemetry

FOLDER = "trust"  # below state_dir
_LIST_WITHIN = 120.0  # seconds: 4 MB over a slow line; nobody waits for it


class TrustAtWork:
    """``space``: the port. ``start`` before the first letter, then the tasks of ``work``."""

    def __init__(
        self,
        settings: TrustSettings,
        folder: Path,
        *,
        clock: Clock,
        telemetry: Telemetry,
        aloud: Telemetry,
        ours: Callable[[], Set[str]],
        make: bool = True,
    ) -> None:
        """``make`` False: the folder is only read, and may be missing.

        ``aloud``: of several workers one tells what all see. ``ours``: domains of our own establishments.

        Raises GatewayError (a file that cannot be used, a URL that can never be fetched), OSError.
        """
        anchors = settings.anchors.require()
        servers = client_context(ca_file=anchors)  # revocation lists prove themselves by their signatures
        signer = settings.white_list_signer
        shelf = TrustFiles(folder, make=make)
        self.crls = Crls(
            [source(each, tls=servers, clear=True) for each in settings.crls],
            authorities(anchors.read_bytes(), settings.certificate.require().read_bytes()),  # ours names intermediates
            folder,
            clock=clock,
            telemetry=telemetry,
            poll=settings.crl_poll.total_seconds(),
            grace=settings.crl_grace or timedelta(0),
        )
        self.white_list = WhiteListKeeper(
            source=source(settings.white_list, tls=list_servers(settings), total=_LIST_WITHIN),
            seal=PinnedSigner(signer.require().read_bytes()) if signer is not None else None,
            shelf=shelf,
            clock=clock,
            telemetry=telemetry,
            poll=settings.white_list_poll,
            aloud=aloud,
        )
        self.space = TrustSpace(usable=self.white_list.usable, revocation=self.crls, ours=ours)
        self._clock = clock

    async def start(self) -> None:
        """Take over what the last run kept: a restart needs no network."""
        await asyncio.to_thread(self.crls.load)
        with suppress(StoreUnavailable):  # run() tells
            await self.white_list.start()

    def work(self) -> Sequence["asyncio.Task[None]"]:
        """The tasks without which it would only grow old."""
        return [
            asyncio.create_task(self.white_list.run(), name="white-list"),
            asyncio.create_task(self.crls.run(), name="revocation"),
        ]

    def checks(self) -> Sequence[Check]:
        """For readiness: without a list, or revocation lists, all mail of the trust space waits."""
        return (self._list_check(), self._crl_check())

    def _list_check(self) -> Check:
        usable, age = self.white_list.usable(), self.white_list.age()
        facts = {"domains": len(usable.operators) if usable is not None else 0}
        if age is not None:
            facts["age_seconds"] = int(age.total_seconds())
        return Check(name="white_list", ok=usable is not None, facts=facts)

    def _crl_check(self) -> Check:
        now, ends = self._clock.now(), self.crls.ends()
        usable = sum(now <= end for end in ends)
        facts: Mapping[str, int] = {"usable": usable, "known": len(ends)}
        ok = usable == len(ends) > 0 and self.crls.settled
        return Check(name="revocation", ok=ok, facts=dict(facts))


def list_servers(settings: TrustSettings) -> ssl.SSLContext:
    """Whom the list is taken from: a server with a certificate of IGC-Santé, as the list's own has (WL-1), or a mirror.

    No public authority counts: unsigned, the list is only as good as who serves it. Raises TlsMisconfigured, OSError.
    """
    return client_context(ca_file=(settings.white_list_ca or settings.anchors).require(), public=False)


def trust_at_work(
    config: Config,
    *,
    clock: Clock,
    telemetry: Telemetry,
    aloud: Telemetry,
    ours: Callable[[], Set[str]],
    make: bool = True,
) -> TrustAtWork | None:
    """As configured; None without [trust]. ``make``: see TrustAtWork."""
    if config.trust is None:
        return None
    folder = config.gateway.state_dir / FOLDER
    return TrustAtWork(config.trust, folder, clock=clock, telemetry=telemetry, aloud=aloud, ours=ours, make=make)

"""What ``mssgw trust`` asks and does: the trust space as state_dir keeps it, beside a running daemon or without one."""

import asyncio
import ssl
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mssgw.app import wiring
from mssgw.app.config import Config
from mssgw.app.office import NoTrustSpace
from mssgw.app.ourselves import unlisted
from mssgw.app.trust import FOLDER, TrustAtWork, list_servers, trust_at_work
from mssgw.app.trust_status import TrustStatus, status_of
from mssgw.app.trust_try import last_try
from mssgw.core.errors import GatewayError
from mssgw.core.journal import WHITE_LIST, Entry, JournalEvent
from mssgw.core.list_change import Change, change, objection
from mssgw.core.trust import WhiteList, unfit
from mssgw.edges.anchors import Anchors
from mssgw.edges.certificates import UnreadableCertificates, certificates
from mssgw.edges.list_signature import PinnedSigner
from mssgw.edges.smtp_look import Look, look
from mssgw.edges.smtp_trust import SERVER
from mssgw.edges.sources import source
from mssgw.edges.tls_mutual import mutual_client_context
from mssgw.edges.trust_files import TrustFiles
from mssgw.flow.examine import Examined, examine
from mssgw.flow.white_list import Asked, read_list
from mssgw.formats.white_list import LIMIT
from mssgw.ports import Clock, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A file beside the list in force. ``refused``: why it would not be taken; ``new`` None: it cannot even be read.

    ``published``: it is known to be what is published now, not some other file.
    """

    old: WhiteList | None
    new: WhiteList | None
    changed: Change | None
    refused: str
    published: bool = False


class Ears:
    """ports.Telemetry that keeps what is said, for the command to tell."""

    def __init__(self) -> None:
        self.alarms: list[str] = []

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        if alarm or name == "trust.crl_unreachable":  # an alarm after a while only, and a command does not wait
            told = [str(fields[key]) for key in ("reason", "detail", "error") if fields.get(key)]
            if (place := str(fields.get("source") or "")) and not any(place in each for each in told):
                told.insert(0, place)
            self.alarms.append(": ".join([name, *told]))


class TrustDesk:
    """Made by trust_desk()."""

    def __init__(self, config: Config, clock: Clock, ears: Ears, work: TrustAtWork) -> None:
        self._config, self._clock, self._ears, self._work = config, clock, ears, work
        self._ours = frozenset(wiring.owners(config))
        self._folder = config.gateway.state_dir / FOLDER
        assert config.trust is not None
        self._settings = config.trust

    def ours(self, domain: str) -> bool:
        """Whether the domain, a key, is one of our own establishments'."""
        return domain in self._ours

    @property
    def own_domains(self) -> Set[str]:
        """Those of our own establishments, as keys."""
        return self._ours

    def refused_by_others(self, white_list: WhiteList) -> Sequence[str]:
        """Our own domains that this list does not give to our certificate: other operators would refuse their letters.

        Empty when our certificate cannot be read, which is told elsewhere.
        """  # req: TLS-6
        try:
            us = certificates(self._settings.certificate.require().read_bytes())[0].subject
        except (UnreadableCertificates, OSError):
            return ()
        return unlisted(white_list, us, self._ours)

    @property
    def white_list(self) -> WhiteList | None:
        """The one that is kept, be it too old or not."""
        held = self._work.white_list.held
        return held.list if held is not None else None

    @property
    def usable(self) -> bool:
        """Whether it is not too old."""
        return self._work.white_list.usable() is not None

    async def status(self) -> TrustStatus:
        """What is in force, and what is wrong with it. Raises StoreUnavailable."""
        tried = await asyncio.to_thread(last_try, self._folder, self._settings.white_list_poll)
        return await asyncio.to_thread(
            status_of, self._config, self._work, now=self._clock.now(), tried=tried, heard=self._ears.alarms
        )

    async def refresh(self, *, accepted: str = "") -> tuple[Asked, bool]:
        """Ask for the list now, and for the revocation lists unless a daemon does it; whether we did that.

        Raises StoreUnavailable, TimeoutError.
        """
        TrustFiles(self._folder)  # made where it is first written to
        asked = await self._work.white_list.refresh(accepted=accepted)
        return asked, await self._work.crls.ask_now()

    def about_crls(self) -> Sequence[str]:
        """What went wrong with revocation lists, when they were read and asked for."""
        return [each for each in self._ears.alarms if each.startswith("trust.crl_")]

    async def journal(self, store: Store, operator: str, detail: str) -> None:
        """Keep who did what to the list. Raises StoreUnavailable."""
        line = Entry(
            at=self._clock.now(), event=JournalEvent.TRUST, spool_id=WHITE_LIST, operator=operator, detail=detail
        )
        await store.note([line])

    async def compare(self, path: Path | None) -> Compared:
        """What would come of this list, or the published one, now. Raises OSError, SourceUnavailable."""
        old, now = self.white_list, self._clock.now()
        content = await self._content(path)
        try:
            new = await asyncio.to_thread(self._read, content, now)
        except GatewayError as error:
            return Compared(old=old, new=None, changed=None, refused=f"unusable: {error}")
        why = objection(new, old, now=now)
        changed = change(old, new) if old is not None else None
        refused, published = f"{why[0]}: {why[1]}" if why else "", self._is_the_source(path)
        return Compared(old=old, new=new, changed=changed, refused=refused, published=published)

    def _is_the_source(self, path: Path | None) -> bool:
        return path is None or path.absolute() == Path(self._settings.white_list)

    async def _content(self, path: Path | None) -> bytes:
        place = str(path) if path is not None else self._settings.white_list
        content = await source(place, tls=list_servers(self._settings)).fetch(limit=LIMIT)
        assert content is not None, "asked for the first time"
        return content

    def _read(self, content: bytes, now: datetime) -> WhiteList:
        signer = self._settings.white_list_signer
        return read_list(content, PinnedSigner(signer.require().read_bytes()) if signer else None, now)

    async def look(self, host: str, port: int) -> Look:
        """Look at an operator's server. Raises NothingToSee, TlsMisconfigured."""
        return await look(host, port, hostname=self._config.gateway.hostname, context=self._context)

    def examine(self, seen: Look, host: str, domain: str | None) -> Sequence[Examined]:
        """Each check of core.trust.Check, as letters for ``domain``, a key, would meet it."""
        flaw = seen.chain_flaw
        if not flaw and (distrust := unfit(seen.chain, SERVER, self._clock.now())) is not None:
            flaw = distrust.detail
        return examine(
            seen.chain,
            chain_flaw=flaw,
            host_flaw=seen.host_flaw,
            host=host,
            revocation=self._work.crls,
            white_list=self._work.white_list.usable(),
            domain=domain,
        )

    def _context(self) -> ssl.SSLContext:
        certificate = self._settings.certificate.require()
        key = self._settings.key.require() if self._settings.key else certificate
        return mutual_client_context(
            anchors=Anchors.read(self._settings.anchors.require()), certificate=certificate, key=key
        )

    def since(self, days: int) -> datetime:
        """The beginning of the last ``days``."""
        return self._clock.now() - timedelta(days=days)


async def trust_desk(config: Config, clock: Clock) -> TrustDesk:
    """Open what is kept of the trust space. Raises NoTrustSpace, StoreUnavailable, OSError."""
    ears, ours = Ears(), frozenset(wiring.owners(config))
    try:
        work = trust_at_work(config, clock=clock, telemetry=ears, aloud=ears, ours=lambda: ours, make=False)
    except GatewayError as error:
        raise NoTrustSpace(f"[trust] {error}") from None
    if work is None:
        raise NoTrustSpace(
            "no [trust] in the configuration: operators are known by their networks (docs/trust.md: how to change over)"
        )
    await work.start()
    return TrustDesk(config, clock, ears, work)

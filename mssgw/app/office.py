"""What the command line asks of a composed gateway; ``app/backoffice.py`` answers for real, tests over memory."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mssgw.core.addresses import Address
from mssgw.core.bal import PatientSpace
from mssgw.core.errors import GatewayError
from mssgw.core.facts import Facts
from mssgw.core.journal import Entry
from mssgw.core.settings import Settings
from mssgw.core.verdict import Verdict
from mssgw.ports import Clock, Desk, Directory, Patients, Purges, Store

if TYPE_CHECKING:
    from mssgw.app.trust_desk import TrustDesk
    from mssgw.flow.release import Judgement


class Office(Protocol):
    """An open store with what operators need around it. Everything a call raises is a GatewayError."""

    @property
    def clock(self) -> Clock:
        """What deliveries are due and leases lapse by: on PostgreSQL the database's, not this machine's."""

    @property
    def desk(self) -> Desk: ...

    @property
    def store(self) -> Store: ...

    @property
    def space(self) -> PatientSpace:
        """The configured patient domain: a bare matricule on the command line means a mailbox in it."""

    @property
    def directory(self) -> Directory: ...

    @property
    def patients(self) -> Patients: ...

    @property
    def purges(self) -> Purges: ...

    @property
    def settings(self) -> Settings:
        """As configured, without a white list."""

    async def trust(self) -> "TrustDesk":
        """The trust space, as it is kept now. Raises NoTrustSpace."""

    def ours(self, bal: Address) -> bool:
        """Whether the mailbox may be one of a configured establishment, by its domain or address."""

    async def bounce(self, spool_id: str, *, operator: str, untold: bool = False) -> int:
        """End the open deliveries of a letter as bounced and tell its sender; returns how many.

        ``untold``: also when the letter cannot be read any more, so that nobody can be told; else that raises
        Undecryptable. Raises Gone when the letter is unknown or erased, or being sent: what was not stays held then.
        """

    async def judge(self, spool_id: str) -> "Judgement | None":
        """What is decided of a held letter as things stand now; nothing is kept. None: no delivery of it is held.

        Raises Gone and Undecryptable when what there was to send is missing or damaged (SD-10, SD-12).
        """

    async def explain_file(
        self, content: bytes, *, sender: Address | None, recipients: Sequence[Address], client: str | None
    ) -> tuple[Facts, Verdict]:
        """What would be decided now of this letter in that envelope; nothing is kept, sent or journalled.

        ``sender`` None is ``<>``. ``client``: a configured client's name; None: the only one that may use the sender.
        Raises NoSuchClient.
        """

    async def explain_id(self, spool_id: str) -> tuple[Facts | None, Verdict | None, Sequence[Entry]]:
        """The stored facts, the verdict that was given on them, and the journal; None once they are erased.

        The verdict is the one that was kept: what a letter was held for after time-outs is not in its facts.
        """


# ``alone``: nobody else may have the store open, a running daemon above all; raises StoreBusy otherwise.
# Opened in company, it raises StoreBusy only while somebody works alone.
Opener = Callable[[Path, bool], AbstractAsyncContextManager[Office]]


class NoTrustSpace(GatewayError):
    """There is no [trust] in the configuration, or what it names cannot be used."""


class NoSuchClient(GatewayError):
    """No configured client of that name, or none or several that may use this sender."""

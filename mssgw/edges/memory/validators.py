"""The Validators port within this process: for tests that are about something else."""

from collections.abc import AsyncIterator

from mssgw.core.report import Order, Report
from mssgw.formats.cda.installed import NOTHING_INSTALLED, Installed
from mssgw.formats.judging import judge_letter


class MemoryValidators:
    """Judges at once, without processes, deadlines or a sandbox."""

    def __init__(self, installed: Installed = NOTHING_INSTALLED) -> None:
        self._installed = installed

    async def judge(self, letter: AsyncIterator[bytes], order: Order, *, queue_id: str | None = None) -> Report:
        """See ports.Validators."""
        return judge_letter([octets async for octets in letter], order, self._installed)

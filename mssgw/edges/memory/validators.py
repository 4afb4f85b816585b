"""ports.Validators in this process: for tests, which trust their documents."""

from collections.abc import AsyncIterator

from mssgw.core.report import Order, Report
from mssgw.formats.cda.installed import NOTHING_INSTALLED, Installed
from mssgw.formats.judging import judge_letter


class MemoryValidators:
    """Judges on the spot. ``installed``: what an administrator added."""

    def __init__(self, installed: Installed = NOTHING_INSTALLED) -> None:
        self._installed = installed

    async def judge(self, letter: AsyncIterator[bytes], order: Order) -> Report:
        return judge_letter([chunk async for chunk in letter], order, self._installed)

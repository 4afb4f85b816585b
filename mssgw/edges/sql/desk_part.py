"""Where the parts of the desk begin."""

from mssgw.edges.sql.records import Records
from mssgw.edges.sql.session import Session
from mssgw.ports import Clock


class DeskPart:
    """What the parts of a desk stand on."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    @property
    def _records(self) -> Records:
        return self._session.records

"""stub"""

from mssgw.edges.sql.session import Session
from mssgw.ports import Clock


class SqlDesk:
    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

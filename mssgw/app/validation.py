"""Who judges clinical documents, by the configuration."""

import os

from mssgw.app.config import Config
from mssgw.app.seat import Seat
from mssgw.edges.validators import ProcessValidators
from mssgw.ports import Telemetry

PATIENCE = 2.0  # seconds that a letter may wait for a validator, besides what its documents take


def validators_of(config: Config, seat: Seat, telemetry: Telemetry) -> ProcessValidators:
    """This worker's part of those who judge documents."""
    count = config.documents.validators or len(os.sched_getaffinity(0))
    deadline = config.documents.deadline.total_seconds()
    return ProcessValidators(
        count=seat.share(count),
        telemetry=telemetry,
        deadline=deadline,
        patience=deadline + PATIENCE,
        state_dir=config.gateway.state_dir,
    )

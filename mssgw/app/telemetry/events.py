"""ports.Telemetry on structlog."""

from typing import Any

import structlog

from mssgw.ports import Telemetry


class LogTelemetry:
    """One log line for each event; an alarm is a warning with ``alarm=true``."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("mssgw")

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        if fields.get("count", 1) == 0 and not alarm:
            return
        given: dict[str, Any] = {key: value for key, value in fields.items() if value is not None and value != ""}
        if failure is not None:
            given["exc_info"] = failure
        if alarm:
            self._log.warning(name, alarm=True, **given)
        else:
            self._log.info(name, **given)


class FanOut:
    """Tells each event to several, in this order."""

    def __init__(self, *hearers: Telemetry) -> None:
        self._hearers = hearers

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        for hearer in self._hearers:
            hearer.event(name, alarm=alarm, failure=failure, **fields)


class Silence:
    """ports.Telemetry for commands: what they do is journalled, and printed by the command itself."""

    def event(
        self,
        name: str,
        *,
        alarm: bool = False,
        failure: BaseException | None = None,
        **fields: str | int | float | None,
    ) -> None:
        """Nothing."""

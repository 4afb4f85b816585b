"""The log: JSON lines on standard output for journald, a coloured form on a terminal.

Write events, not sentences: ``structlog.get_logger("mssgw.delivery").info("delivery.deferred", spool_id=…)``. Name
a letter by its queue id, a patient by the keyed hash. Every line passes ``redact.safe``; logging never raises.
"""

import json
import logging
import re
import select
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

from mssgw.app.telemetry import journald, redact
from mssgw.app.telemetry.hints import hint

Format = Literal["auto", "json", "console"]
EventDict = MutableMapping[str, Any]

# What libraries may say at most. aiosmtpd's mail.log prints RCPT TO, and at DEBUG the letter itself: silent.
LIBRARIES = {
    "mail.log": logging.CRITICAL + 1,
    "mail.debug": logging.CRITICAL + 1,
    "aiosmtpd": logging.CRITICAL + 1,
    "aiosmtplib": logging.WARNING,
    "aioimaplib": logging.CRITICAL + 1,  # it would print logins and letters; edges/imap_wire leaves it nothing to print
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,  # at INFO the engine prints parameters
    "alembic": logging.WARNING,
}

PATIENCE = 2.0  # seconds that whoever reads our lines may keep us waiting, before they go without them

_encode = json.JSONEncoder(separators=(",", ":"), default=redact.safe).encode
_key = lru_cache(1024)(redact.scrub)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|<[^<>]*>|\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]")
_PYTHON_WARNING = re.compile(r"([^\s/\\]+\.py|<\w+>):([0-9]+): (\w+): ")


def configure(level: str = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Send our events and what libraries log to ``stream`` (standard output), from this level upwards.

    ``form`` auto: console on a terminal, JSON elsewhere. May be called again, after a reload.
    """
    stream = stream or sys.stdout
    console = form == "console" or (form == "auto" and stream.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    output = _Output(stream, console=console)
    structlog.configure(
        processors=[output.render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda name="mssgw": _Logger(output, name),
        cache_logger_on_first_use=False,  # a reload may change level and form
    )
    _route_standard_library(output, threshold)
    _install_hooks(output)


def catch_up() -> None:
    """Tell what was missed as soon as somebody reads again: where only alarms are written, the next may be days away.

    To be called every second or so; it costs nothing while nothing is missed.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LibraryHandler) and handler.output.missed:
            handler.output.catch_up()


class _Logger:
    """What structlog calls with a finished line."""

    __slots__ = ("name", "output")

    def __init__(self, output: "_Output", name: str) -> None:
        self.output = output
        self.name = name

    def msg(self, line: str) -> None:
        self.output.write(line)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _Output:
    """Turns an event into one line and writes it. Trouble with the stream costs the line, never a letter.

    A reader that has stopped (journald over a disk that hangs, a terminal after Ctrl-S) is waited for once; what it
    then misses is counted, and told when it reads again. To wait for it at each line would stop the event loop.
    """

    def __init__(self, stream: TextIO, *, console: bool) -> None:
        self.stream = stream
        # The collector may end a task that fell while a line is written, by the same thread, and that makes a line too.
        self.lock = threading.RLock()
        self.room = _room(stream)
        self.missed = 0
        self.console = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else None
        self.priorities = journald.PRIORITIES if journald.reads(stream) else {}

    def render(self, logger: _Logger, level: str, event: EventDict) -> str:
        """The last processor: time, level, event and logger first, then the values, made safe.

        A warning carries what to do about it, where there is something.
        """
        failure = _failure(event.pop("exc_info", None))
        line: dict[str, Any] = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level,
            "event": redact.safe(event.pop("event", "")),
            "logger": logger.name,
        }
        for key, value in event.items():
            line[_key(key)] = redact.safe(value)
        if level == "warning" and (todo := hint(line["event"], line.get("queue_id"), line.get("status"))):
            line["hint"] = todo
        if failure is not None:
            line["exception"] = redact.describe(failure)
        text = _encode(line) if self.console is None else self._for_people(line)
        return self.priorities.get(level, "") + text

    def _for_people(self, line: dict[str, Any]) -> str:
        failure = line.pop("exception", None)
        line["timestamp"] = line.pop("ts")
        text = str(self.console(None, "", line)) if self.console is not None else ""
        return f"{text}\n{json.dumps(failure, indent=2)}" if failure else text

    def write(self, line: str) -> None:
        try:
            with self.lock:
                patience = 0.0 if self.missed else PATIENCE
                self._tell_missed()
                if self.missed or not self._is_read(within=patience):
                    self.missed += 1
                    return
                self._put(line)
        except (OSError, ValueError, RuntimeError):  # journald restarts, or the terminal is gone; see ``lock``
            pass

    def catch_up(self) -> None:
        """Tell what was missed, if somebody reads again; never raises."""
        try:
            with self.lock:
                self._tell_missed()
        except (OSError, ValueError, RuntimeError):  # as above
            pass

    def _tell_missed(self) -> None:
        if self.missed and self._is_read(within=0.0):
            missed, self.missed = self.missed, 0
            told = {"event": "log.missed", "alarm": True, "count": missed}
            self._put(self.render(_Logger(self, "mssgw"), "warning", told))

    def _is_read(self, *, within: float) -> bool:
        return self.room is None or bool(self.room.poll(within * 1000))

    def _put(self, line: str) -> None:
        try:
            self.stream.write(line + "\n")
        except UnicodeEncodeError:  # a terminal without our characters
            self.stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
        self.stream.flush()

    def emit(self, logger: str, level: str, event: str, **values: Any) -> None:
        self.write(self.render(_Logger(self, logger), level, {"event": event, **values}))


def _room(stream: TextIO) -> "select.poll | None":
    """Whether the stream takes a line now, for whoever asks it; None for one that is no file."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return None
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    return room


def _failure(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
        case _:
            return sys.exc_info()[1]


class _LibraryHandler(logging.Handler):
    """What libraries log, without the values that they put in."""

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self.output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            values: dict[str, Any] = {"said": _template(record)}
            if record.exc_info:
                values["exc_info"] = record.exc_info
            level = record.levelname.lower()
            self.output.emit(record.name, level, "library.message", **values)
        except Exception:
            self.output.emit("mssgw", "error", "log.failed")


def _template(record: logging.LogRecord) -> str:
    """The fixed part of a library's message: its first line as written in the source, quoted parts emptied."""
    if record.name == "py.warnings":
        found = _PYTHON_WARNING.search(record.getMessage())
        return f"{found[3]} at {found[1]}:{found[2]}" if found else "a warning"
    first = str(record.msg).partition("\n")[0][:200]
    if not record.args:  # the values may be in it already
        while (emptier := _QUOTED.sub("…", first)) != first:
            first = emptier
        first = first.partition(":")[0]
    return first


def _route_standard_library(output: _Output, threshold: int) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _LibraryHandler)]:
        if handler.output.stream is output.stream:  # after a reload: what was missed before is told all the same
            output.missed += handler.output.missed
        root.removeHandler(handler)
    root.addHandler(_LibraryHandler(output))
    root.setLevel(max(threshold, logging.WARNING))
    for name, lowest in LIBRARIES.items():
        logging.getLogger(name).setLevel(max(lowest, threshold))
    logging.raiseExceptions = False  # it would print the record, arguments and all, on standard error
    logging.captureWarnings(True)


def _install_hooks(output: _Output) -> None:
    """What Python prints on standard error when nobody caught an exception holds its message: log it our way."""

    def uncaught(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        output.emit("mssgw", "critical", "process.uncaught-exception", exc_info=error)

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            output.emit("mssgw", "critical", "thread.uncaught-exception", exc_info=args.exc_value)

    def unraisable(args: Any) -> None:
        output.emit("mssgw", "error", "process.unraisable-exception", exc_info=args.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable

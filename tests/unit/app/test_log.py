"""Log lines: JSON for machines, readable for people, and nothing that a library or a crash would give away."""

import asyncio
import fcntl
import io
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from mssgw.app.telemetry import log

PATIENT = "279035121518989"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The process as it was: hooks, handlers and levels are global."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions
    root, level = logging.getLogger(), logging.getLogger().level
    levels = {name: logging.getLogger(name).level for name in log.LIBRARIES}
    handlers = root.handlers[:]
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions = hooks
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, each in levels.items():
        logging.getLogger(name).setLevel(each)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """JSON at level info; what was logged so far."""
    log.configure("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line(lines: Lines) -> None:
    """Time in UTC, level, event and logger, then the values."""
    structlog.get_logger("mssgw.delivery").info("delivery.deferred", spool_id="01K9ZQ4M7T3C8XWD", reply=451)
    (line,) = lines()
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "delivery.deferred",
        "logger": "mssgw.delivery",
        "spool_id": "01K9ZQ4M7T3C8XWD",
        "reply": 451,
    }


def test_a_logger_made_before_the_set_up_follows_it(stream: io.StringIO) -> None:
    """Modules make theirs at import, and a reload may change level and form."""
    logger = structlog.get_logger("mssgw.early")
    log.configure("info", "json", stream)
    logger.debug("not.shown")
    log.configure("debug", "json", stream)
    logger.debug("shown")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["shown"]


def test_values_and_exceptions_pass_the_redaction(lines: Lines, stream: io.StringIO) -> None:
    """By whatever way they come: event, value, context, exception."""
    logger = structlog.get_logger("mssgw.accept")
    with structlog.contextvars.bound_contextvars(peer_said=PATIENT):
        try:
            raise ValueError(f"no conversation for {PATIENT}")
        except ValueError:
            logger.exception(f"letter for {PATIENT}", to=f"{PATIENT}@patient.mssante.fr", number=int(PATIENT))
    assert PATIENT not in stream.getvalue()
    (line,) = lines()
    assert line["exception"]["class"] == "ValueError"
    assert line["level"] == "error"


def test_a_line_that_json_cannot_hold_is_written_all_the_same(lines: Lines) -> None:
    """Half a character from a peer, a key of another kind."""
    structlog.get_logger().info("odd", text="\udc80é", table={1: {2}}, forged='"}\n{"event":"forged"')
    (line,) = lines()
    assert line["text"] == "\udc80é"
    assert line["table"] == {"1": [2]}


def test_a_broken_stream_costs_the_line_and_never_the_letter() -> None:
    """journald restarts; the gateway goes on."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    log.configure("info", "json", Broken())
    structlog.get_logger().info("delivery.delivered")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """A small pipe that nobody reads: where to read it after all, and the stream over its other end."""
    monkeypatch.setattr(log, "PATIENCE", 0.2)
    there, here = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(here, fcntl.F_SETPIPE_SZ, 8192)
    os.set_blocking(there, False)
    with open(there, "rb", closefd=True), open(here, "w", closefd=True) as stream:
        yield there, stream


def test_a_reader_that_has_stopped_keeps_the_gateway_waiting_once(unread: tuple[int, TextIO]) -> None:
    """journald over a disk that hangs: an event loop that waits for it delivers nothing, and is killed for hanging."""
    there, stream = unread
    log.configure("info", "json", stream)
    written = threading.Thread(target=lambda: [structlog.get_logger().info("x", n=n) for n in range(500)], daemon=True)
    started = time.monotonic()
    written.start()
    written.join(5)
    assert not written.is_alive()
    assert time.monotonic() - started < 2
    kept = os.read(there, 1 << 20).splitlines()
    structlog.get_logger().info("y")
    told, last = (json.loads(line) for line in os.read(there, 1 << 20).splitlines())
    assert (told["event"], told["level"], told["alarm"]) == ("log.missed", "warning", True)
    assert len(kept) + told["count"] == 500
    assert all(json.loads(line) for line in kept)
    assert "journald" in told["hint"]
    assert last["event"] == "y"


def test_what_was_missed_is_told_although_no_line_follows(unread: tuple[int, TextIO]) -> None:
    """With log.level = "warning" it was an alarm that is missing, and the next may come in a week."""
    there, stream = unread
    log.configure("warning", "json", stream)
    for n in range(100):
        structlog.get_logger().warning("x", n=n)
    log.catch_up()
    kept = os.read(there, 1 << 20).splitlines()
    assert json.loads(kept[-1])["event"] == "x"
    log.catch_up()
    log.catch_up()
    (told,) = (json.loads(line) for line in os.read(there, 1 << 20).splitlines())
    assert (told["event"], len(kept) + told["count"]) == ("log.missed", 100)


def test_a_reload_forgets_no_line_that_was_missed(unread: tuple[int, TextIO]) -> None:
    """An alarm may be among them."""
    there, stream = unread
    log.configure("info", "json", stream)
    for n in range(100):
        structlog.get_logger().info("x", n=n)
    log.configure("warning", "json", stream)
    kept = os.read(there, 1 << 20).splitlines()
    structlog.get_logger().warning("y")
    told, _ = (json.loads(line) for line in os.read(there, 1 << 20).splitlines())
    assert told["event"] == "log.missed"
    assert len(kept) + told["count"] == 100


def test_a_task_that_is_found_fallen_while_a_line_is_written_makes_a_line_too() -> None:
    """The collector runs when it likes, in the thread that writes: a lock against others must not stop that one."""

    class Collecting(io.StringIO):
        def write(self, text: str) -> int:
            if "first" in text:
                logging.getLogger("asyncio").error("Task exception was never retrieved")
            return super().write(text)

    stream = Collecting()
    log.configure("info", "json", stream)
    writing = threading.Thread(target=lambda: structlog.get_logger().info("first"), daemon=True)
    writing.start()
    writing.join(5)
    assert not writing.is_alive()
    assert sorted(json.loads(line)["event"] for line in stream.getvalue().splitlines()) == ["first", "library.message"]


def test_a_terminal_without_our_characters_still_gets_the_line() -> None:
    """An old console speaks ASCII."""
    raw = io.BytesIO()
    log.configure("info", "console", io.TextIOWrapper(raw, "ascii"))
    structlog.get_logger().info("check.done", said="prêt")
    assert rb"pr\xeat" in raw.getvalue()


def test_journald_gets_each_line_with_its_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `journalctl --priority warning` shows alarms; what journald does not read has none."""
    with (tmp_path / "log").open("w+") as stream:
        file = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino}")
        log.configure("debug", "json", stream)
        logger = structlog.get_logger("mssgw")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logger, level)("a.b")
        monkeypatch.setenv("JOURNAL_STREAM", f"{file.st_dev}:{file.st_ino + 1}")  # a redirection, within a service
        log.configure("info", "json", stream)
        logger.warning("a.b")
        stream.seek(0)
        written = stream.read().splitlines()
    assert [line.partition("{")[0] for line in written] == ["<7>", "<6>", "<4>", "<3>", "<2>", ""]
    assert {json.loads(line[line.index("{") :])["event"] for line in written} == {"a.b"}


def test_people_get_a_readable_form(stream: io.StringIO) -> None:
    """Event and values on one line; an exception below, without its text."""
    log.configure("info", "console", stream)
    try:
        raise ValueError(PATIENT)
    except ValueError:
        structlog.get_logger("mssgw.daemon").exception("daemon.failed", spool_id="01K9")
    first, rest = stream.getvalue().split("\n", 1)
    assert "daemon.failed" in first
    assert "spool_id=01K9" in first
    assert "ValueError" in rest
    assert PATIENT not in first + rest


def test_a_pipe_gets_json_unless_told_otherwise(stream: io.StringIO) -> None:
    """``auto`` looks whether somebody watches."""
    log.configure("info", "auto", stream)
    structlog.get_logger().info("x")
    assert json.loads(stream.getvalue())["event"] == "x"


@pytest.mark.parametrize("name", ["mail.log", "mail.debug", "mail.log.child"])
def test_the_server_library_is_silent_at_every_level(stream: io.StringIO, name: str) -> None:
    """aiosmtpd logs RCPT TO at INFO and the letter at DEBUG (threats, finding 2)."""
    log.configure("debug", "json", stream)
    logger = logging.getLogger(name)
    for level in (logging.DEBUG, logging.INFO, logging.ERROR, logging.CRITICAL):
        logger.log(level, "RCPT TO %s", PATIENT)
    assert stream.getvalue() == ""


def test_libraries_speak_without_their_values(lines: Lines) -> None:
    """The fixed part of the message stays; arguments and quoted parts go."""
    logging.getLogger("sqlalchemy.pool").warning("Exception closing %r", "Mme Durand")
    logging.getLogger("sqlalchemy.engine").info("INSERT [parameters: %s]", "Mme Durand")
    logging.getLogger("asyncio").error("Task was destroyed!\ntask: <Task 'Mme Durand'>")
    logging.getLogger("dns").warning("cannot read 'Mme Durand' (file 'durand.pdf'): Mme Durand")
    assert [(line["logger"], line["level"], line["said"]) for line in lines()] == [
        ("sqlalchemy.pool", "warning", "Exception closing %r"),
        ("asyncio", "error", "Task was destroyed!"),
        ("dns", "warning", "cannot read … …"),
    ]


def test_python_warnings_are_logged_by_class_and_place(stream: io.StringIO) -> None:
    """Their text may hold values."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure("info", "json", stream)
        warnings.warn("Mme Durand", RuntimeWarning, stacklevel=1)
    (line,) = (json.loads(line) for line in stream.getvalue().splitlines())
    assert line["said"].startswith("RuntimeWarning at test_log.py:")


async def test_an_exception_that_no_task_caught_is_logged_by_class(lines: Lines, stream: io.StringIO) -> None:
    """asyncio would print its repr."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError(PATIENT)}
    )
    (line,) = lines()
    assert (line["said"], line["exception"]["class"]) == ("Task exception was never retrieved", "ValueError")
    assert PATIENT not in stream.getvalue()


def test_a_crash_prints_no_message(lines: Lines, stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither of the process, nor of a thread, nor of a finaliser."""
    sys.excepthook(ValueError, ValueError(PATIENT), None)
    thread = threading.Thread(target=lambda: int(f"x{PATIENT}"))
    thread.start()
    thread.join(5)
    sys.unraisablehook(type("Args", (), {"exc_value": ValueError(PATIENT), "object": PATIENT})())
    assert [line["event"] for line in lines()] == [
        "process.uncaught-exception",
        "thread.uncaught-exception",
        "process.unraisable-exception",
    ]
    assert PATIENT not in stream.getvalue() + "".join(capsys.readouterr())


def test_setting_up_twice_logs_once(stream: io.StringIO, lines: Lines) -> None:
    """After a reload, too."""
    log.configure("info", "json", stream)
    logging.getLogger("alembic").warning("again")
    assert len(lines()) == 1

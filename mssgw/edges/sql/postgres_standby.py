"""Whether the standbys that a COMMIT waits for confirm what they are sent, asked without waiting for ever."""

import contextlib
import time
from typing import Any

import psycopg

CONFIRM_LIMIT = 3  # seconds: less than a database that hangs is waited for, so that it is told what it is

# No limit of the server's ends the wait of a COMMIT, but for one that a statement around it has set: so the COMMIT is
# within a statement. What it writes is in the WAL only: nodes that ask at once do not wait for each other.
_ASK = "DO $$ BEGIN PERFORM pg_logical_emit_message(true, 'mssgw', ''); COMMIT; END $$"

# Whoever took PL/pgSQL or that function from us, or lets nobody commit within a statement, is told nothing, as before
# he was asked: else one connection that broke would end all mail.
_CANNOT_ASK = (
    psycopg.ProgrammingError,
    psycopg.NotSupportedError,
    psycopg.InternalError,
    psycopg.errors.ObjectNotInPrerequisiteState,
)


def ask(driver: "psycopg.Connection[Any]", usual_limit: int) -> bool:
    """Commit something harmless, outside transactions; whether that took less than the limit.

    A wait that was cut short is a warning of the server, too. ``usual_limit``: of this session's statements, in
    seconds. Raises the driver's errors.
    """
    driver.autocommit = True
    try:
        driver.execute(f"SET statement_timeout = '{CONFIRM_LIMIT}s'")
        asked = time.monotonic()
        with contextlib.suppress(*_CANNOT_ASK):
            driver.execute(_ASK)
        return time.monotonic() < asked + CONFIRM_LIMIT
    finally:
        if not driver.closed:
            driver.execute(f"SET statement_timeout = '{usual_limit}s'")
            driver.autocommit = False

"""How data keys that were deleted become unreadable in the files of PostgreSQL.

VACUUM frees them for reuse; every few minutes a new file, without them, takes the table's place. What WAL and backups
still hold: docs/scaling.md.
"""

import contextlib
import time
from typing import Any

import psycopg

_REWRITE_EVERY = 240.0  # seconds; the promise is ten minutes
_REWRITE_WAIT = 200  # milliseconds
_REWRITE_MOST = 64 * 2**20  # octets of data keys that are rewritten while mail waits: about a second

# A rewrite takes along what somebody's snapshot still sees, without a word; the VACUUM after it has counted that.
_KEPT_DEAD = "SELECT n_dead_tup > 0 FROM pg_stat_all_tables WHERE relid = 'data_keys'::regclass"


class DeadKeys:
    """Data keys that were deleted, and when this process last left them behind."""

    def __init__(self) -> None:
        self._rewritten = float("-inf")

    def scrub(self, driver: "psycopg.Connection[Any]", usual_wait: int) -> bool:
        """Try to leave them behind; False until a rewrite has, and took none of them along.

        ``usual_wait``: of this session for locks, in seconds. Raises the driver's errors.
        """
        driver.autocommit = True  # VACUUM runs in no transaction
        rewritten = False
        try:
            # Briefly: whoever waits for the whole table makes every letter wait behind it, for as long as a backup
            # reads. Then the next sweep tries again.
            driver.execute(f"SET lock_timeout = '{_REWRITE_WAIT}ms'")
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                rewritten = self._rewrite(driver)
            driver.execute("VACUUM (TRUNCATE OFF) data_keys")  # truncating waits five seconds for readers
            return rewritten and driver.execute(_KEPT_DEAD).fetchone() != (True,)
        except psycopg.errors.LockNotAvailable:
            return False
        finally:
            if not driver.closed:
                driver.execute(f"SET lock_timeout = '{usual_wait}s'")
                driver.autocommit = False

    def _rewrite(self, driver: "psycopg.Connection[Any]") -> bool:
        (size,) = driver.execute("SELECT pg_table_size('data_keys')").fetchone() or (0,)
        if time.monotonic() < self._rewritten + _REWRITE_EVERY or size > _REWRITE_MOST:
            return False
        driver.execute("VACUUM (FULL) data_keys")
        self._rewritten = time.monotonic()
        return True

"""Which session sweeps for all nodes: the one that holds an advisory lock, as long as it lives and moves."""

from sqlalchemy import Connection

SILENT = 180  # seconds; who leads asks whether it does every half minute

# Who stands still (SIGSTOP, a frozen container) keeps the lock, for its kernel answers for it, and content would be
# erased no more. A session that is at a statement, or within a transaction, is left to the limits of those.
_END_SILENT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks AS held USING (pid)
WHERE locktype = 'advisory' AND held.granted AND classid = %(high)s AND objid = %(low)s AND objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND usename = current_user AND state = 'idle' AND state_change < clock_timestamp() - %(silent)s * interval '1 s'
"""


def leads(connection: Connection, key: int) -> bool:
    """Whether this session holds the lock, taken now or before; else one that is silent for too long loses it."""
    if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():  # whoever has it gets it again
        return True
    high, low = divmod(key, 1 << 32)
    connection.exec_driver_sql(_END_SILENT, {"high": high, "low": low, "silent": SILENT})
    return False  # what is free now is taken at the next sweep

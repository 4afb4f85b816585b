"""Changing the master key: everything that it wraps is wrapped anew, in one transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from mssgw.core.errors import Undecryptable
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.tables import data_keys, store_secret
from mssgw.edges.vault import Vault

_AT_ONCE = 5_000  # data keys: a fraction of a second
_REWRAP = update(data_keys).where(data_keys.c.spool_id == bindparam("of")).values(wrapped=bindparam("anew"))


def rewrap(connection: Connection, *, database: Database, old: Vault, new: Vault) -> int:
    """Wrap all data keys and the store secret under ``new``; how many data keys.

    A data key that does not unwrap under ``old`` is damaged already and stays as it is: it must not stop the rotation.
    """
    database.alone(connection)  # what others have begun to wrap is committed, and wrapped anew here
    rewrapped, after = 0, ""
    while some := _following(connection, after):
        rewrapped += _rewrap_some(connection, some, old, new)
        after = some[-1].spool_id
    connection.execute(update(store_secret).values(key_id=new.key_id, wrapped=new.wrapped_secret()))
    return rewrapped


def _following(connection: Connection, after: str) -> Sequence[Any]:
    """A session that says nothing within a transaction for long is ended by PostgreSQL: so some at a time."""
    keys = select(data_keys.c.spool_id, data_keys.c.wrapped).where(data_keys.c.spool_id > after)
    return connection.execute(keys.order_by(data_keys.c.spool_id).limit(_AT_ONCE)).all()


def _rewrap_some(connection: Connection, some: Sequence[Any], old: Vault, new: Vault) -> int:
    rewrapped = []
    for spool_id, wrapped in some:
        try:
            rewrapped.append({"of": spool_id, "anew": new.wrap(old.unwrap(wrapped, spool_id), spool_id)})
        except Undecryptable:
            continue
    if rewrapped:
        connection.execute(_REWRAP, rewrapped)
    return len(rewrapped)

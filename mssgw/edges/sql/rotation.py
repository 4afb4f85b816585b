"""Changing the master key: everything that it wraps is wrapped anew, in one transaction."""

from sqlalchemy import Connection, bindparam, select, update

from mssgw.core.errors import Undecryptable
from mssgw.edges.sql.dialects import Database
from mssgw.edges.sql.tables import data_keys, store_secret
from mssgw.edges.vault import Vault


def rewrap(connection: Connection, *, database: Database, old: Vault, new: Vault) -> int:
    """Wrap all data keys and the store secret under ``new``; how many data keys.

    A data key that does not unwrap under ``old`` is damaged already and stays as it is: it must not stop the rotation.
    """
    database.alone(connection)  # what others have begun to wrap is committed, and wrapped anew here
    statement = update(data_keys).where(data_keys.c.spool_id == bindparam("of")).values(wrapped=bindparam("anew"))
    rewrapped = []
    for spool_id, wrapped in connection.execute(select(data_keys.c.spool_id, data_keys.c.wrapped)).all():
        try:
            rewrapped.append({"of": spool_id, "anew": new.wrap(old.unwrap(wrapped, spool_id), spool_id)})
        except Undecryptable:
            continue
    if rewrapped:
        connection.execute(statement, rewrapped)
    connection.execute(update(store_secret).values(key_id=new.key_id, wrapped=new.wrapped_secret()))
    return len(rewrapped)

"""What the log and the commands say when the database fails: what happened, and where to look."""

import errno
import sqlite3
from pathlib import Path

import psycopg
import pytest

from mssgw.edges import spool_disk
from mssgw.edges.sql.dialects import database


def test_a_database_that_another_program_locks_is_told_with_how_to_find_it(tmp_path: Path) -> None:
    """A backup script or a shell of sqlite3 that holds a transaction."""
    path = tmp_path / "mssgw.db"
    with sqlite3.connect(path, isolation_level=None) as other, sqlite3.connect(path, timeout=0) as ours:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            ours.execute("CREATE TABLE t (x)")
        other.execute("ROLLBACK")
    other.close()
    ours.close()
    told = str(database(f"sqlite:///{path}").failure(locked.value))
    assert told == f"another program keeps the database locked: `fuser -v {path}` names it (SQLITE_BUSY)"


def test_a_database_that_cannot_be_opened_may_be_anothers(tmp_path: Path) -> None:
    """Root's, after a copy was given back."""
    with pytest.raises(sqlite3.OperationalError) as closed:
        sqlite3.connect(tmp_path / "absent" / "mssgw.db")
    told = str(database(f"sqlite:///{tmp_path}/mssgw.db").failure(closed.value))
    assert told.startswith(f"{tmp_path}/mssgw.db cannot be opened: ")
    assert "is it ours: ls -l, chown?" in told


def test_a_damaged_page_is_told_with_the_file_and_where_to_read_how_it_is_repaired(tmp_path: Path) -> None:
    """The guide has the commands: the sqlite3 of Debian 12 lacks .recover."""
    path = tmp_path / "mssgw.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(4080))
    with sqlite3.connect(path) as ours, pytest.raises(sqlite3.DatabaseError) as damaged:
        ours.execute("SELECT * FROM sqlite_master")
    ours.close()
    damaged.value.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    told = str(database(f"sqlite:///{path}").failure(damaged.value))
    assert told == f"a page of {path} is damaged: the administrator's guide tells how to repair it"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "the spool failed: EACCES: is all in {folder} ours? ls -l, chown -R mssgw:"),
        (errno.EPERM, "the spool failed: EPERM: is all in {folder} ours? ls -l, chown -R mssgw:"),
        (errno.EIO, "the spool failed: EIO"),
    ],
)
def test_a_spool_that_is_anothers_is_told_with_its_folder(tmp_path: Path, number: int, told: str) -> None:
    """Never with the file's name, which is an id."""
    failed = OSError(number, "text", str(tmp_path / "a7" / "1M7ZTY3TH5M3REAG"))
    assert str(spool_disk.failure(failed, tmp_path)) == told.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("failed to resolve host 'db.chu.fr': [Errno -2] Name or service not known", "the host name of store.url"),
        (
            'connection failed: connection to server at "192.0.2.7", port 5432 failed: Connection refused',
            "nobody listens",
        ),
        ('connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory', "no socket where"),
        ('failed: FATAL:  password authentication failed for user "timeout"', "PostgreSQL refuses the password"),
        (
            "failed: FATAL:  authentification par mot de passe échouée pour l'utilisateur « mssgw »",
            "PostgreSQL refuses",
        ),
        ("failed: fe_sendauth: no password supplied", "PostgreSQL refuses the password"),
        ('failed: FATAL:  database "mssgw" does not exist', "PostgreSQL has no database of that name"),
        ("failed: FATAL:  la base de données « mssgw » n'existe pas", "PostgreSQL has no database of that name"),
        ('failed: FATAL:  role "mssgw" does not exist', "PostgreSQL refuses the login"),
        (
            'failed: FATAL:  no pg_hba.conf entry for host "192.0.2.8", user "mssgw"',
            "PostgreSQL does not let the login",
        ),
        ("connection timeout expired", "PostgreSQL does not answer"),
        ("consuming input failed: server closed the connection unexpectedly", "PostgreSQL has closed the connection"),
    ],
)
def test_why_there_is_no_connection_is_told_without_what_was_typed(text: str, told: str) -> None:
    """A host that is not known and a password that is wrong are mended by different people."""
    said = str(database("postgresql+psycopg://mssgw@db.chu.fr/mssgw").failure(psycopg.OperationalError(text)))
    assert said.startswith(told)
    assert not any(name in said for name in ("db.chu.fr", "192.0.2", "mssgw", "/run", "timeout"))


def test_a_port_where_nobody_listens_is_told_as_such() -> None:
    """The driver's own sentence, as it comes."""
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect("host=127.0.0.1 port=1 user=mssgw dbname=mssgw connect_timeout=5")
    said = str(database("postgresql+psycopg://mssgw@127.0.0.1:1/mssgw").failure(refused.value))
    assert said == "nobody listens where store.url says: is PostgreSQL up, are host and port right?"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg.OperationalError("host 192.0.2.7"), "no connection to PostgreSQL: is it up, and does it take"),
        (psycopg.errors.CannotConnectNow("starting"), "PostgreSQL is starting, or being shut down: 57P03"),
        (psycopg.errors.ReadOnlySqlTransaction("no"), "this PostgreSQL takes no writes: perhaps a standby: 25006"),
        (psycopg.errors.UndefinedTable("of ours"), "the database failed: 42P01"),
    ],
)
def test_trouble_of_postgresql_is_told_in_words_of_ours(error: Exception, told: str) -> None:
    """Never in its own, which may quote values."""
    said = str(database("postgresql+psycopg://mssgw@db.example/mssgw").failure(error))
    assert said.startswith(told)

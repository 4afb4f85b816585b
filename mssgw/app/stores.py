"""Opening what the configuration names: keys, store and spool, under the lock that a key rotation wants alone."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mssgw.app.config import Config
from mssgw.app.config.file_advice import SERVICE_USER
from mssgw.app.config.files import password
from mssgw.core.errors import StoreUnavailable
from mssgw.edges.clock import SystemClock
from mssgw.edges.metering import UNMETERED
from mssgw.edges.spool_files import SpoolFiles
from mssgw.edges.spool_folders import found_spool
from mssgw.edges.spool_memory import MemoryBudget
from mssgw.edges.sql import Opened, open_store
from mssgw.edges.sql.bodies import SpoolSql
from mssgw.edges.sql.dialects import Database, database
from mssgw.edges.sql.sqlite import Sqlite
from mssgw.edges.store_lock import serving_lock, store_lock
from mssgw.edges.vault import UnusableKey, read_master_key
from mssgw.ports import (
    Clock,
    CollectedLetters,
    Desk,
    Directory,
    LeaseBook,
    Meter,
    NotificationQueue,
    Patients,
    Purges,
    Spool,
    Store,
    Telemetry,
    UnopenedLetters,
    Vitals,
)

_WORD = """{file} is here, with exchanges, oppositions and trace: should it be missing, give it back from a backup.
As long as this file is here none is made in its place; to begin anew, remove this one, too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRest:
    """Everything that outlives the process, and how it fares. ``hot``: the memory of hot copies."""

    store: Store
    desk: Desk
    directory: Directory
    patients: Patients
    notifications: NotificationQueue
    collected: CollectedLetters
    leases: LeaseBook
    purges: Purges
    unopened: UnopenedLetters
    spool: Spool
    vitals: Vitals
    hot: MemoryBudget
    clock: Clock = field(default_factory=SystemClock)  # the flow's: leases, due times and journal lines
    on_work: Callable[[Callable[[], None]], None] = lambda _: None  # see edges.sql.Opened
    on_name_taken: Callable[[Callable[[], None]], None] = lambda _: None
    hurry: Callable[[], None] = lambda: None  # when the gateway leaves: see Database


@asynccontextmanager
async def at_rest(
    config: Config,
    *,
    founds: bool,
    alone: bool = False,
    node: str | None = None,
    telemetry: Telemetry | None = None,
    meter: Meter = UNMETERED,
    hot_bodies: int | None = None,
) -> AsyncIterator[AtRest]:
    """Open the configured store and spool; migrates the database first. ``telemetry`` hears of damaged letters.

    ``founds``: makes a store where there is none yet, instead of raising StoreUnavailable; a server's is always made.
    ``node``, ``alone``: as for open_store. ``hot_bodies``: octets for hot copies; None: as configured.

    Raises UnusableKey, Undecryptable (another master key), StoreBusy, StoreUnavailable; the last also for a database
    whose spool is not there.
    """
    new = missing_database(config)
    master_key = _master_key(config, new)
    if new:
        _refuse_to_make(new, config.spool_dir, founds=founds)
    _make(config.gateway.state_dir)
    with store_lock(config.gateway.state_dir, alone=alone):
        if new:
            found_spool(config.spool_dir)  # before the database: one without a spool is one whose spool is elsewhere

        def damaged(spool_id: str) -> None:
            if telemetry is not None:
                telemetry.event("letter.set_aside", alarm=True, queue_id=spool_id, reason="unreadable")

        async with open_store(
            with_password(config.database_url, config),
            master_key,
            node=node,
            alone=alone,
            damaged=damaged,
            meter=meter,
            password=lambda: _password_now(config),
        ) as opened:
            _remember_it(opened.database)
            hot = MemoryBudget(config.store.hot_bodies if hot_bodies is None else hot_bodies)
            spool = _spool(config, opened, hot, meter)
            try:
                yield AtRest(
                    store=opened.store,
                    desk=opened.desk,
                    directory=opened.directory,
                    patients=opened.patients,
                    notifications=opened.store,
                    collected=opened.store,
                    leases=opened.store,
                    purges=opened.store,
                    unopened=opened.store,
                    spool=spool,
                    vitals=opened.vitals,
                    hot=hot,
                    clock=opened.clock,
                    on_work=opened.on_work,
                    on_name_taken=opened.on_name_taken,
                    hurry=opened.database.hurry,
                )
            finally:
                await spool.close()


@contextmanager
def served_by_us_alone(config: Config) -> Iterator[None]:
    """While the block runs no other gateway serves over the same database or state directory. Raises as serving_lock.

    Two would go by one node's name, and the second to start would take the first one's leases for those of an earlier
    self: letters would go twice. Over a server's database each node has a name of its own, which Presence sees to.
    """
    where = database(config.database_url)
    if not isinstance(where, Sqlite):
        yield
        return
    # The state directory as well, for the bodies: what no row of its own names, a gateway takes for garbage.
    with serving_lock(config.gateway.state_dir / "serving"), serving_lock(Path(f"{where.path}.serving")):
        yield


def missing_database(config: Config) -> Path | None:
    """The database that is not there yet: a first start, a wrong state_dir, or a disk that is not mounted."""
    where = database(config.database_url)
    if not isinstance(where, Sqlite):
        return None
    try:
        return None if where.path.stat().st_size else where.path  # made, and cut short
    except (FileNotFoundError, NotADirectoryError):
        return where.path
    except OSError:  # who may not look is told so by whatever opens it
        return None


def _master_key(config: Config, new: Path | None) -> bytes:
    """The key that the configuration names; ``new``: the database, if it is not there. Raises UnusableKey.

    A new one is offered only where nothing is sealed yet: over a store it would look like the cure, and be none.
    Even there the one that systemd keeps for the service comes first: a key beside its store is for a trial.
    """
    file = config.master_key
    try:
        return read_master_key(file.require())
    except UnusableKey as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        missing = str(error)
    except FileNotFoundError:
        missing = f"{file.named}: no master key is seen here"
    fresh = new and not _left_of_one(new, config.spool_dir) and not file.credential
    name = file.named.partition(":")[2] if file.credential else "master-key"
    lost = "if it is lost, give back the one that this store was made with"
    raise UnusableKey(
        f"{missing}. Where it is a credential of the service (LoadCredential={name}:FILE in its unit), commands see it "
        f"only while the service runs: start it, or systemd-run --wait --pipe -p User={SERVICE_USER} "
        f"-p LoadCredential={name}:/etc/mssgw/secrets/master.key mssgw ...; "
        + (f"for a trial without systemd, `mssgw key new {file.path}`" if fresh else lost)
    )


def _remember_it(where: Database) -> None:
    """Leave a word beside a database that is a file: gone, it is not to be taken for one that never was."""
    if isinstance(where, Sqlite) and not (word := _word_of(where.path)).exists():
        with suppress(OSError):  # a disk that is full: the next start leaves it
            word.write_text(_WORD.format(file=where.path.name))


def _word_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.made")


def _left_of_one(file: Path, spool: Path) -> list[str]:
    """Where something is left of a store whose database is gone."""
    places = (file.with_name(f"{file.name}-wal"), _word_of(file), spool)
    return [str(place) for place in places if any(path.is_file() for path in (place, *place.rglob("*")))]


def _refuse_to_make(file: Path, spool: Path, *, founds: bool) -> None:
    """Raises StoreUnavailable when a store was here before, or when nobody asked for a new one.

    A new one knows no exchange, so patients would hear 550; and what the old one's letters are would be swept away.
    """
    if left := _left_of_one(file, spool):
        cure = "give it back from a backup; to begin anew, move that away"
        raise StoreUnavailable(f"no {file}, but what belongs to one, {' and '.join(left)}: {cure}")
    if not founds:
        asked = "is state_dir right, is its disk mounted? `mssgw serve` makes a new one"
        raise StoreUnavailable(f"no store in {file.parent}: {asked}")


def with_password(url: str, config: Config) -> str:
    """A PostgreSQL URL with the password of [store] password_file in it: for the driver alone, never for a log.

    Not as libpq's passfile: that must be 0600, and systemd shows credentials to a service as 0440. Raises OSError.
    """
    secret = password(config.store.password_file) if url.startswith("postgresql") else None
    if secret is None:
        return url
    scheme, _, rest = url.partition("://")
    user, _, where = rest.rpartition("@") if "@" in rest.partition("/")[0] else ("", "", rest)
    return f"{scheme}://{user}:{quote(secret, safe='')}@{where}"


def _password_now(config: Config) -> str | None:
    """The password as it is now, since whoever changes it does so while we run; None: that of the start must do."""
    try:
        return password(config.store.password_file) or None
    except OSError:
        return None


def _spool(config: Config, opened: Opened, hot: MemoryBudget, meter: Meter) -> SpoolFiles | SpoolSql:
    """Files beside SQLite; in a database that several nodes share, its own table."""
    spool = (
        SpoolSql(opened.database, hot_budget=hot, meter=meter)
        if opened.database.keeps_bodies
        else SpoolFiles(config.spool_dir, hot_budget=hot, meter=meter)
    )
    opened.vitals.probe_bodies = spool.probe
    return spool


def _make(state_dir: Path) -> None:
    """The state directory at a first start; systemd makes it for the service (StateDirectory=)."""
    try:
        state_dir.mkdir(mode=0o700, exist_ok=True)
    except PermissionError:  # not chained: it is the right user, who may make nothing there
        make = f"install -d -m 0700 -o {SERVICE_USER} -g {SERVICE_USER} {state_dir}"
        raise StoreUnavailable(f"{state_dir} does not exist, and this user may not make it: {make}") from None
    except OSError as error:
        raise StoreUnavailable(f"{state_dir}: {error.strerror}") from error

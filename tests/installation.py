"""The smallest installation: one hospital, the patient space, and the folder in which ``mssgw serve`` finds it all."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SERVE = (sys.executable, "-c", "from mssgw.app.cli import main; main(['serve'])")
PATIENT = "279035121518989@patient.mssante.fr"
DOCTOR = "dr.martin@chu.mssante.fr"
IN_CLEAR = 'tls = "none"\nrequire_tls = false'


def configuration(
    *sections: str,
    hop: int,
    role: str = "establishment",
    port: int = 0,
    listener: str = IN_CLEAR,
    store: str = "",
    limits: str = "",
    workers: int = 1,
) -> str:
    """The configuration file. All mail goes on to the port ``hop``; ``sections`` stand before the tables.

    ``listener``, ``store`` and ``limits``: lines of those sections. The disk may be as full as it is, unless told.
    """
    reserve = "" if "disk_reserve" in limits else 'disk_reserve = "0 B"'
    more = "\n".join(sections)
    return f"""
[gateway]
hostname = "mssgw.exemple.fr"
state_dir = "state"
workers = {workers}
[store]
master_key_file = "master.key"
{store}
[log]
format = "json"
[limits]
{reserve}
connections_per_ip = 2000
connections = 2000
{limits}
{more}
[[listener]]
name = "house"
role = "{role}"
address = "127.0.0.1:{port}"
{listener}
[[establishment]]
name = "chu"
domains = ["chu.mssante.fr"]
networks = ["127.0.0.1/32"]
next_hop = "127.0.0.1:{hop}"
next_hop_tls = "none"
[[trusted_domain]]
name = "mes"
domains = ["patient.mssante.fr"]
networks = ["127.0.0.2/32"]
next_hop = "127.0.0.1:{hop}"
next_hop_tls = "none"
"""


def install(folder: Path, *sections: str, **given: Any) -> Path:
    """Put a configuration with a master key and a state directory in the folder; the path of the configuration."""
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    (folder / "master.key").write_bytes(os.urandom(32))
    (folder / "master.key").chmod(0o600)
    path = folder / "mssgw.toml"
    path.write_text(configuration(*sections, **given))
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a command over this folder."""
    return os.environ | {"MSSGW_CONFIG": str(folder / "mssgw.toml"), "PYTHONPATH": str(ROOT)} | more


def begun(state_dir: Path) -> None:
    """As after a first start, for commands that make no store themselves."""
    with closing(sqlite3.connect(state_dir / "mssgw.db")) as database:
        database.execute("PRAGMA user_version = 1")
    (state_dir / "spool" / "00").mkdir(parents=True)

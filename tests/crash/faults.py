"""Faults of the disk, switched on and off in a running gateway by Debian's libfiu.

libfiu fails calls by name, not by path. That tells database and spool apart all the same: SQLite writes with pwrite
and syncs with fdatasync, the spool writes with write and syncs with fsync.
"""

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers.gateway import GatewayProcess

_PRELOAD = "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so"


@dataclass(frozen=True, slots=True)
class Fault:
    """Calls that fail, and how."""

    call: str
    code: int

    @property
    def reply(self) -> int:
        """What a sender is told meanwhile."""
        return 452 if self.code == errno.ENOSPC else 451

    def __str__(self) -> str:
        return f"{self.call.rpartition('/')[2]}-{errno.errorcode[self.code]}"


DATABASE_WRITE_FULL = Fault("posix/io/rw/pwrite", errno.ENOSPC)
DATABASE_WRITE_BROKEN = Fault("posix/io/rw/pwrite", errno.EIO)
DATABASE_SYNC_BROKEN = Fault("posix/io/sync/fdatasync", errno.EIO)
SPOOL_SYNC_FULL = Fault("posix/io/sync/fsync", errno.ENOSPC)
SPOOL_SYNC_BROKEN = Fault("posix/io/sync/fsync", errno.EIO)
SPOOL_OPEN_FULL = Fault("posix/io/oc/open", errno.ENOSPC)


class Faults:
    """Prepares a gateway for faults, from its next start on."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._prefix = gateway.home / "fiu"
        gateway.environment |= {"LD_PRELOAD": _PRELOAD, "FIU_CTRL_FIFO": str(self._prefix)}

    def begin(self, fault: Fault) -> None:
        self._tell(f"enable name={fault.call},failinfo={fault.code}")

    def end(self, fault: Fault) -> None:
        self._tell(f"disable name={fault.call}")

    def _tell(self, command: str) -> None:
        """Each process of the gateway listens on a pipe of its own."""
        pipes = self._prefix.parent.glob(f"{self._prefix.name}-*.in")
        alive = [pid for pid in (pipe.stem.rpartition("-")[2] for pipe in pipes) if Path("/proc", pid).exists()]
        assert alive, "no process of the gateway listens for faults"
        words = ["fiu-ctrl", "-f", str(self._prefix), "-c", command, *alive]
        subprocess.run(words, check=True, capture_output=True, timeout=10, env={**os.environ, "LC_ALL": "C"})

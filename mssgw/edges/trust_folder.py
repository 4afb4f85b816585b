"""``state_dir/trust``, shared by the processes of a node: small files, each whole under its name or not there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mssgw.core.errors import StoreFull, StoreUnavailable
from mssgw.edges.full_disk import is_full
from mssgw.edges.spool_disk import sync_directory


class TrustFolder:
    """Directory 0700, files 0600. Its methods block, and raise OSError; see ``failures``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Have it there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Write the file, in the place of an older one."""
        partial = self.path / f"{name}.{os.getpid()}.new"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(self.path / name)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        if durable:
            sync_directory(self.path)

    def lock(self, name: str) -> int | None:
        """A descriptor that has this lock until it is closed, or the process ends; None: somebody else has it."""
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


@contextmanager
def failures() -> Iterator[None]:
    """What the disk refuses within the block is StoreUnavailable, or StoreFull."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StoreFull("the disk of the trust folder is full") from None
        raise StoreUnavailable(f"the trust folder failed: {error.strerror or type(error).__name__}") from None

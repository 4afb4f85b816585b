"""The folders of the spool, when descriptors run out. Of letters they promise: tests/contract/test_spool_files.py."""

import errno
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mssgw.edges.spool_folders import SpoolFolders, found_spool


def scarce(after: int) -> Callable[..., int]:
    """``os.open``, of which one call, after so many, finds no descriptor left."""
    really, calls = os.open, count()

    def opens(*given: Any, **more: Any) -> int:
        if next(calls) == after:
            raise OSError(errno.EMFILE, "Too many open files")
        return really(*given, **more)

    return opens


def restore(folders: SpoolFolders) -> bool:
    try:
        folders.restore()
    except OSError:
        return False
    return True


def test_whichever_descriptor_is_missing_the_next_attempt_restores_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was closed too early is soon somebody else's: taken for the spool, and closed under its owner."""
    folder, restored = tmp_path / "spool", [False]
    while not restored[-1]:
        found_spool(folder)
        folders = SpoolFolders(folder)
        shutil.rmtree(folder)
        with monkeypatch.context() as machine:
            machine.setattr(os, "open", scarce(len(restored) - 1))
            restored.append(restore(folders))
        with open("/dev/null") as anothers:
            folders.restore()
            assert len(list(folder.iterdir())) == 256
            folders.close()
            assert os.path.samestat(os.fstat(anothers.fileno()), os.stat("/dev/null"))
    assert len(restored) > 3

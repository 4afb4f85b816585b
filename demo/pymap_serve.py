"""Run by pymap.py: pymap's own command with one more backend, its in-memory one with accounts as they are wanted.

In memory, because its maildirs give letters back with other line ends than they were brought with.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from pymap.backend import backends
from pymap.backend.dict import DictBackend
from pymap.main import main
from pymap.user import UserMetadata
from pysasl.hashing import BuiltinHash

from demo.mail_store import MASTER, MASTER_PASSWORD, PASSWORD
from demo.pymap import ACCOUNTS_FILE

_running: set[asyncio.Task[Any]] = set()


def _kept(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
    """A task that lives until it is done, whoever forgets it.

    pymap's connections run as tasks that nobody keeps. Up to Python 3.11 asyncio's streams kept them by chance; since
    then the garbage collector ends them in the middle of a session.
    """
    task = asyncio.Task(work, loop=loop, **more)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


class Accounts(DictBackend):
    """All accounts of a file, one a line, with PASSWORD."""

    @classmethod
    def add_subparser(cls, name: str, subparsers: Any) -> Any:
        parser = super().add_subparser(name, subparsers)
        parser.add_argument(ACCOUNTS_FILE, required=True)
        return parser

    @classmethod
    async def _add_demo_user(cls, config: Any, login: Any) -> None:
        asyncio.get_running_loop().set_task_factory(_kept)
        secret = BuiltinHash(rounds=1).hash(PASSWORD)
        with open(config.args.accounts_file, encoding="utf-8") as file:  # noqa: ASYNC230 - nobody is served yet
            for account in file.read().split():
                login.users_dict[account] = UserMetadata(config, account, password=secret)
        master = BuiltinHash(rounds=1).hash(MASTER_PASSWORD)
        login.users_dict[MASTER] = UserMetadata(config, MASTER, password=master, roles=frozenset({"admin"}))


if __name__ == "__main__":
    backends.add("accounts", Accounts)
    sys.exit(main())

"""What a reload swaps: the settings in force and who is admitted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.settings import Settings
from mssgw.ports import Login


async def nobody_fits(hashed: str | None, password: str) -> bool:
    """Where no passwords are checked."""
    return False


@dataclass(slots=True)
class Live:
    """The one mutable value of the flow. Each of MAIL, RCPT, DATA and a delivery reads it when it begins.

    ``client_at``: role and IP address to the client of that network. ``authenticate``: role, login and password to
    the client of that login; checks off the event loop. ``login``: role and login to what is configured of it.
    ``check_password``: an Argon2id hash, None where there is none, and a password, to whether it is right.
    ``purposes``: what the certificate of an operator that connects to us may be made for.
    """

    settings: Settings
    client_at: Callable[[Role, str], Client | None]
    authenticate: Callable[[Role, str, str], Awaitable[Client | None]]
    login: Callable[[Role, str], Login | None] = lambda role, name: None
    check_password: Callable[[str | None, str], Awaitable[bool]] = nobody_fits
    purposes: frozenset[str] = frozenset({"clientAuth"})

"""What stands behind an SMTP dialogue."""

from dataclasses import dataclass, field
from typing import Protocol

from mssgw.core.clients import Client
from mssgw.core.envelope import Envelope, ForwardPath, Role
from mssgw.core.replies import Reply
from mssgw.core.trust import Chain, Distrust


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login as things stand: whom it speaks for, and the hash that its password is checked against."""

    name: str = field(repr=False)  # of a person
    client: Client
    password_hash: str = field(repr=False)


class PatientDoor(Protocol):
    """Who logs in on a listener of patients. Never blocks the loop; may raise StoreUnavailable."""

    async def log_in(self, name: str, password: str) -> Login | Reply | None:
        """The login of a patient who may write; the reply to one who may not although the password is right; or None.

        ``name``: his matricule or address. A wrong password, and nobody of that name, take as long.
        """

    async def stands(self, login: Login) -> bool:
        """Whether the patient may still write, and the password is the one that was given."""


class LetterIn(Protocol):
    """One message during DATA. Exactly one of end() and abort() ends it."""

    async def write(self, chunk: bytes) -> None:
        """Wire bytes as received (dot-stuffed, CRLF), any length. Raises GatewayError: stop, and answer its reply."""

    async def end(self, *, size: int, client: Client | None = None) -> Reply:
        """Decide and keep; the reply to the final dot. ``size``: octets without stuffed dots.

        ``client``: who the peer is now, where that may be another than at MAIL: a white list may have come meanwhile.
        2xx means durable. Not to be cancelled: shield it, for the commit outlives a client that has gone.
        """

    async def abort(self, reply: Reply | None = None) -> None:
        """Forget it: the client left, or the edge refused with ``reply``, which is then journalled if it can be.

        Raises no GatewayError: the rest of the message is still to be read.
        """


class Reception(Protocol):
    """What inbound edges call, in the order of an SMTP dialogue. A Reply refuses; None lets the dialogue go on."""

    @property
    def patients(self) -> PatientDoor | None:
        """Where patients log in; None: nowhere."""

    def client_at(self, role: Role, peer: str) -> Client | None:
        """The client whose networks hold this IP address, on a listener of that role."""

    def operator(self, chain: Chain) -> Client | Distrust | None:
        """The operator whose certificate this is, as things stand now, or why there is none; () when none was shown.

        None: certificates are not what operators are known by here, networks are.
        """

    async def authenticate(self, role: Role, login: str, password: str) -> Client | None:
        """The client that this login speaks for; None when login or password are wrong. Never blocks the loop."""

    def login(self, role: Role, name: str) -> Login | None:
        """What is configured of that login now, on a listener of that role; None when there is no such login."""

    async def sender(self, client: Client | None, envelope: Envelope, declared_size: int) -> Reply | None:
        """MAIL FROM; ``envelope`` has no recipients yet. ``declared_size`` 0: none declared."""

    async def recipient(self, client: Client, envelope: Envelope, forward_path: ForwardPath) -> Reply | None:
        """RCPT TO; ``envelope`` holds the recipients accepted so far."""

    def letter(self, client: Client, envelope: Envelope) -> LetterIn:
        """DATA begins."""

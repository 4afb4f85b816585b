"""What is asked of the trust space (§8). All of it answers from memory, at once: mail does not wait for a download."""

from datetime import datetime
from typing import Protocol

from mssgw.core.clients import Client
from mssgw.core.trust import Chain, Distrust


class Revocation(Protocol):
    """What the certificate authorities took back."""

    def check(self, chain: Chain) -> Distrust | None:
        """Whether any certificate below the anchor is revoked (REVOKED) or that cannot be told (REVOCATION_UNKNOWN).

        The anchor, last of the chain and issued by itself, is trusted as configured.
        """


class Trust(Protocol):
    """Who is trusted at this moment: asked after each handshake, and again for each letter on a kept connection."""

    def admit(self, chain: Chain) -> Client | Distrust:
        """The operator that an inbound chain is the certificate of: a client that may send as its listed domains."""

    def vouch(self, chain: Chain, domain: str) -> Distrust | None:
        """None when letters for ``domain`` (a key) may go to the server that showed this chain."""

    def listed(self, domain: str) -> bool | Distrust:
        """Whether the domain (a key) is of the trust space; LIST_UNUSABLE when there is no list to tell."""


class Source(Protocol):
    """Where a published file is: a path or an https (CRL: http too) URL."""

    @property
    def name(self) -> str:
        """As configured, without any secret: for logs."""

    async def fetch(self, *, limit: int) -> bytes | None:
        """The file of at most ``limit`` octets; None when it is known to be what was fetched last.

        Raises SourceUnavailable.
        """

    @property
    def as_of(self) -> datetime | None:
        """When what was fetched last was known to be the published file; None: when it was fetched."""

    def forget(self) -> None:
        """What was fetched last is lost, or was not the file: the next fetch gives what is there, whatever its date."""

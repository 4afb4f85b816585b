"""Errors are for input that we cannot read; each knows its reply. Policy speaks in Findings instead.

No exception text holds the value that was wrong: it may be an INS.
"""

from mssgw.core.replies import DISK_FULL, INTERNAL_ERROR, Reply


class GatewayError(Exception):
    """Base of our errors. ``reply`` is what a peer that caused it is told; ``str()`` is safe to log."""

    reply: Reply = INTERNAL_ERROR

    def __str__(self) -> str:
        return self.args[0] if self.args else (type(self).__doc__ or "").strip()


class MalformedAddress(GatewayError):
    """The address does not follow RFC 5321 section 4.1.2."""

    reply = Reply(553, "5.1.3", "Adresse invalide : forme attendue boite@domaine")


class MalformedMatricule(GatewayError):
    """The matricule INS has a wrong length, character or key."""  # req: NDR-8

    reply = Reply(553, "5.1.3", "Adresse patient invalide")

    def __init__(self, why: str) -> None:
        """``why`` is a French ASCII sentence that says what is wrong without repeating the value."""
        super().__init__(why)
        self.reply = Reply(553, "5.1.3", f"Adresse patient invalide : {why}")


class MalformedName(GatewayError):
    """A DN cannot be read without doubt: malformed, without a CN or with two, a wildcard, a NUL."""


class IllegalMove(GatewayError):
    """A conversation event that the table does not allow in the present state."""


class Undecryptable(GatewayError):
    """A stored value does not decrypt: wrong master key, or the bytes were changed."""


class Gone(GatewayError):
    """The content was erased, or the spool file is missing."""


class NoLongerOurs(GatewayError):
    """The lease lapsed while the letter was being sent: somebody else may be sending it, so it was not ended."""


class StoreUnavailable(GatewayError):
    """The store could not commit or read: nothing was kept."""


class StoreBusy(StoreUnavailable):
    """Another process has the store open."""


class NameTaken(StoreBusy):
    """Another node runs under our name: one of the two has to end."""

    def __init__(self, node: str) -> None:
        super().__init__(f'another node runs as "{node}": give each its own [gateway] node')


class StoreFull(StoreUnavailable):
    """The disk is full: nothing was kept."""

    reply = DISK_FULL


class StoreDamaged(StoreUnavailable):
    """A page of the database makes no sense: waiting will not mend that."""


class CommitInDoubt(StoreUnavailable):
    """The answer to COMMIT was lost: what was asked may have been kept, or may be kept yet."""


class SourceUnavailable(GatewayError):
    """A white list or CRL could not be fetched. The text names the source and what went wrong."""

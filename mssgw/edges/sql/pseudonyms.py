"""What names people and letters, as the tables hold it: keyed hashes to look them up by, sealed values to read."""

from collections.abc import Iterable

from mssgw.core.addresses import Address
from mssgw.core.conversation import Pair
from mssgw.core.ins import Matricule
from mssgw.core.replies import Reply
from mssgw.edges.codec import Codec
from mssgw.edges.linking import subject_key
from mssgw.edges.vault import DIGEST_SIZE, Vault
from mssgw.ports import Collected

_REPLY = Codec(Reply)


class Pseudonyms:
    """Made with the keys of one vault."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    # Keyed hashes

    def address(self, address: Address) -> bytes:
        return self.vault.digest("address", address.key)

    def pair(self, pair: Pair) -> bytes:
        return self.vault.digest("pair", f"{pair.patient.key} {pair.bal.key}")

    def matricule(self, matricule: Matricule) -> bytes:
        return self.vault.digest("matricule", matricule.value)

    def message_id(self, message_id: str) -> bytes:
        return self.vault.digest("message-id", message_id)

    def subject(self, subject: str) -> bytes | None:
        key = subject_key(subject)
        return self.vault.digest("subject", key) if key else None

    def place(self, place: str) -> bytes:
        return self.vault.digest("place", place)

    def content(self, message: Collected) -> bytes:
        return self.vault.digest("content", f"{message.collector} {message.digest.hex()}")

    # Sealed values

    def sealed_address(self, address: Address) -> bytes:
        return self.vault.seal_recurring("address", address.text)

    def unsealed_address(self, sealed: bytes) -> Address:
        return Address.parse(self.vault.unseal("address", sealed))

    def sealed_reply(self, reply: Reply | None) -> bytes | None:
        return None if reply is None else self.vault.seal("reply", _REPLY.encode(reply).decode(errors="surrogatepass"))

    def unsealed_reply(self, sealed: bytes | None) -> Reply | None:
        if sealed is None:
            return None
        reply: Reply = _REPLY.decode(self.vault.unseal("reply", sealed).encode())
        return reply


def digests(joined: bytes) -> Iterable[bytes]:
    """The hashes of a ``receipt_to`` column."""
    return (joined[start : start + DIGEST_SIZE] for start in range(0, len(joined), DIGEST_SIZE))

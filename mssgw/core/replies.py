"""SMTP replies: what we say to a peer, and what a peer said to us."""

import re
import unicodedata
from dataclasses import dataclass, field

_UNSAFE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply: code, enhanced status (RFC 3463, "" when the peer gave none), text on one line, ASCII."""

    code: int
    status: str
    text: str = field(repr=False)  # a peer may quote an address in it

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"an SMTP reply code is 200 to 599, not {self.code}")
        if _UNSAFE.search(self.text):  # a CR or LF here would be a second reply to the peer
            object.__setattr__(self, "text", _UNSAFE.sub("?", self.text))

    @property
    def ok(self) -> bool:
        """True for 2xx and 3xx."""
        return self.code < 400

    @property
    def transient(self) -> bool:
        """True for 4xx: trying again later makes sense."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """True for 5xx."""
        return self.code >= 500

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.status, self.text)))


# Our own trouble is always 4xx: the letter stays with its sender, who tries again (threats finding 1).
INTERNAL_ERROR = Reply(451, "4.3.0", "Incident interne, reessayez plus tard")
DISK_FULL = Reply(452, "4.3.1", "Espace de stockage insuffisant, reessayez plus tard")


def ascii_folded(sentence: str) -> str:
    """A French sentence as an SMTP reply may carry it: ASCII, without accents (RFC 5321 section 4.2)."""
    decomposed = unicodedata.normalize("NFKD", sentence.translate(_LIGATURES))
    return decomposed.encode("ascii", "ignore").decode("ascii")


_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "’": "'", "«": '"', "»": '"', "–": "-", "—": "-"})

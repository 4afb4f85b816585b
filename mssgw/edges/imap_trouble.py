"""What a refusal of an IMAP server means. Its own words are not repeated: they may quote a folder, or an INS."""

from mssgw.formats.imap_reading import Status
from mssgw.ports.mailbox import LetterTooBig, MailboxRefused, MailboxTrouble, NoSuchFolder, OverQuota

# Response codes (RFC 5530 and others) that may stand in an error: known words, which hold nothing of anybody.
_KNOWN = frozenset(
    {"ALREADYEXISTS", "BADCHARSET", "CANNOT", "CLIENTBUG", "CONTACTADMIN", "CORRUPTION", "EXPUNGEISSUED", "INUSE"}
    | {"LIMIT", "NOPERM", "READ-ONLY", "SERVERBUG", "UNAVAILABLE"}
)


def refusal(host: str, status: Status, *, opening: bool = False) -> MailboxTrouble:
    """The error for a NO or BAD. ``opening``: it answers SELECT of a folder that is not listed."""
    match status.code:
        case "OVERQUOTA":
            return OverQuota(f"{host}: the mailbox is full")
        case "TOOBIG":
            return LetterTooBig(f"{host}: the letter is too big")
        case "TRYCREATE" | "NONEXISTENT":
            return NoSuchFolder(f"{host}: no such folder")
        case "" if opening and status.kind == "NO":
            return NoSuchFolder(f"{host}: no such folder")
        case code:
            return MailboxRefused(f"{host}: {status.kind} {code if code in _KNOWN else ''}".strip())

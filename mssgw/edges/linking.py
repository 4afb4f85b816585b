"""How a notice finds the letter it answers, and what a receipt may say: shared by every store."""

import re

# Quotes and no-break spaces vary between the notices of Mon espace santé.  req: NDR-1, NDR-5
_PREFIX = re.compile(r"\s*message non distribu[eé]\s*:\s*", re.IGNORECASE)
_QUOTES = "\"'«»“”‘’„ \t\r\n\u00a0\u202f"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}(?:/[A-Za-z0-9-]{1,40})?")


def subject_key(subject: str) -> str:
    """The form in which subjects are compared: without the notice's prefix, quotes and runs of white space.

    "" means that the subject says nothing to go by. req: NDR-7
    """
    prefix = _PREFIX.match(subject)
    bare = subject[prefix.end() :] if prefix else subject
    return " ".join(bare.strip(_QUOTES).split())


def disposition_code(disposition: str) -> str:
    """A disposition as the journal may hold it in clear: it comes from a peer, so anything but a code is "other"."""
    return disposition if _CODE.fullmatch(disposition) else "other"

"""Mon espace santé's notices that a letter did not arrive (NDR-2 to NDR-5, NDR-7), known by their sentence."""

import html as markup
import re
import unicodedata

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedAddress
from mssgw.core.message import AccountState, Notice
from mssgw.formats.headers import read_header, without_comments

MAX_TEXT = 8_000  # characters that are looked at; the sentence begins a notice

MAX_REPORTED = 10  # Final-Recipient fields; several are looked at, for one recipient may be written in several ways

_TAG = re.compile(r"<[^<>]{0,2000}>")
_ENTITY = re.compile(r"&#?[A-Za-z0-9]{1,10};")
_CITED = re.compile(r"^[ \t]*[>|].*$", re.M)
_SAME = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "`": "'", "′": "'", "ʹ": "'"}
    | {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
    | {",": None, "\u00ad": None, "\u200b": None, "\ufeff": None, "\u2060": None}
)
# Folded: lower case, no accents, no commas, straight quotes, single spaces.  req: NDR-5
# Not right after a quotation mark: that is somebody quoting the sentence.
_SENTENCE = re.compile(
    r"""(?<!["'])(?<!["'][ ])le\ message\ que\ vous\ avez\ envoye\ a\ l'\ ?adresse\ """
    r"""(?:renseignee|["']?\ ?<?(?P<about>[^\s"'<>]{3,320})>?\ ?["']?)\ """
    r"""n'\ ?a\ pas\ pu\ etre\ distribue\ car\ """
    r"""(?:(?P<absent>cette\ adresse\ mon\ espace\ sante\ n'\ ?existe\ pas)"""
    r"""|(?P<closed>la\ messagerie\ mon\ espace\ sante\ de\ votre\ destinataire\ est\ cloturee)"""
    r"""|(?P<bad>cette\ adresse\ mon\ espace\ sante\ est\ invalide))(?=\ ?[.!]|\ ?$)""",
    re.X,
)
_HINT = "distribu"  # in every one of these sentences, however it is spelled
_STATES = {
    "absent": AccountState.NOT_CREATED,  # req: NDR-2
    "closed": AccountState.CLOSED,  # req: NDR-3
    "bad": AccountState.BAD_ADDRESS,  # req: NDR-4
}


def notice_in(text: str, *, html: bool = False, report: bytes = b"") -> Notice | None:
    """Recognise a notice by its whole sentence; None for any other text. Never raises.

    ``report``: the letter's message/delivery-status, which may name the address when the sentence does not. An
    ordinary letter may hold the sentence too: the caller believes automatic mail from the patient space only (SD-4).
    """
    if _HINT not in text[:MAX_TEXT].casefold():
        return None  # folding costs more than all else about a small letter
    found = _SENTENCE.search(folded(_plain(text[:MAX_TEXT]) if html else text[:MAX_TEXT]))
    if found is None:
        return None
    state = next(state for name, state in _STATES.items() if found[name])
    return Notice(account=state, about=_address(found["about"]) or _reported(report))


def folded(text: str) -> str:
    """The form in which sentences are compared; lines that cite another letter are left out."""
    compatible = unicodedata.normalize("NFKD", _CITED.sub("", text).translate(_SAME)).translate(_SAME)
    letters = "".join(char for char in compatible if not unicodedata.combining(char))
    return " ".join(letters.casefold().split())


def _plain(html: str) -> str:
    """The text of simple HTML, well enough for one sentence."""
    return _ENTITY.sub(lambda entity: markup.unescape(entity[0]), _TAG.sub(" ", html))


def _address(text: str | None) -> Address | None:
    try:
        return Address.parse(text) if text else None
    except MalformedAddress:
        return None


def _reported(report: bytes) -> Address | None:
    """The one recipient of a message/delivery-status (RFC 3464), None when there are several."""
    fields = read_header(b"\r\n".join(line for line in report.split(b"\r\n") if line.strip()))
    texts = {each.text for each in fields.all("final-recipient")}
    found = {_recipient_in(text) for text in texts} if len(texts) <= MAX_REPORTED else ()
    return next(iter(found)) if len(found) == 1 else None


def _recipient_in(value: str) -> Address | None:
    """The address of a Final-Recipient field, ``rfc822; box@domain``; None when unreadable."""
    kind, semicolon, text = without_comments(value).partition(";")
    return _address((text if semicolon else kind).strip().strip("<>"))

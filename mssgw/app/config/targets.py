"""Whom to tell that letters wait: the value of [[mailbox]] notify."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import PlainValidator

from mssgw.app.config.values import address
from mssgw.core.notifying import ByHook, ByMail, Target


def target(value: object) -> Target:
    """``"mailto:accueil@pharma-exemple.fr"``, or an https URL; of that, path and query may be secret."""
    scheme, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    if isinstance(value, str) and scheme == "mailto":
        if "?" in rest:
            raise ValueError("expected nothing behind the address")
        return ByMail(address(rest))
    if not isinstance(value, str) or not _is_https(value):
        raise ValueError('expected "mailto:accueil@pharma-exemple.fr" or "https://serveur.exemple.fr/chemin"')
    if "@" in urlsplit(value).netloc or "#" in value:
        raise ValueError("expected neither a login nor a #fragment in the URL")
    return ByHook(value)


def _is_https(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and all("!" <= c <= "~" for c in text)
        )
    except ValueError:
        return False


Notify = Annotated[Target, PlainValidator(target)]

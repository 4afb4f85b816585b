"""The letter of a send step, from its keys or a template, in wire form without the final dot."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any

from tests import clinical_letters
from tests.stories.people import SUBJECT, address, filled

FAULTS = {"untidy": clinical_letters.UNTIDY, "harmful": clinical_letters.HARMFUL}
DATE = format_datetime(datetime(2026, 1, 5, 9, tzinfo=UTC))


def message(send: dict[str, Any]) -> bytes:
    """Wire form: CRLF, dots stuffed."""
    text = filled(send["template"], _values(send)) if "template" in send else _written(send)
    content = _crlf(text)
    if "pad_to" in send:
        content += _padding(send["pad_to"] - len(content))
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n"))


def _written(send: dict[str, Any]) -> str:
    if "document" not in send:
        return "\n".join(_lines(send))
    fields = [line for line in _lines(send) if not line.startswith(("MIME-", "Content-", "\n"))]
    return _clinical("\n".join(fields) + "\n", **send["document"])


def _clinical(fields: str, *, of: str | list[str], fault: str = "", mark: str = "", bare: bool = False) -> str:
    """The letter with a document about each of ``of``."""
    patients = [address(each).partition("@")[0] for each in ([of] if isinstance(of, str) else of)]
    edit = clinical_letters.hidden_from(mark) if mark else FAULTS[fault] if fault else None
    return clinical_letters.letter(patients, fields=fields, edit=edit, bare=bare)


def message_id(of: str) -> str:
    """The Message-ID of the letter that a story calls so."""
    return f"<{of}@story.invalid>"


def _lines(send: dict[str, Any]) -> Iterator[str]:
    fields = {
        "From": f"<{send['author']}>",
        "To": ", ".join(f"<{to}>" for to in send["to"]),
        "Date": DATE,
        "Subject": _header_word(send.get("subject", SUBJECT)),
        "Message-ID": message_id(send["id"]) if send["id"] else "",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **({"In-Reply-To": message_id(send["answers"])} if "answers" in send else {}),
        **({"X-MSS-MES": "FIN"} if send.get("fin") else {}),
        **send.get("headers", {}),
    }
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if each:
                yield filled(f"{name}: {each}")
    yield f"\n{filled(send.get('body', 'Bonjour.'))}\n"


def _header_word(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode()


def _values(send: dict[str, Any]) -> dict[str, str]:
    """What a template may name besides people."""
    return {
        "from": send["author"],
        "to": send["to"][0],
        "date": DATE,
        "id": message_id(send["id"]),
        "answers": message_id(send.get("answers", "none")),
        "subject": send.get("subject", SUBJECT),
        **send.get("fill", {}),
    }


def _crlf(text: str) -> bytes:
    return filled(text).encode("utf-8").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _padding(octets: int) -> bytes:
    """So many octets in lines of at most 1000."""
    assert octets >= 2, "the letter is longer than it should become"
    full, rest = divmod(octets - 2, 1000)
    return (b"x" * 998 + b"\r\n") * full + b"x" * rest + b"\r\n"

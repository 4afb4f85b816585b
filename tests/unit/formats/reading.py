"""Short ways to write a letter and have it read."""

from collections.abc import Iterable

from mssgw.core.message import MessageHead
from mssgw.formats.mime import Scanner


def letter(*fields: str | bytes, body: bytes = b"Bonjour\r\n") -> bytes:
    """A letter of these header fields; text is written as UTF-8."""
    lines = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"\r\n".join([*lines, b"", body])


def read(message: bytes, **options: object) -> MessageHead:
    return read_in_pieces([message], **options)


def read_in_pieces(pieces: Iterable[bytes], **options: object) -> MessageHead:
    scanner = Scanner(**options)  # type: ignore[arg-type]
    for piece in pieces:
        scanner.feed(piece)
    return scanner.finish()


def multipart(boundary: str, *parts: bytes, kind: str = "mixed", fields: Iterable[str] = ()) -> bytes:
    """A well-formed multipart letter; each part is header, empty line and content."""
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"
    return letter(*fields, f'Content-Type: multipart/{kind}; boundary="{boundary}"', body=body)

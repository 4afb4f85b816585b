"""A load client that shows a certificate, for want of TLS in Postfix's smtp-source: threads, blocking sockets, OpenSSL.

    python -m bench.tls_source PORT FOLDER --letters 400 --sessions 10 --octets 300000

Like smtp-source: one connection a letter, one command after the other. No TLS session is ever resumed. FOLDER as
bench/trust.py lays it out. Exit code 1 when a server does not take a letter.
"""

import argparse
import socket
import ssl
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

from bench.part import HOSPITAL_DOCTOR, OPERATOR_DOCTOR

LIMIT = 60.0  # seconds for one answer


def letter(octets: int) -> bytes:
    """As DATA carries it, final dot included."""
    head = (
        f"From: <{OPERATOR_DOCTOR}>\r\nTo: <{HOSPITAL_DOCTOR}>\r\nSubject: Essai\r\n"
        "Date: Fri, 20 Nov 2026 08:30:00 +0100\r\nMessage-ID: <bench.trust@liberal.mssante.fr>\r\n\r\n"
    )
    return head.encode() + (b"X" * 78 + b"\r\n") * (octets // 80) + b".\r\n"


def context(folder: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(folder / "anchors.pem"))
    made.load_cert_chain(folder / "client.pem")
    return made


def send(port: int, tls: ssl.SSLContext, content: bytes) -> None:
    """One letter over a connection of its own. Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), LIMIT) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with plain.makefile("rb") as answers:
            _expect(answers, b"220")
            _ask(plain, answers, b"EHLO bench.example\r\n", b"250")
            _ask(plain, answers, b"STARTTLS\r\n", b"220")
        with tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure, secure.makefile("rb") as answers:
            _ask(secure, answers, b"EHLO bench.example\r\n", b"250")
            _ask(secure, answers, f"MAIL FROM:<{OPERATOR_DOCTOR}>\r\n".encode(), b"250")
            _ask(secure, answers, f"RCPT TO:<{HOSPITAL_DOCTOR}>\r\n".encode(), b"250")
            _ask(secure, answers, b"DATA\r\n", b"354")
            _ask(secure, answers, content, b"250")
            secure.sendall(b"QUIT\r\n")


def _ask(where: socket.socket, answers: BinaryIO, said: bytes, expected: bytes) -> None:
    where.sendall(said)
    _expect(answers, expected)


def _expect(answers: BinaryIO, expected: bytes) -> None:
    while (line := answers.readline())[3:4] == b"-":
        pass
    if not line.startswith(expected):
        raise OSError(f"{line.decode(errors='replace').strip() or 'the connection was closed'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--letters", type=int, default=400)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--octets", type=int, default=300_000)
    given = parser.parse_args()
    tls, content, numbers = context(given.folder), letter(given.octets), count()
    troubles: list[str] = []

    def turns() -> Iterator[int]:
        while (number := next(numbers)) < given.letters and not troubles:
            yield number

    def session() -> None:
        try:
            for _ in turns():
                send(given.port, tls, content)
        except OSError as error:
            troubles.append(str(error))

    threads = [threading.Thread(target=session) for _ in range(given.sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        parser.exit(1, f"{troubles[0]}\n")


if __name__ == "__main__":
    main()

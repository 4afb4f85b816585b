"""A next hop that wants certificates: STARTTLS or nothing, nobody in without one; it counts letters as smtp-sink does.

    python -m bench.tls_sink PORT FOLDER

A thread for each connection, blocking sockets, OpenSSL. FOLDER as bench/trust.py lays it out.
"""

import socket
import ssl
import sys
import threading
from pathlib import Path

_GREETING = b"220 sink ESMTP\r\n"
_CLEAR = b"250-sink\r\n250 STARTTLS\r\n"
_OFFERS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 60000000\r\n"
_END = b"\r\n.\r\n"


class _Said:
    """What a client says, pipelined or not."""

    def __init__(self, secure: ssl.SSLSocket) -> None:
        self._secure, self._rest = secure, b""

    def line(self) -> bytes:
        """Empty at the end."""
        while b"\n" not in self._rest:
            if not (piece := self._secure.recv(262_144)):
                return b""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line + b"\n"

    def skip_letter(self) -> None:
        """Read over a letter and its final dot. Raises ConnectionResetError when there is none."""
        seen = b"\r\n" + self._rest
        while (end := seen.find(_END)) < 0:
            if not (piece := self._secure.recv(262_144)):
                raise ConnectionResetError
            seen = seen[1 - len(_END) :] + piece
        self._rest = seen[end + len(_END) :]


class Sink:
    """``run`` never ends."""

    def __init__(self, port: int, folder: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "sink.pem")
        self._tls.load_verify_locations(folder / "anchors.pem")
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._listening = socket.create_server(("127.0.0.1", port), backlog=512)
        self._lock, self._count = threading.Lock(), 0

    def run(self) -> None:
        while True:
            plain, _ = self._listening.accept()
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._may_begin(plain):
                    with self._tls.wrap_socket(plain, server_side=True) as secure:
                        self._dialogue(secure)
        except OSError:  # it went away, or showed no certificate
            return

    def _may_begin(self, plain: socket.socket) -> bool:
        plain.sendall(_GREETING)
        with plain.makefile("rb", buffering=0) as lines:
            while line := lines.readline(4_096):
                verb = line[:4].upper()
                if verb == b"STAR":
                    plain.sendall(b"220 Go on\r\n")
                    return True
                plain.sendall(_CLEAR if verb == b"EHLO" else b"530 5.7.0 STARTTLS first\r\n")
        return False

    def _dialogue(self, secure: ssl.SSLSocket) -> None:
        said = _Said(secure)
        while line := said.line():
            verb = line[:4].upper()
            if verb == b"DATA":
                secure.sendall(b"354 Go on\r\n")
                said.skip_letter()
                self._take()
            secure.sendall(_OFFERS if verb == b"EHLO" else b"250 2.0.0 Ok\r\n")
            if verb == b"QUIT":
                return

    def _take(self) -> None:
        with self._lock:
            self._count += 1
            print(f"mesg={self._count}", flush=True)


if __name__ == "__main__":
    Sink(int(sys.argv[1]), Path(sys.argv[2])).run()

"""What an administrator would write instead of the gateway: a small policy milter (libmilter, threads) for Postfix.

    /usr/bin/python3 -I bench/policy_milter.py PORT DATABASE [documents]

The same work on each letter: it reads the MIME structure, spots [FIN], wants attached XML to be well-formed, and keeps
the state of each pair of professional and patient in SQLite, committed before the 250. With ``documents`` it also opens
attached zips and wants all XML in them to be well-formed; it looks no further into any of it. It runs under Debian's
Python with python3-milter (and not lxml, which cannot bear the threads of libmilter), and knows nothing of the gateway.
"""

import email
import io
import sqlite3
import sys
import threading
import zipfile
from xml.etree import ElementTree

import Milter

DOCUMENTS = "documents" in sys.argv[3:]
PATIENTS = "@patient.mssante.fr"
_mine = threading.local()


def database() -> sqlite3.Connection:
    """Of this thread: libmilter serves each connection in one."""
    if not hasattr(_mine, "connection"):
        _mine.connection = made = sqlite3.connect(sys.argv[2], timeout=30, isolation_level=None)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = FULL")
    return _mine.connection


class Policy(Milter.Base):
    """One connection of Postfix."""

    def envfrom(self, sender, *_):
        self.sender, self.recipients, self.pieces = sender.strip("<>").lower(), [], []
        return Milter.CONTINUE

    def envrcpt(self, recipient, *_):
        self.recipients.append(recipient.strip("<>").lower())
        return Milter.CONTINUE

    def header(self, name, value):
        self.pieces.append(f"{name}: {value}\r\n".encode("utf-8", "surrogateescape"))
        return Milter.CONTINUE

    def eoh(self):
        self.pieces.append(b"\r\n")
        return Milter.CONTINUE

    def body(self, chunk):
        self.pieces.append(chunk)
        return Milter.CONTINUE

    def eom(self):
        message = email.message_from_bytes(b"".join(self.pieces))
        if not all(map(self.well_formed, message.walk())):
            return self.refuse("554", "5.6.0", "Document illisible")
        state = "closed" if str(message.get("Subject", "")).strip().startswith("[FIN]") else "open"
        for recipient in self.recipients:
            if recipient.endswith(PATIENTS):
                self.move(recipient, state)
            elif self.sender.endswith(PATIENTS) and not self.is_open(recipient):
                return self.refuse("550", "5.7.1", "Seul un professionnel ouvre l'echange")
        return Milter.ACCEPT

    def refuse(self, code, status, text):
        self.setreply(code, status, text)
        return Milter.REJECT

    def well_formed(self, part) -> bool:
        kind = part.get_content_type()
        try:
            if kind in ("text/xml", "application/xml"):
                ElementTree.fromstring(part.get_payload(decode=True))
            elif kind == "application/zip" and DOCUMENTS:
                with zipfile.ZipFile(io.BytesIO(part.get_payload(decode=True))) as archive:
                    for name in archive.namelist():
                        if name.upper().endswith(".XML"):
                            ElementTree.fromstring(archive.read(name))
        except (ElementTree.ParseError, zipfile.BadZipFile):
            return False
        return True

    def move(self, patient, state) -> None:
        database().execute(
            "INSERT INTO pair VALUES (?, ?, ?) ON CONFLICT (pro, patient) DO UPDATE SET state = excluded.state",
            (self.sender, patient, state),
        )

    def is_open(self, professional) -> bool:
        asked = "SELECT 1 FROM pair WHERE pro = ? AND patient = ? AND state = 'open'"
        return database().execute(asked, (professional, self.sender)).fetchone() is not None


if __name__ == "__main__":
    database().execute("CREATE TABLE IF NOT EXISTS pair (pro, patient, state, PRIMARY KEY (pro, patient))")
    Milter.factory = Policy
    Milter.runmilter("mssgw-bench", f"inet:{sys.argv[1]}@127.0.0.1", 60)

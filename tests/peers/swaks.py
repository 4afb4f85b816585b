"""Debian's swaks as an administrator would type it."""

import re
import subprocess
from dataclasses import dataclass

# Lines of a transcript: what went out (-> or ~> under TLS), what came back (<- or <~, <** and <~* when refused).
_OUT = re.compile(r"^ ?[-~]> ?(.*)$")
_BACK = re.compile(r"^<(?:-|~|\*\*|~\*) {1,2}(.*)$")
_END = re.compile(r"\.$|[0-9]+ lines sent$")  # the latter with --suppress-data

OK, CONNECT_FAILED, MAIL_REFUSED, ALL_RCPT_REFUSED, DATA_REFUSED, LETTER_REFUSED, NO_AUTH, NO_TLS = (
    0,
    2,
    23,
    24,
    25,
    26,
    28,
    29,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What swaks did: its exit code and all that it printed."""

    exit_code: int
    text: str

    def reply_to(self, command: str) -> str:
        """The last line of the reply to the first command that begins so; "." is the end of the letter."""
        answered = ""
        asked = False
        for line in self.text.splitlines():
            if (out := _OUT.match(line)) is not None:
                if asked and answered:
                    return answered
                asked = asked or bool(_END.match(out[1]) if command == "." else out[1].startswith(command))
            elif asked and (back := _BACK.match(line)) is not None:
                answered = back[1]
        assert answered, f"no reply to {command}:\n{self.text}"
        return answered


def swaks(port: int, *words: str, stdin: str = "") -> Transcript:
    """Run swaks against a loopback port with further words of its command line."""
    command = ["swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "poste.ch-test.invalid", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, errors="replace")
    return Transcript(exit_code=done.returncode, text=done.stdout + done.stderr)

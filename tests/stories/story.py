"""A story: who is there, what happens step by step, and what each step must bring about. Read from story.toml.

Each story is played twice by test_stories.py: over the in-memory twins, and over real sockets and SQLite.
"""

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

# Who speaks: the loopback address it comes from and the listener it uses.
PEERS = {
    "hospital": ("127.0.0.2", "establishment"),
    "pharmacy": ("127.0.0.3", "establishment"),
    "mes": ("127.0.0.4", "trust-space"),  # Mon espace santé
    "clinic": ("127.0.0.5", "trust-space"),  # another operator
    "stranger": ("127.0.0.9", "trust-space"),
    "outsider": ("127.0.0.9", "establishment"),
}

CONFIG = """
[gateway]
hostname = "gw.mssgw.invalid"
state_dir = "{dir}"

[store]
master_key_file = "{dir}/master.key"

[[listener]]
name = "establishments"
role = "establishment"
address = "127.0.0.1:{establishment_port}"
tls = "none"
require_tls = false

[[listener]]
name = "operators"
role = "trust-space"
address = "127.0.0.1:{trust_port}"
tls = "none"
require_tls = false

[[establishment]]
name = "hospital"
domains = ["ch-test.mssante.fr"]
networks = ["127.0.0.2/32"]
next_hop = "127.0.0.1:{sink_port}"
next_hop_tls = "none"
notice_domains = ["mail.ch-test.invalid"]
person_received = true
person_header = "X-Agent"

[[establishment]]
name = "pharmacy"
domains = ["pharma-test.mssante.fr"]
networks = ["127.0.0.3/32"]
next_hop = "127.0.0.1:{sink_port}"
next_hop_tls = "none"

[[trusted_domain]]
name = "mes"
domains = ["patient.mssante.fr"]
networks = ["127.0.0.4/32"]
next_hop = "127.0.0.1:{sink_port}"
next_hop_tls = "none"

[[trusted_domain]]
name = "clinic"
domains = ["clinique-test.mssante.fr"]
networks = ["127.0.0.5/32"]
next_hop = "127.0.0.1:{sink_port}"
next_hop_tls = "none"

[[mailbox]]
address = "officine@pharma-test.mssante.fr"
kind = "ORG"
pharmacy = true
responsible = "Mme Invente"

[[mailbox]]
address = "pharmacien@pharma-test.mssante.fr"
kind = "PER"

[[mailbox]]
address = "soins@ch-test.mssante.fr"
kind = "ORG"

[[mailbox]]
address = "labo@ch-test.mssante.fr"
kind = "APP"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. Exactly one of send, pass_, operator says what happens; the rest says what must follow."""

    say: str
    send: dict[str, Any] | None = None
    pass_: str | None = None
    operator: dict[str, Any] | None = None
    hops: dict[str, str] | None = None  # how next hops answer from now on: recipient domain to "CODE STATUS TEXT"
    expect: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    name: str
    title: str
    requirements: tuple[str, ...]
    config: str
    steps: tuple[Step, ...]


def load(folder: Path) -> Story:
    """Read one folder's story.toml; ``extra`` in it is appended to the configuration."""
    raw = tomllib.loads((folder / "story.toml").read_text("utf-8"))
    steps = tuple(
        Step(**{("pass_" if key == "pass" else key): value for key, value in step.items()}) for step in raw.pop("step")
    )
    return Story(
        name=folder.name,
        title=raw.pop("title"),
        requirements=tuple(raw.pop("requirements")),
        config=CONFIG + raw.pop("extra", ""),
        steps=steps,
        **raw,
    )


def stories() -> list[Story]:
    return [load(path.parent) for path in sorted(HERE.glob("*/story.toml"))]


def message(send: dict[str, Any]) -> bytes:
    """The letter of a send step in wire form without the final dot. ``raw`` replaces header and body."""
    if "raw" in send:
        text = send["raw"]
    else:
        headers = {
            "From": f"<{send['from']}>",
            "To": ", ".join(f"<{to}>" for to in send["to"]),
            "Date": format_datetime(datetime(2026, 1, 5, 9, tzinfo=UTC)),
            "Subject": "Lettre",
            **send.get("headers", {}),
        }
        head = "".join(f"{name}: {value}\n" for name, value in headers.items() if value)
        text = f"{head}\n{send.get('body', 'Bonjour.')}\n"
    content: bytes = text.encode("utf-8").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if "pad_to" in send:  # exactly that many octets as received
        content += b"x" * 70 + b"\r\n" if send["pad_to"] - len(content) < 0 else b""
        while (missing := send["pad_to"] - len(content)) > 0:
            line = min(missing, 1000)
            line = line if missing - line != 1 else line - 1
            content += b"x" * (line - 2) + b"\r\n"
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n"))

"""A story: who is there, what happens step by step, and what each step must bring about. README.md has all keys.

Each story is played twice by test_stories.py: over the in-memory twins, and over real sockets and SQLite.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.canaries import Kind, plant
from tests.stories.people import HOME, PASSWORD, PEERS, address, filled

HERE = Path(__file__).parent
ACTS = frozenset({"send", "pass_", "operator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. At most one of send, pass_, operator says what happens; expect says what must follow."""

    say: str
    send: dict[str, Any] | None = None
    pass_: str | None = None
    operator: dict[str, Any] | None = None
    hops: dict[str, str] | None = None  # how next hops answer from now on: recipient domain to "CODE STATUS TEXT"
    store_takes: float | None = None  # seconds, from now on, before the store answers what it knows
    expect: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert sum(getattr(self, act) is not None for act in ACTS) <= 1, f"{self.say}: more than one act"
        assert self.send is None or "answer" in self.expect, f"{self.say}: expects no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    name: str
    title: str
    requirements: tuple[str, ...]
    config: str
    steps: tuple[Step, ...]


def load(folder: Path) -> Story:
    """Read one folder's story.toml; ``extra`` in it is appended to the configuration, which ``base`` names."""
    raw = tomllib.loads((folder / "story.toml").read_text("utf-8"))
    base = (HERE / raw.pop("base", "mssgw.toml")).read_text("utf-8").replace("{bad_key}", raw.pop("bad_key", "refuse"))
    steps = [_step(step, number, folder) for number, step in enumerate(raw.pop("step"), 1)]
    return Story(
        name=folder.name,
        title=raw.pop("title"),
        requirements=tuple(raw.pop("requirements")),
        config=filled(base + raw.pop("extra", "")),
        steps=tuple(steps),
        **raw,
    )


def _step(raw: dict[str, Any], number: int, folder: Path) -> Step:
    if "send" in raw:
        raw["send"] = _send(raw["send"], number, folder)
    return Step(**{("pass_" if key == "pass" else key): value for key, value in raw.items()})


def _send(send: dict[str, Any], number: int, folder: Path) -> dict[str, Any]:
    """Names become addresses, what is left out gets its default, a template is read."""
    sender = address(send["from"])
    send = {
        "id": f"step-{number}",
        **send,
        "from": sender,
        "author": address(send.get("author", sender)),
        "to": [address(to) for to in send["to"]],
    }
    send.setdefault("as", HOME.get(sender.rpartition("@")[2]))
    assert send["as"] in PEERS, f"step {number}: as whom?"
    if send["as"] == "home":
        send = {"login": sender, "password": PASSWORD, **send}
    if "login" in send:
        send["login"] = filled(send["login"])
    if "letter" in send:
        found = next(path for path in (folder / send["letter"], HERE / "letters" / send["letter"]) if path.exists())
        send["template"] = found.read_text("utf-8")
    subject = send.get("subject", "")
    if len(subject) >= 8 and "fin" not in subject.lower():
        plant(Kind.SUBJECT, subject)
    return send


def stories() -> list[Story]:
    return [load(path.parent) for path in sorted(HERE.glob("*/story.toml"))]

"""`mssgw trust` over real files and a real store, without a daemon: an installation, and what is published."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mssgw.app.backoffice import office
from mssgw.app.cli import main
from mssgw.app.config import load
from mssgw.core.addresses import Address
from mssgw.core.journal import Entry, JournalEvent
from tests import white_lists
from tests.installation import DOCTOR, PATIENT, begun, install
from tests.pki import Identity, TrustSpace
from tests.white_lists import dn, white_list

MES, ELSEWHERE = "mta.patient.fr", "mta.autre.fr"
IDN = "hôpital.mssante.fr"
LISTED = [
    ("patient.mssante.fr", dn(MES)),
    (IDN, dn(ELSEWHERE)),
    (IDN, dn("mta2.autre.fr")),
    ("chu.mssante.fr", dn("localhost")),
    *((f"d{n}.mssante.fr", dn(ELSEWHERE)) for n in range(12)),
]
OTHERS = [(domain, dn(MES) if domain == "chu.mssante.fr" else name) for domain, name in LISTED]
OTHERS.append(("neu.mssante.fr", dn("localhost")))  # our operator is listed still, for another domain
LATER = "2026-02-01T08:00:00Z"


class Place:
    """An installation in the trust space, and what is published. ``run``: `mssgw trust` with these words."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.space = folder, TrustSpace()
        self.anchors = self.space.write_anchors(folder)
        self.crls = self.space.write_crls(folder)
        self.renew(self.space.operator("localhost", not_after=datetime.now(UTC) + timedelta(days=90)))
        self.publish()
        self.configure("white_list_unsigned = true")
        begun(folder / "state")
        monkeypatch.chdir(folder)  # state_dir is relative
        monkeypatch.setenv("MSSGW_CONFIG", str(folder / "mssgw.toml"))
        monkeypatch.setenv("SUDO_USER", "anne")

    def configure(self, *lines: str) -> None:
        crls = [str(path) for path in self.crls]
        table = [
            "[trust]",
            'white_list = "list.xml"',
            f'anchors = "{self.anchors}"',
            'certificate = "ours.pem"',
            'key = "ours.key"',
            f"crls = {crls!r}",
            *lines,
        ]
        install(self.folder, "\n".join(table), hop=25, role="trust-space", listener='tls = "starttls"')

    def renew(self, ours: Identity) -> None:
        ours.write_apart(self.folder, "ours")

    def publish(self, entries: Sequence[white_lists.Entry] = LISTED, name: str = "list.xml", **how: Any) -> Path:
        path = self.folder / name
        path.write_bytes(white_list(entries, **how))
        return path

    def run(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["trust", *words])
        assert result.exit_code == code, result.output
        assert PATIENT not in result.output
        assert DOCTOR not in result.output
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        (line,) = self.run(*words, "--json", code=code).stdout.splitlines()
        return json.loads(line)

    def trace(self) -> list[tuple[str, str]]:
        """Who did what to the list."""
        lines = CliRunner().invoke(main, ["trace", "white-list", "--json"]).stdout.splitlines()
        return [(each["operator"], each["detail"]) for each in map(json.loads, lines)]

    def note(self, *entries: Entry) -> None:
        async def keep() -> None:
            async with office(load(self.folder / "mssgw.toml")) as opened:
                await opened.store.note(entries)

        asyncio.run(keep())


def mail(event: JournalEvent, sender: str, recipient: str, *, days: int = 1, **more: Any) -> Entry:
    at = datetime.now(UTC) - timedelta(days=days)
    return Entry(at=at, event=event, sender=Address.parse(sender), recipient=Address.parse(recipient), **more)

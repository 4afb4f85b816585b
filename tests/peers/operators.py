"""Operators of a trust space on this machine: certificates, the white list and revocation lists in files they share.

Each listens on 127.0.0.1, which its certificate names beside its host name.
"""

import hashlib
import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import white_lists
from tests.peers.gateway import GatewayProcess, Hops, Settings
from tests.peers.ports import free_port
from tests.pki import Identity, TrustSpace, operator_dn

PATIENCE = 60.0  # seconds: what issue 4 grants a revocation, too


@dataclass(slots=True)
class World:
    """``listed``: domain to the host name of the one operator that speaks for it."""

    folder: Path
    listed: Mapping[str, str]
    space: TrustSpace = field(default_factory=TrustSpace)

    def __post_init__(self) -> None:
        self.space.write_anchors(self.folder)
        self.space.write_crls(self.folder)
        entries = [(domain, white_lists.dn(host)) for domain, host in self.listed.items()]
        (self.folder / "list.xml").write_bytes(white_lists.white_list(entries))

    @property
    def anchors(self) -> Path:
        return self.folder / "anchors.pem"

    def identity(self, host: str) -> Identity:
        """A new certificate of this operator."""
        return self.space.intermediate.issue(operator_dn(host), host, "127.0.0.1")

    def revoke(self, identity: Identity) -> None:
        """Publish a new revocation list, as an authority does: the file is replaced at once."""
        new = self.folder / "new.crl"
        new.write_bytes(self.space.intermediate.crl(identity.serial))
        new.replace(self.folder / "intermediate.crl")

    def trust(self, certificate: Path, key: Path) -> dict[str, Any]:
        """The table [trust] of an operator that has these files."""
        return {
            "white_list": str(self.folder / "list.xml"),
            "white_list_unsigned": True,
            "anchors": str(self.anchors),
            "certificate": str(certificate),
            "key": str(key),
            "crls": [str(self.folder / "root.crl"), str(self.folder / "intermediate.crl")],
            "crl_poll": "500ms",
        }


class Operator(GatewayProcess):
    """A gateway that speaks for ``domain``. Its establishment's server, on ``inward``, hands in letters on ``port``."""

    def __init__(self, world: World, host: str, domain: str, inward: int) -> None:
        super().__init__(Hops(operators=0, inward=inward))
        self.world, self.host, self.domain, self._inward = world, host, domain, inward
        self.identity = world.identity(host)
        self.certificate, self.key = self.identity.write_apart(self.home)
        self._metrics = free_port()

    def knows(self, others: Mapping[str, int]) -> None:
        """Write its configuration; ``others``: domain to the port on which that operator's server listens."""
        made = self.configuration(Hops(operators=0, inward=self._inward))
        made["gateway"]["hostname"] = self.host
        made["establishment"][0] |= {"name": "ours", "domains": [self.domain], "notice_domains": []}
        made["listener"][1] = {
            "name": "outside",
            "role": "trust-space",
            "address": f"127.0.0.1:{self.trust_port}",
        }
        made["trusted_domain"] = [
            {"name": f"operator-{n}", "domains": [domain], "next_hop": f"127.0.0.1:{port}"}
            for n, (domain, port) in enumerate(others.items())
        ]
        settings: Settings = {
            "trust": self.world.trust(self.certificate, self.key),
            "metrics": {"address": f"127.0.0.1:{self._metrics}"},
        }
        self.configure(made, settings)

    def start(self) -> None:
        """As a process is started, and then until it has read the white list and the revocation lists."""
        super().start()
        wait_until(self._ready, lambda: f"{self.host} is not ready\n{self.last_log_lines()}")

    def renew(self) -> Identity:
        """A new certificate and key in the place of the old ones, as certbot and its like put them there."""
        self.identity = self.world.identity(self.host)
        for new, old in zip(self.identity.write_apart(self.home, "new"), (self.certificate, self.key), strict=True):
            shutil.move(new, old)
        return self.identity

    def said(self, event: str, **fields: str) -> list[dict[str, Any]]:
        """The lines of its log with this event and these fields."""
        lines = (json.loads(line) for line in self.log().splitlines() if f'"event":"{event}"' in line)
        return [line for line in lines if all(line.get(key) == value for key, value in fields.items())]

    def wait_until_said(self, event: str, count: int = 1, **fields: str) -> None:
        def missing() -> str:
            return f"{self.host} does not say {event} {fields}\n{self.last_log_lines()}"

        wait_until(lambda: len(self.said(event, **fields)) >= count, missing)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/readyz", timeout=5) as answer:
                return bool(json.loads(answer.read())["ready"])
        except OSError:  # 503 is one
            return False


def wait_until(holds: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until it holds; an AssertionError when it does not."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.05)


def postfix_fingerprint(identity: Identity) -> str:
    """Of its certificate, as Postfix writes it."""
    return hashlib.sha256(identity.der).digest().hex(":").upper()

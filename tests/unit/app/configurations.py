"""A configuration that works, for tests that change one thing in it."""

from pathlib import Path

import pytest

from mssgw.app import config

GOOD = """\
[gateway]
hostname = "mssgw.chu-exemple.fr"
state_dir = "state"

[[listener]]
name = "inside"
role = "establishment"
address = "127.0.0.1:2525"
tls = "none"

[[listener]]
name = "outside"
role = "trust-space"
address = "127.0.0.1:2526"
tls = "none"

[[establishment]]
name = "chu"
domains = [
    "chu-exemple.mssante.fr",
]
networks = ["192.0.2.0/24"]
next_hop = "127.0.0.1:2600"
next_hop_tls = "none"

[[establishment]]
name = "clinique"
domains = ["clinique-exemple.mssante.fr"]
networks = ["198.51.100.0/24"]

[[login]]
user = "imagerie"
password_hash = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub"
establishment = "chu"

[[trusted_domain]]
name = "mes"
domains = ["patient.mssante.fr"]
networks = ["203.0.113.0/24"]
next_hop = "mx"

[[mailbox]]
address = "accueil@chu-exemple.mssante.fr"
kind = "ORG"

[policy]
conversations = "enforce"

[limits]
message_size = "10 MiB"

[delivery]
give_up_after = "48h"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mssgw.toml"
    path.write_text(text, "utf-8")
    return path


def problems_of(path: Path) -> tuple[config.Problem, ...]:
    with pytest.raises(config.ConfigErrors) as caught:
        config.load(path)
    return caught.value.problems

"""A reload takes each key wholly or leaves it wholly to the next restart."""

import re
from pathlib import Path

import pytest

from mssgw.app import config
from mssgw.app.config.reload import RESTART, reloaded
from mssgw.app.reloading import refusals_told
from tests.unit.app.test_config_example import EXAMPLE, tables


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> config.Config:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return config.load(EXAMPLE)


def test_what_waits_for_a_restart_stays_as_it_was_and_is_named(old: config.Config) -> None:
    """The old value goes on; what stands beside it in the same section is taken."""
    new = old.model_copy(
        update={
            "gateway": old.gateway.model_copy(update={"workers": 7, "patient_domain": "patient.test"}),
            "limits": old.limits.model_copy(update={"body_memory": 5, "recipients": 3, "disk_reserve": 9}),
            "delivery": old.delivery.model_copy(update={"connections_per_hop": 1, "first_retry": old.limits.idle}),
        }
    )
    merged, waiting = reloaded(old, new)
    assert waiting == ["gateway.workers", "limits.body_memory", "delivery.connections_per_hop"]
    assert (merged.gateway.workers, merged.gateway.patient_domain) == (old.gateway.workers, "patient.test")
    assert merged.limits == new.limits.model_copy(update={"body_memory": old.limits.body_memory})
    assert merged.delivery.connections_per_hop == old.delivery.connections_per_hop
    assert merged.delivery.first_retry == old.limits.idle
    assert reloaded(merged, new) == (merged, waiting), "the next reload names them again"
    assert reloaded(merged, old) == (old, [])


def test_a_listener_keeps_its_socket_and_takes_its_rules(old: config.Config) -> None:
    """Its certificate, say; another address waits."""
    moved = [each.model_copy(update={"socket": "other", "require_tls": False}) for each in old.listeners]
    merged, waiting = reloaded(old, old.model_copy(update={"listeners": tuple(moved)}))
    assert waiting == [f"listener.{each.name}.socket" for each in old.listeners]
    assert [each.socket for each in merged.listeners] == [each.socket for each in old.listeners]
    assert not any(each.require_tls for each in merged.listeners)


def test_listeners_that_come_or_go_wait_together(old: config.Config) -> None:
    """Which of them serves a socket is only clear at a start."""
    merged, waiting = reloaded(old, old.model_copy(update={"listeners": old.listeners[:-1]}))
    assert (merged, waiting) == (old, ["listener"])


@pytest.mark.parametrize("section", RESTART)
def test_the_keys_that_wait_are_keys(section: str) -> None:
    """A wrong name here would take a key into force by half."""
    assert set(RESTART[section]) <= set(tables()[section].model_fields)


@pytest.mark.parametrize(
    ("document", "words"),
    [("config/mssgw.toml", "These wait for a restart:"), ("docs/administrateur.md", "Attendent un redémarrage :")],
)
def test_the_documents_name_the_keys_that_wait(document: str, words: str) -> None:
    """All of them and no other, in the manual and in the file itself."""
    text = re.sub(r"\s(# )?", " ", (EXAMPLE.parents[1] / document).read_text("utf-8").replace("`", ""))
    said = re.search(re.escape(words) + r" (.*?)\. ", text)
    assert said is not None
    assert said[1].split(", ") == [f"{section}.{key}" for section, keys in RESTART.items() for key in keys]


def test_a_refusal_of_the_whole_file_names_the_file_and_no_line_0(tmp_path: Path) -> None:
    """A file that is not there has no line; whoever reads the log wants to know which one it was."""
    told: list[dict[str, object]] = []

    class Hearer:
        def event(self, name: str, **fields: object) -> None:
            told.append(fields)

    with refusals_told(Hearer()):
        config.load(tmp_path / "nowhere.toml")
    assert told[0]["file"] == str(tmp_path / "nowhere.toml")
    assert told[0]["line"] is None

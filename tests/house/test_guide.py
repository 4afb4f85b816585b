"""Whoever finds a reply or an event in a log finds it in the administrator's guide."""

import ast
import re
import shutil
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import pytest

from mssgw.app.cli import exits
from mssgw.app.telemetry.hints import HINTS
from mssgw.app.telemetry.labels import ALARMS, DOCUMENTS, RULES
from mssgw.core.journal import JournalEvent
from mssgw.edges.identity import THRESHOLDS
from mssgw.flow.reception import UNKNOWN_CLIENT

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "administrateur.md").read_text("utf-8")
SOCKETS = sorted(path.name for path in (ROOT / "systemd").glob("*.socket"))
_FAMILIES = (
    "collector|config|delivery|directory|disk|gateway|hop|letter|log|metrics|notice|notification|queue|receipts|report|retention|smtp"
    "|store|sweep|trust|validator"
)
_EVENT = re.compile(rf"(?:{_FAMILIES})\.[a-z_.]+")
_CALLS = {"event", "_event", "_tell", "_last", "_over", "debug", "info", "warning", "error"}


def files() -> Iterator[list[ast.AST]]:
    """The nodes of each file of the gateway's code."""
    yield from (list(ast.walk(ast.parse(path.read_text("utf-8")))) for path in sorted((ROOT / "mssgw").rglob("*.py")))


def calls(nodes: list[ast.AST]) -> Iterator[ast.Call]:
    yield from (node for node in nodes if isinstance(node, ast.Call))


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that an argument may be: both of a conditional expression."""
    yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))


def replies() -> Iterator[tuple[int, str, list[str]]]:
    """Code, status and texts of each reply whose code is spelt out; of an f-string, what precedes its values."""
    for nodes in files():
        assigned = [node for node in nodes if isinstance(node, ast.Assign)]
        for call in calls(nodes):
            match named(call), call.args:
                case "Reply", [ast.Constant(int(code)), ast.Constant(str(status)), text]:
                    pass
                case "_bad", [text, ast.Constant(int(code)), ast.Constant(str(status))]:
                    pass
                case "not_allowed", [text]:
                    code, status = 550, "5.7.1"
                case _:
                    continue
            given = [each.value for each in assigned if ast.unparse(each.targets[0]) == ast.unparse(text)] or [text]
            yield code, status, [next(texts(each)) for each in given if isinstance(each, ast.Constant | ast.JoinedStr)]


def test_every_refusal_stands_in_the_guide() -> None:
    """By code and enhanced status."""
    refusals = {f"{code} {status}" for code, status, _ in replies() if code >= 400}
    assert len(refusals) > 30
    assert sorted(each for each in refusals if each not in GUIDE) == []


def test_every_text_of_a_refusal_stands_in_the_guide() -> None:
    """Its first five words, behind code and status, so that whoever searches the guide for them finds the row.

    Errors of syntax and sequence are told by their codes; what guards documents is caught where these are judged.
    """
    by_code = {500, 501, 502, 503, 504, 538, 555}
    inside = {"554 5.6.0 Document medical illisible ou non", "554 5.6.0 Document XML illisible ou non"}
    guide = " ".join(GUIDE.split())
    said = {
        f"{code} {status} {' '.join(text.split()[:5])}"
        for code, status, spelt in replies()
        for text in spelt
        if code >= 500 and code not in by_code
    }
    assert len(said) > 40
    assert inside < said
    assert sorted(each for each in said - inside if each not in guide) == []


def test_who_writes_from_an_unknown_network_is_told_what_lets_him_in() -> None:
    """Where no login is configured EHLO offers no AUTH, and "Authentification requise" alone leads nowhere."""
    assert "networks de l'etablissement" in UNKNOWN_CLIENT.text
    assert f"`530 5.7.0 {UNKNOWN_CLIENT.text}`" in GUIDE


def test_every_event_stands_in_the_guide() -> None:
    """A pattern of its table may stand for several."""
    events = {
        text
        for nodes in files()
        for call in calls(nodes)
        if named(call) in _CALLS and call.args
        for text in texts(call.args[0])
        if _EVENT.fullmatch(text)
    }
    assert len(events) >= 30
    events |= set(HINTS)
    known = re.findall(rf"`((?:{_FAMILIES})\.[a-z_.*]+)`", GUIDE)
    assert sorted(each for each in events if not any(fnmatch(each, pattern) for pattern in known)) == []


def test_the_guide_names_the_alarms_that_no_measure_counts() -> None:
    """Whoever watches ``mssgw_alarm`` alone hears of none of these; ``log.missed`` is written by the log itself."""
    raised = {
        text
        for nodes in files()
        for call in calls(nodes)
        if any(ast.unparse(each) == "alarm=True" for each in call.keywords) and call.args
        for text in texts(call.args[0])
        if _EVENT.fullmatch(text)
    }
    assert len(raised) > 30
    (told,) = re.findall(r"n'ont \*\*pas de série\*\* :\n([^.]+(?:\.[a-z][^.]*)+)\. Elles", GUIDE)
    assert sorted(re.findall(r"`([a-z._]+)`", told)) == sorted({"log.missed"} | raised - set(ALARMS))


def test_every_measure_stands_in_the_guide() -> None:
    """In full, or by its end behind an ellipsis, beside its sister."""
    measure = re.compile(r"mssgw_[a-z_]{4,}")
    spelt = (node.value for nodes in files() for node in nodes if isinstance(node, ast.Constant))
    names = {value for value in spelt if isinstance(value, str) and measure.fullmatch(value)} - {"mssgw_work"}
    assert {"mssgw_notices_sent", "mssgw_trust_own_domains_unlisted"} < names
    known = set(re.findall(r"`((?:mssgw|…)_[a-z_]+)", GUIDE))
    ends = tuple(name.removeprefix("…") for name in known if name.startswith("…"))
    assert (
        sorted(name for name in names if not name.endswith(ends) and not any(k.startswith(name) for k in known)) == []
    )


def test_every_rule_and_every_word_of_a_trace_stands_in_the_guide() -> None:
    """Log, trace, explain and measures name them in English; what one means is looked for by that name."""
    named = set(re.findall(r"`([a-z-]+)`", GUIDE))
    assert sorted({*RULES} - {DOCUMENTS} - named) == []
    assert sorted({event.value for event in JournalEvent} - named) == []


def test_every_alarm_is_spelt_out_in_the_guide() -> None:
    """Who is woken by one searches the page for its whole name."""
    assert sorted(event for event in ALARMS if f"`{event}`" not in GUIDE) == []


def test_whoever_watches_the_journal_is_not_left_alone_at_the_first_reload() -> None:
    """systemd writes lines of its own there, and so does ``mssgw check``: plain jq ends at the first of them."""
    watching = re.findall(r"^journalctl .*\| (jq .+)$", GUIDE, re.MULTILINE)
    assert watching != []
    assert [each for each in watching if not ("R '" in each and "fromjson?" in each)] == []


def test_the_guide_names_what_its_table_of_alarms_holds_beside_alarms() -> None:
    """Whoever filters by ``alarm`` sees none of these."""
    section = GUIDE.partition("## Ce qu'il faut surveiller")[2].partition("Ceux-ci racontent")[0]
    rows = " ".join(re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE))
    listed = set(re.findall(rf"`((?:{_FAMILIES})\.[a-z_.]+)`", rows))
    (told,) = re.findall(r"événements sans alarme :\n([^;]+) ;", section)
    supervisors = {"gateway.socket_unused", "log.missed", "metrics.unavailable"}
    others = {each for each in listed if not each.startswith("gateway.worker_")} - set(ALARMS) - supervisors
    assert set(re.findall(r"`([a-z_.]+)`", told)) == others


def test_the_trial_by_hand_reaches_no_other_machine(tmp_path: Path) -> None:
    """Its sed, as it stands in the guide, leaves no next hop and no listener but on loopback."""
    section = GUIDE.partition("### Essayer à la main")[2].partition("\n## ")[0]
    (made,) = re.findall(r"^sed .*?> mssgw\.toml$", section, re.MULTILINE | re.DOTALL)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mssgw.toml").write_bytes((ROOT / "config" / "mssgw.toml").read_bytes())
    (tmp_path / "essai").mkdir()
    subprocess.run(["bash", "-c", made], cwd=tmp_path / "essai", check=True)
    config = tomllib.loads((tmp_path / "essai" / "mssgw.toml").read_text("utf-8"))
    tables = [table for each in config.values() for table in (each if isinstance(each, list) else [each])]
    reached = [table[key] for table in tables for key in ("next_hop", "address", "url", "host") if key in table]
    assert {"127.0.0.1:2525", "127.0.0.1:2526", "127.0.0.1:2600"} <= set(reached)
    others = {each for each in reached if not each.startswith("127.0.0.1:") and "@" not in each}  # mailboxes
    assert others == set()


def test_the_lines_that_move_the_state_move_its_setting_with_it_or_nothing(tmp_path: Path) -> None:
    """A gateway whose folder is gone, and whose file still names it, would begin an empty store there."""
    pasted = GUIDE.partition("**Sur un autre disque.**")[2].split("```sh\n")[1].partition("```")[0]
    for copied in (True, False):
        home = tmp_path / str(copied)
        for folder in ("etc/mssgw", "var/lib/mssgw", "srv"):
            (home / folder).mkdir(parents=True)
        shutil.copy(ROOT / "config" / "mssgw.toml", home / "etc/mssgw/mssgw.toml")
        (home / "var/lib/mssgw/mssgw.db").touch()
        stubs = f"systemctl() {{ :; }}; mssgw() {{ :; }}; install() {{ mkdir {home}/srv/mssgw; }}\n"
        stubs += "" if copied else "cp() { false; }\n"
        lines = re.sub(r"(?<=[ \"])/(etc|var/lib|srv)/", rf"{home}/\1/", pasted)
        subprocess.run(["bash", "-c", stubs + lines], check=False)
        config = tomllib.loads((home / "etc/mssgw/mssgw.toml").read_text("utf-8"))
        place = Path(config["gateway"].get("state_dir", home / "var/lib/mssgw"))
        assert (place / "mssgw.db").exists()
        assert place.parent.name == ("srv" if copied else "lib")
        assert (home / "var/lib/mssgw.avant").exists() is copied  # until somebody has seen that all came along


def systemctl(verb: str, text: str) -> list[set[str]]:
    """The words of each ``systemctl VERB`` in a text, to the end of its command."""
    return [set(words.split()) for words in re.findall(rf"systemctl {verb} ([^\n`#&|;]+)", text)]


def test_what_stops_the_gateway_stops_all_its_sockets() -> None:
    """A connection to one that is left open would start the service again, in the middle of a key rotation."""
    places = [
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("systemd/*"),
        *ROOT.glob("config/*.toml"),
        *ROOT.glob("mssgw/**/*.py"),
    ]
    texts = [path.read_text("utf-8") for path in places]
    stops = [words for text in texts for words in systemctl("stop", text)]
    assert len(stops) >= 6
    assert [words for words in stops if not {"'mssgw*.socket'", "mssgw.service"} <= words] == []
    disabled = [words for text in texts for words in systemctl("disable", text)]  # which takes no pattern
    assert disabled != []
    assert [words for words in disabled if not {*SOCKETS, "mssgw.service"} <= words] == []


def test_what_starts_the_gateway_again_starts_the_port_of_patients_too() -> None:
    """Where there is one, and before the service: a socket does not start under a running service."""
    first = "systemctl is-enabled -q mssgw-patients.socket && systemctl start mssgw-patients.socket"
    for text in (GUIDE, (ROOT / "mssgw" / "app" / "cli" / "key.py").read_text("utf-8")):
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        starts = [number for number, line in enumerate(lines) if line.startswith("systemctl start")]
        assert starts != []
        for number in starts:
            assert lines[number - 1] == first
            named = set(lines[number].split()) | {"mssgw-patients.socket"}
            assert {*SOCKETS, "mssgw.service"} <= named


def test_a_rotation_that_is_refused_leaves_every_key_where_it_is(tmp_path: Path) -> None:
    """However often its lines are pasted: over the only key that opens the store another one would go."""
    guide = GUIDE.partition("\n## Clé maîtresse\n")[2].split("```sh\n")[1].partition("```")[0]
    help_ = (ROOT / "mssgw" / "app" / "cli" / "key.py").read_text("utf-8").partition("\n      systemctl stop")
    for number, lines in enumerate((guide, "systemctl stop" + help_[2].partition('"""')[0].replace("\\\\", "\\"))):
        for refused, left in ((True, [b"now", b"next"]), (False, [b"next", b"now"])):
            home = tmp_path / f"{number}{refused}"
            home.mkdir()
            for name, key in (("master.key", b"now"), ("master.key.new", b"next"), ("master.key.old", b"before")):
                (home / name).write_bytes(key)
            stubs = f"systemctl() {{ :; }}; mssgw() {{ :; }}; systemd-run() {{ {str(not refused).lower()}; }}\n"
            pasted = stubs + lines.replace("/etc/mssgw/secrets", str(home))
            for _ in range(2 if refused else 1):
                subprocess.run(["bash", "-c", pasted], check=False)
            assert (home / "master.key").read_bytes() == left[0]
            assert sorted(each.read_bytes() for each in home.iterdir()) == [b"before", b"next", b"now"]


@pytest.mark.parametrize(("typed_in", "left"), [("backup", "before"), ("", "after")])
def test_what_is_restored_is_the_backup_alone(tmp_path: Path, typed_in: str, left: str) -> None:
    """SQLite reads a WAL that a crash has left over whatever database lies beside it, another day's too.

    Typed where no backup lies, the lines leave what there is: the last letters may be in the WAL alone.
    """
    section = GUIDE.partition("\n## Sauvegarder et restaurer\n")[2]
    block = next(each for each in section.split("```sh\n")[1:] if "hors_service()" in each).partition("```")[0]
    state, backup = tmp_path / "state", tmp_path / "backup"
    for folder, what in ((state, "after"), (backup, "before")):
        folder.mkdir()
        with closing(sqlite3.connect(folder / "live.db")) as live, live:
            live.executescript(f"PRAGMA journal_mode=WAL; CREATE TABLE letters AS SELECT '{what}' AS at")
            for suffix in ("", "-wal", "-shm"):  # as a crash leaves them: closing would tidy up
                shutil.copy(folder / f"live.db{suffix}", folder / f"mssgw.db{suffix}")
    with closing(sqlite3.connect(backup / "mssgw.db")) as whole, closing(sqlite3.connect(backup / "backup.db")) as copy:
        whole.backup(copy)
    stubs = "systemctl() { :; }; chown() { :; }; systemd-run() { :; }\n"
    subprocess.run(
        ["bash", "-c", stubs + block.replace("/var/lib/mssgw", str(state))], cwd=tmp_path / typed_in, check=True
    )
    with closing(sqlite3.connect(state / "mssgw.db")) as restored:
        assert restored.execute("SELECT at FROM letters").fetchall() == [(left,)]


def test_every_exit_code_stands_in_the_guide_as_in_the_help() -> None:
    """With the commands that give it a sense of its own."""
    table = GUIDE.partition("## Codes de sortie")[2]
    guide = dict(re.findall(r"^\| (\d+) \| (.+) \|$", table, re.M))
    help_ = dict(re.findall(r"^  (\d+) +(.+)$", exits.HELP, re.M))
    assert set(guide) == set(help_) == {str(int(code)) for code in exits.Code}
    for code, sense in help_.items():
        own = set(re.findall(r"(?:^|; )([a-z ]+):", sense)) - {"the answer is no", "bad input data"}  # no commands
        assert own == set(re.findall(r"(?:^|; )`([a-z ]+)` :", guide[code])), code


def test_the_trial_certificate_raises_no_alarm_at_the_first_start() -> None:
    """It lasts longer than the first threshold, of which the guide speaks too."""
    found = re.search(r"openssl req -x509 -days (\d+) ", GUIDE)
    assert found is not None
    assert int(found[1]) > THRESHOLDS[0]
    assert f"dans les {THRESHOLDS[0]} derniers jours" in " ".join(GUIDE.split())


def test_an_update_refreshes_what_the_installation_put_there() -> None:
    """All but the administrator's own: /etc/mssgw."""
    installing, updating = (
        GUIDE.partition(f"\n## {each}\n")[2] for each in ("Installer", "Mettre à jour, désinstaller")
    )
    block, update = (each.split("```sh\n")[1].partition("```")[0] for each in (installing, updating))
    lines = [line.partition(" #")[0].strip() for line in block.splitlines() if "/etc/mssgw" not in line]
    put = [line for line in lines if re.match(r"install |cp |src=|/opt/mssgw/bin/pip ", line)]
    assert len(put) >= 6
    assert [line for line in put if line not in update] == []


def test_no_reply_has_two_rows() -> None:
    """Two pieces of advice for one line of a log help nobody."""
    rows = re.findall(r"^\| (`\d{3} [^|]+) \|", GUIDE, re.M)
    assert len(rows) > 50
    assert sorted(each for each in set(rows) if rows.count(each) > 1) == []


def test_every_heading_stands_alone() -> None:
    """Below a blank line or a comment, or some readers of Markdown show none."""
    for name in ("administrateur", "cda", "mailboxes", "scaling", "trust", "performance", "flow"):
        page = re.sub(r"```.*?```", "", (ROOT / "docs" / f"{name}.md").read_text("utf-8"), flags=re.S)
        assert re.findall(r"[^\n>]\n(#+ .+)", page) == [], name

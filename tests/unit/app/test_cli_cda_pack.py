"""`mssgw cda pack`: what an administrator types with the ANS material at hand, and what he is told."""

import json
from pathlib import Path

import pytest

from tests.installation import configuration
from tests.schemas import MATERIAL, ROOT, value_set, written
from tests.zips import zipped

SAMPLES = Path(__file__).parents[3] / "cda_samples"
VALID = str(SAMPLES / "valid" / "crh-n1.xml")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation that was never started; every command finds it."""
    (tmp_path / "master.key").write_text("00" * 32)
    (tmp_path / "master.key").chmod(0o400)
    path = tmp_path / "mssgw.toml"
    path.write_text(configuration(hop=2525))
    monkeypatch.setenv("MSSGW_CONFIG", str(path))
    return path


@pytest.fixture
def material(tmp_path: Path) -> Path:
    sets = {"jeuxDeValeurs/JDV_J47_FunctionCode_CISIS.xml": value_set("PCP")}
    return written({**MATERIAL, **sets}, tmp_path / "ans")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A document that the schema of the tests refuses and no rule of ours does."""
    path = tmp_path / "broken.xml"
    path.write_bytes(Path(VALID).read_bytes().replace(b'<realmCode code="FR"', b'<realmCode code="FR" classCode="x"'))
    return path


def test_what_is_installed_is_told_and_used(run, config, material, broken):
    """Install, status, check, remove."""
    told = run("cda", "pack", "install", str(material))
    assert told.exit_code == 0
    for words in (ROOT, "3 files", "JDV_J47", "JDV_J01 JDV_J02 JDV_J04 JDV_J07: nothing is held", "2 names in another"):
        assert words in told.stdout
    status = run("cda", "pack", "status")
    assert status.exit_code == 0
    assert "from:       ans\n" in status.stdout
    found = run("cda", "check", "--environment", "test", str(broken))
    assert found.exit_code == 1
    assert "CDA-XSD-001" in found.stdout
    assert "no XSD" not in found.stderr
    assert run("cda", "check", "--environment", "test", "--policy", "strict", str(broken)).exit_code == 2
    assert run("cda", "pack", "remove").exit_code == 0
    assert run("cda", "check", "--environment", "test", str(broken)).exit_code == 0
    assert run("cda", "pack", "remove").exit_code == run("cda", "pack", "status").exit_code == 1


def test_a_zip_is_installed_as_its_folder_is(run, run_json, config, material, tmp_path):
    """The same digest, in JSON too."""
    path = tmp_path / "ans.zip"
    path.write_bytes(zipped({f"x/{each.relative_to(material)}": each.read_bytes() for each in material.rglob("*.x*")}))
    digests = []
    for source in (material, path):
        assert run("cda", "pack", "install", str(source)).exit_code == 0
        (told,) = run_json("cda", "pack", "status")
        assert told["source"] == source.name
        assert told["value_sets"] == ["JDV_J47"]
        digests.append(told["digest"])
    assert digests[0] == digests[1]


def test_a_bad_pack_leaves_the_old_one_in_force(run, config, material, tmp_path, broken):
    """Whatever is wrong with it; one line says what."""
    assert run("cda", "pack", "install", str(material)).exit_code == 0
    before = run("cda", "pack", "status").stdout
    (material / "infrastructure/cda/general/voc.xsd").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_bytes(b"PK\3\4")
    wrong = {
        material: "missing General/Voc.xsd",
        tmp_path / "empty": "neither CDA_extended",
        tmp_path / "no.zip": "GRD-ZIP",
    }
    for path, why in {**wrong, Path(VALID): "neither a folder nor a zip", tmp_path / "absent": "no such"}.items():
        told = run("cda", "pack", "install", str(path))
        assert told.exit_code == 65
        (line,) = told.stderr.splitlines()
        assert line.startswith("mssgw: cda pack install: ")
        assert why in line
    assert run("cda", "pack", "status").stdout == before
    assert "CDA-XSD-001" in run("cda", "check", str(broken)).stdout


def test_what_is_missing_is_said_line_by_line(run, config, material):
    """And the pack installed all the same, when the schema does without."""
    (material / "infrastructure/cda/sdtc/SDTC.xsd").unlink()
    told = run("cda", "pack", "install", str(material))
    assert told.exit_code == 0
    assert f"missing: SDTC/sdtc.xsd (in {ROOT}, line 1)\n" in told.stdout
    assert "missing:    1 file\n" in run("cda", "pack", "status").stdout


def test_check_takes_a_pack_for_once(run, run_json, material, broken):
    """Without any configuration, and nothing is kept."""
    found = run("cda", "check", "--environment", "test", "--pack", str(material), str(broken))
    assert found.exit_code == 1
    assert "CDA-XSD-001" in found.stdout
    assert "no XSD" not in found.stderr
    (told,) = run_json("cda", "check", "--pack", str(material), str(broken))
    assert len(told["pack"]) == 64
    assert run("cda", "check", "--pack", str(broken), str(broken)).exit_code == 65


def test_without_any_pack_check_says_so_once(run, run_json, broken, monkeypatch):
    """On standard error for people; for machines the object says it."""
    monkeypatch.delenv("MSSGW_CONFIG", raising=False)
    told = run("cda", "check", "--environment", "test", str(broken))
    assert told.exit_code == 0
    assert told.stderr.count("no XSD is installed") == 1
    (as_json,) = run_json("cda", "check", str(broken))
    assert as_json["pack"] is None
    assert "no XSD" not in run("cda", "check", "--json", str(broken)).stderr


def test_a_damaged_pack_is_never_used(run, config, material, broken):
    """Whoever named the configuration is refused; the rest is for whoever did not."""
    assert run("cda", "pack", "install", str(material)).exit_code == 0
    (path,) = (config.parent / "state" / "cda").rglob("000-*.xsd")
    path.write_bytes(path.read_bytes() + b" ")
    for words in (("pack", "status"), ("check", str(broken))):
        told = run("cda", *words)
        assert told.exit_code == 69
        assert "install it again" in told.stderr


def test_a_configuration_that_nobody_named_is_no_condition(run, config, material, broken, monkeypatch):
    """An integrator on the gateway's machine may not read it: he is told, and his documents are judged."""
    monkeypatch.delenv("MSSGW_CONFIG")
    (check,) = [each for each in _cda().commands["check"].params if each.name == "config_path"]
    monkeypatch.setattr(check, "default", config)
    assert run("cda", "pack", "install", "--config", str(config), str(material)).exit_code == 0
    assert "CDA-XSD-001" in run("cda", "check", str(broken)).stdout
    config.write_text("nonsense")
    told = run("cda", "check", "--environment", "test", str(broken))
    assert told.exit_code == 0
    assert "the XSD that may be installed cannot be used" in told.stderr
    assert run("cda", "check", "--config", str(config), str(broken)).exit_code == 78


def _cda():
    from mssgw.app.cli.cda import cda

    return cda


def test_the_rule_is_listed(run_json):
    """With what it is worth."""
    (rule,) = [each for each in run_json("cda", "rules") if each["rule"] == "CDA-XSD-001"]
    assert [rule[policy] for policy in ("strict", "standard", "observe")] == ["reject", "warn", "warn"]
    assert json.dumps(rule)

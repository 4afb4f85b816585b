"""config/mssgw.toml is the manual: it loads as it stands, and it documents every key with its true default."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mssgw.app import config
from mssgw.app.config.model import Config

EXAMPLE = Path(__file__).parents[3] / "config" / "mssgw.toml"
_COMMENTED = re.compile(r"#((?:\[{1,2}\w+\]{1,2}|\w+ = .*?)(  # example)?)")


def tables() -> dict[str, type[BaseModel]]:
    """Each table of the file with its model."""
    found = {}
    for name, field in Config.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        found[field.alias or name] = next(kind for kind in kinds if issubclass(kind, BaseModel))
    return found


def written() -> dict[str, dict[str, str]]:
    """Per table and key how it is written: "set", "default" or "example"."""
    seen: dict[str, dict[str, str]] = {}
    table = ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        commented = _COMMENTED.fullmatch(line)
        text = commented[1] if commented else line
        if header := re.match(r"\[+(\w+)\]+", text):
            table = header[1]
            seen.setdefault(table, {})
        elif pair := re.match(r"(\w+) = ", text):
            how = "set" if commented is None else "example" if commented[2] else "default"
            seen[table].setdefault(pair[1], how)
    return seen


def uncommented() -> dict[str, Any]:
    """The file with every key switched on; the first value of a key in any entry of an array of tables."""
    lines = []
    for line in EXAMPLE.read_text("utf-8").splitlines():
        commented = _COMMENTED.fullmatch(line)
        lines.append(commented[1] if commented else line)
    document = tomllib.loads("\n".join(lines))
    merged = {}
    for table, content in document.items():
        entries = content if isinstance(content, list) else [content]
        merged[table] = {key: value for entry in reversed(entries) for key, value in entry.items()}
    return merged


def fields() -> list[tuple[str, str, FieldInfo]]:
    """Every key that a file may hold."""
    return [(table, name, field) for table, model in tables().items() for name, field in model.model_fields.items()]


SHARED = {("trusted_domain", key) for key in ("next_hop_tls", "next_hop_login", "next_hop_password_file")}


def test_the_example_loads_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer begins with a file that works."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert config.load(EXAMPLE).limits.message_size == 10_485_760


def test_it_begins_in_french() -> None:
    """Those who install it in a hospital read French first."""
    assert EXAMPLE.read_text("utf-8").startswith("# Passerelle de messagerie MSSanté")


@pytest.mark.parametrize(("table", "key", "field"), fields(), ids=lambda each: each if isinstance(each, str) else "")
def test_every_key_is_documented_with_its_default(table: str, key: str, field: FieldInfo) -> None:
    """Set, shown as "#key = default", or as "#key = … # example" where there is none."""
    how = written()[table].get(key)
    if (table, key) in SHARED:
        assert how is None  # "as above"
        return
    assert how is not None
    value = uncommented()[table][key]
    parsed = _parsed(tables()[table], key, value)
    if field.is_required() or field.default is None:
        assert how in ("set", "example")
    elif how == "default":
        assert parsed == field.default
    else:
        assert how == "set"


def test_it_holds_no_key_that_does_not_exist() -> None:
    """A manual of keys that are gone misleads."""
    known = {(table, key) for table, key, _ in fields()}
    assert {(table, key) for table, keys in written().items() for key in keys} <= known


def _parsed(model: type[BaseModel], key: str, value: object) -> object:
    """The value as the model reads it."""
    try:
        instance = model.model_validate({key: value}, context={"base": Path("/")})
    except ValidationError as error:
        own = [each for each in error.errors() if each["loc"][:1] == (key,)]
        assert not own, own
        return _alone(model, key, value)
    return getattr(instance, key)


def _alone(model: type[BaseModel], key: str, value: object) -> object:
    """Required keys of the table are missing: validate on an unvalidated instance."""
    bare = model.model_construct()
    return getattr(model.__pydantic_validator__.validate_assignment(bare, key, value, context={"base": Path("/")}), key)


def test_the_administrators_page_shows_what_check_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a slip in this very file, line number included."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    text = EXAMPLE.read_text("utf-8").replace('#give_up_after = "48h"', 'give_up_after = "48 hours"')
    (slip := tmp_path / "mssgw.toml").write_text(text)
    with pytest.raises(config.ConfigErrors) as caught:
        config.load(slip)
    printed = "".join(f"error: {problem}\n" for problem in caught.value.problems).replace(
        str(slip), "/etc/mssgw/mssgw.toml"
    )
    assert f"\n{printed}" in (EXAMPLE.parents[1] / "docs" / "administrateur.md").read_text("utf-8")

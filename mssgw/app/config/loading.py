"""A TOML file to a Config, or every reason why not, each with its line.

1. Read and parse; TOML's own errors end here.
2. Validate each section alone, so that one error hides no other.
3. Cross-check whatever sections are sound; then look at the files they name.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from mssgw.app.config import lines
from mssgw.app.config.advice import blemishes
from mssgw.app.config.checks import contradictions
from mssgw.app.config.clients import Listener
from mssgw.app.config.model import Config, Gateway
from mssgw.app.config.problems import Complaint, ConfigErrors, Problem, dotted

_OF_A_PAIR = {"key", "certificate"}  # one that does not fit is told of the certificate
_SECRET = {"password_hash", "addresses", "patient_exceptions", "next_hop_login", "user", "responsible"}  # never shown
_MEMBER = re.compile(r"<\w+\.\w+: '([^']*)'>")  # how pydantic writes an enum value among the choices
# What tomllib leaves unsaid of the mistakes that people make. A value is invalid when it is a bare word, True, or
# between quotation marks as text processors write them.
_EXPECTED = {
    "Invalid value": "text in straight double quotes, a number, or true or false in small letters",
    "Illegal character '\\n'": "the closing quotation mark before the end of the line",
    "Unclosed array": "a comma between two values and ] behind the last, here or above",
    "Expected newline or end of document after a statement": "nothing but a comment behind the value",
    "Cannot overwrite a value": "each key once in its table",
}
_AT = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")


def load(path: Path | str, *, keyless: bool = False, by_hand: bool = False) -> Config:
    """Read, validate and cross-check a configuration file. Raises ConfigErrors with all that is wrong.

    ``keyless``: for commands that only read; a key of TLS may be missing, or another certificate's.
    ``by_hand``: for commands; systemd-run gave them the credentials that they need, not all those of the service.
    """
    path = Path(path)
    text = _read(path)
    raw = _parse(path, text)
    where = lines.key_lines(text)
    sections, complaints = _validate(raw, {"base": path.absolute().parent, "by_hand": by_hand})
    found = contradictions(sections)
    complaints += [each for each in found if not (keyless and _is_of_a_pair(each.path))]
    if complaints:
        raise ConfigErrors(_placed(complaints, path, where))
    config = Config.model_construct(_fields_set=None, **sections)
    config._file, config._lines = str(path), where
    return config


def _is_of_a_pair(path: lines.Path) -> bool:
    return path[0] in ("trust", "listener") and path[-1] in _OF_A_PAIR


def warnings(config: Config) -> list[Problem]:
    """What works but deserves a second look, in the order of the file."""
    return _placed(blemishes(config), Path(config._file), config._lines)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as error:
        message = f"cannot be read: {error.strerror}; copy config/mssgw.toml there, or name another with --config"
        raise ConfigErrors([Problem(str(path), 0, "", message)]) from None
    except OSError as error:
        raise ConfigErrors([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigErrors([Problem(str(path), line, "", "expected UTF-8 text")]) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at and at[1] else text.rstrip("\n").count("\n") + 1
        said = _AT.sub("", str(error))
        expected = f"; expected {_EXPECTED[said]}" if said in _EXPECTED else ""
        message = f"not TOML: {said}{expected}"
        raise ConfigErrors([Problem(str(path), line, "", message)]) from None


def _placed(complaints: Iterable[Complaint], path: Path, where: dict[lines.Path, int]) -> list[Problem]:
    """Complaints with file and line, in the order of the file."""
    problems = [
        Problem(str(path), lines.line_of(where, complaint.path), dotted(complaint.path), complaint.message)
        for complaint in complaints
    ]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line)


def _validate(raw: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[dict[str, Any], list[Complaint]]:
    """The sound sections by attribute name, and what is wrong with the others. ``context``: see places.py."""
    try:
        config = Config.model_validate(raw, context=context)
    except ValidationError as error:
        complaints = [_complaint(detail) for detail in error.errors(include_url=False)]
    else:
        return {name: getattr(config, name) for name in Config.model_fields}, []
    broken = {complaint.path[0] for complaint in complaints}
    sound = {}
    for name, field in Config.model_fields.items():
        key = field.alias or name
        if key not in broken:
            part = {key: raw[key]} if key in raw else {}
            sound[name] = getattr(_Partial.model_validate(part, context=context), name)
    return sound, complaints


class _Partial(Config):
    """A Config of which some sections are left out, to validate the others."""

    gateway: Gateway = Field(default=None)  # type: ignore[assignment]
    listeners: Annotated[tuple[Listener, ...], Field(alias="listener")] = ()


def _complaint(detail: ErrorDetails) -> Complaint:
    """What pydantic found, in the words of the file."""
    path = tuple(detail["loc"])
    secret = _SECRET.intersection(path) or path[0] in ("mailbox", "collector", "mail_store")
    found = "" if secret else f", found {_shown(detail['input'])}"
    match detail["type"]:
        case "extra_forbidden":
            return Complaint(path, _unknown_key(path))
        case "missing":
            return Complaint(path, "expected, but missing")
        case "too_short":
            return Complaint(path, "expected at least one")
        case "enum" | "literal_error":
            choices = _MEMBER.sub(r"'\1'", detail.get("ctx", {})["expected"]).replace("'", '"')
            return Complaint(path, f"expected {choices}{found}")
        case "model_type" | "model_attributes_type":
            table = f"[{path[-1]}], a table" if not isinstance(path[-1], int) else f"a table under [[{path[0]}]]"
            return Complaint(path, f"expected {table}{found}")
        case "value_error" if len(path) == 1:  # of the whole file, only arrays of tables are checked by hand
            return Complaint(path, f"expected [[{path[0]}]], in double brackets{found}")
        case _:
            return Complaint(path, detail["msg"].removeprefix("Value error, ") + found)


def _shown(value: object) -> str:
    """A value as TOML writes it, cut short; containers by their kind only."""
    match value:
        case bool() | str():
            shown = json.dumps(value, ensure_ascii=False)
        case dict():
            shown = "a table"
        case list():
            shown = "a list"
        case date() | time():
            shown = value.isoformat()
        case _:
            shown = str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _unknown_key(path: lines.Path) -> str:
    known = list(_keys_at(path[:-1]))
    near = get_close_matches(str(path[-1]), known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"


def _keys_at(path: lines.Path) -> Iterator[str]:
    """The keys that the table at this path may have."""
    model: type[BaseModel] = Config
    for step in path:
        for name, field in model.model_fields.items():
            if step == (field.alias or name):
                inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
                model = next((kind for kind in inner if issubclass(kind, BaseModel)), model)
    for name, field in model.model_fields.items():
        yield field.alias or name

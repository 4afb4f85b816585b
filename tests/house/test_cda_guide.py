"""docs/cda.md tells every rule as it is: severity, sentence, source, why it exists, how a document is mended.

What stands between ``<!-- rules: GROUP -->`` and ``<!-- end -->`` is written by this module when it is run:
``python -m tests.house.test_cda_guide``.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from mssgw.app.cli.cda_rules import Reason, all_rules, reasons, severities
from mssgw.core.clinical import ANY_DOCUMENT, Profile, Rule
from tests.house.test_requirements import KNOWN

GUIDE = Path(__file__).parents[2] / "docs" / "cda.md"
_BLOCK = re.compile(r"(<!-- rules: ([\w -]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_WORDS = {"reject": "**refus**", "warn": "avertissement", "note": "note"}


def filled(page: str) -> str:
    """The page with its blocks written anew."""
    return _BLOCK.sub(lambda found: found[1] + _block(found[2]) + found[3], page)


def _block(groups: str) -> str:
    if groups == "counts":
        return _counts()
    told = reasons()
    wanted = tuple(groups.split())
    return "".join(_entry(rule, told[rule.id]) for rule in all_rules() if rule.id.startswith(wanted))


def _entry(rule: Rule, reason: Reason) -> str:
    graves = ", ".join(f"{profile} {_WORDS[severity]}" for profile, severity in severities(rule).items())
    return (
        f"#### {rule.id}\n\n{rule.sentence}. *({rule.source} ; {rule.requirement} ; {graves})*\n\n"
        f"- Pourquoi : {reason.why}\n- Corriger : {reason.mending}\n\n"
    )


def _counts() -> str:
    rules = all_rules()
    lines = [f"{len(rules)} règles.\n\n| politique | refusent | avertissent |\n|---|---:|---:|\n"]
    for profile in Profile:
        each = Counter(severities(rule)[profile.value] for rule in rules)
        lines.append(f"| `{profile.value}` | {each['reject']} | {each['warn']} |\n")
    return "".join(lines)


def test_the_guide_tells_the_rules_as_they_are() -> None:
    """Else write it anew: python -m tests.house.test_cda_guide."""
    page = GUIDE.read_text("utf-8")
    assert filled(page) == page


def test_every_rule_stands_once_in_the_guide() -> None:
    """A new group of rules needs a heading of its own."""
    told = re.findall(r"^#### (\S+)$", GUIDE.read_text("utf-8"), re.M)
    assert sorted(told) == [rule.id for rule in all_rules()]


def test_every_rule_has_its_reasons_and_no_other() -> None:
    """In cda_reasons.toml."""
    assert sorted(reasons()) == [rule.id for rule in all_rules()]


def test_every_rule_names_what_it_enforces() -> None:
    """By ids that stand in docs/requirements.toml; "documents are judged" would say nothing."""
    for rule in all_rules():
        named = set(rule.requirement.split())
        assert named, rule.id
        assert named <= KNOWN.keys() - {ANY_DOCUMENT}, rule.id


def test_a_source_is_one_that_an_editor_can_look_up() -> None:
    """Our own numbers stand beside it already, as what a rule enforces."""
    assert [rule.id for rule in all_rules() if set(re.findall(r"[A-Z]+-[0-9]+", rule.source)) & KNOWN.keys()] == []


def test_nobody_is_taught_to_make_a_wrong_key_fit() -> None:
    """The slip may be in the digits before it: a key that fits these names another patient."""
    assert "sans recalculer la clé" in reasons()["CDA-INS-003"].mending


@pytest.mark.parametrize("number", sorted(reasons()))
def test_reasons_are_sentences_of_their_own(number: str) -> None:
    """One or two, and not those of another rule."""
    reason = reasons()[number]
    for text in (reason.why, reason.mending):
        assert text == text.strip()
        assert text[-1] in ".…"
        assert 10 <= len(text) <= 200
    texts = [text for each in reasons().values() for text in (each.why, each.mending)]
    assert texts.count(reason.why) == texts.count(reason.mending) == 1


def test_links_to_rules_lead_somewhere() -> None:
    """From the page itself."""
    page = GUIDE.read_text("utf-8")
    headings = {rule.id.lower() for rule in all_rules()}
    assert set(re.findall(r"\(#((?:cda|xdm|grd)-\w+-\d+)\)", page)) <= headings


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text("utf-8")), "utf-8")
    sys.exit(0)

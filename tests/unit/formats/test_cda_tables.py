"""Nothing that the rule tables of the profile ask, and no attack that is known, is without a labelled variant."""

import pytest

from mssgw.core.replies import Reply, ascii_folded
from mssgw.formats import guard, xdm
from mssgw.formats.cda.rulebook import RULES
from tests import xdm_variants, xml_attacks, zips
from tests.cda_variants import VARIANTS

#: The rows of the header's, body's and INS tables, by the element that each is about.
ROWS = (
    *("realmCode", "typeId", "templateId", "id", "code", "title, effectiveTime", "confidentialityCode", "languageCode"),
    *("setId, versionNumber", "recordTarget", "patient", "name", "author", "dataEnterer; informant", "custodian"),
    *("legalAuthenticator", "authenticator", "participant", "documentationOf", "relatedDocument", "authorization"),
    *("componentOf", "component", "any telecom", "any name prefix/suffix", "INS", "N1", "observationMedia"),
)
#: The rows of the table of METADATA.XML, by the rules that hold the document against it.
METADATA = {
    "URI, hash, size": ("XDM-DOC-001", "XDM-DOC-002", "XDM-DOC-003", "XDM-DOC-004"),
    "mimeType": ("XDM-DOC-005",),
    "patientId of entry and set": ("XDM-DOC-008", "XDM-DOC-009", "XDM-DOC-010", "XDM-MET-004", "XDM-MET-005"),
    "uniqueId": ("XDM-DOC-011", "XDM-MET-007"),
    "typeCode": ("XDM-DOC-012",),
    "classCode": ("XDM-DOC-020",),
    "formatCode": ("XDM-DOC-021",),
    "languageCode": ("XDM-DOC-022",),
    "confidentialityCode": ("XDM-DOC-023",),
    "facility, practice": ("XDM-DOC-024", "XDM-DOC-025"),
    "title, legalAuthenticator": ("XDM-DOC-026", "XDM-DOC-027"),
    "creationTime, serviceStartTime, serviceStopTime": ("XDM-DOC-028", "XDM-DOC-029"),
    "sourcePatientInfo, sourcePatientId": ("XDM-DOC-030", "XDM-DOC-031"),
    "one submission set": ("XDM-MET-002", "XDM-MET-003", "XDM-MET-006"),
    "no DOCTYPE": ("GRD-XML-003",),
    "RPLC and relatedDocument": ("XDM-DOC-032",),
}
#: The attacks on readers of XML and of zips, by what stops them, and how the lists of the tests call them.
ON_XML = {
    "XXE": "doctype",
    "external DTD": "doctype",
    "billion laughs": "doctype",
    "quadratic": "doctype",
    "an entity that nobody declared": "syntax",
    "over 16 MB": "size",
    "101 levels": "depth",
    "200,000 elements": "elements",
    "UTF-7": "encoding",
    "UTF-16": "encoding",
    "Latin-1 said UTF-8": "syntax",
}
ON_ZIP = {
    "over 20 MB": "size",
    "201 entries": "entries",
    "17 MB announced": "entry-size",
    "48 MB in all": "total",
    "bomb": "ratio",
    "100 MB bomb": "entry-size",
    "smaller than it is": "content",
    "path traversal": "name",
    "absolute": "name",
    "drive": "name",
    "backslash": "name",
    "symlink": "link",
    "same name twice": "duplicate",
    "same name but for case": "duplicate",
    "prepended": "around",
    "second end record": "around",
    "comment": "around",
    "trailing": "around",
    "lzma": "method",
    "encrypted": "encrypted",
    "strongly encrypted": "encrypted",
    "masked headers": "encrypted",
    "overlapping": "overlap",
    "other name in the entry": "disagreement",
    "truncated": "structure",
}


def test_every_row_of_the_tables_has_variants() -> None:
    """And no variant is of a row that is not there."""
    assert {variant.row for variant in VARIANTS} == set(ROWS)


@pytest.mark.parametrize("row", METADATA)
def test_every_row_of_metadata_has_variants(row: str) -> None:
    """One for each rule that the row became."""
    assert set(METADATA[row]) <= {variant.rule for variant in xdm_variants.VARIANTS}


def test_every_known_attack_is_made() -> None:
    """Under the rule that stops it."""
    assert {name: xml_attacks.ATTACKS[name][1] for name in ON_XML} == ON_XML
    stopped = {rule.id: trouble for trouble, rule in guard.ZIP.items()}
    assert {name: stopped[zips.ATTACKS[name][1]] for name in ON_ZIP} == ON_ZIP


def test_there_are_more_than_a_hundred_variants() -> None:
    """Each with a label of its own."""
    labels = {(variant.row, variant.what) for variant in VARIANTS} | {each.label for each in xdm_variants.VARIANTS}
    assert len(labels) == len(VARIANTS) + len(xdm_variants.VARIANTS) > 200


@pytest.mark.parametrize("rule", [*guard.RULES, *RULES.values(), *xdm.RULES.values()], ids=lambda rule: rule.id)
def test_a_sentence_can_be_said_in_a_reply(rule: guard.Rule) -> None:
    """In ASCII without losing a letter, and with room for where in a line of 512 octets (RFC 5321 4.5.3.1.5)."""
    said = ascii_folded(rule.sentence)
    assert said.isascii()
    assert [letter for letter in rule.sentence if not ascii_folded(letter)] == []
    assert Reply(554, "5.6.0", said).text == said  # nothing that a reply would replace
    assert len(said) <= 160

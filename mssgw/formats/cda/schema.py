"""The XSD stage: a document against the schema of CDA R2 that an administrator installed.

What the schema refuses only departs from the form (Weight.FORM). What could harm has rules of its own, whether a schema
is there or not; editions of the ANS schema differ, and some of ANS's own examples keep to an earlier one. Under STRICT
it is refused.
"""

import re

from mssgw.core.clinical import Weight
from mssgw.formats.cda.report import TOLD, Report, rule
from mssgw.formats.documents import HL7
from mssgw.formats.safexsd import LOCATED, Schema, Trouble

NOT_VALID = rule(
    "CDA-XSD-001",
    Weight.FORM,
    "Le document est valide selon le schéma XSD installé",
    "CDA R2, schéma XSD étendu de l'ANS",
)

# What libxml2 calls its errors, in words. Its own texts quote the document and go nowhere.
_KINDS = {
    "SCHEMAV_ELEMENT_CONTENT": "élément inattendu à cet endroit, ou élément manquant",
    "SCHEMAV_CVC_ELT_1": "cet élément n'est pas la racine d'un document CDA R2",
    "SCHEMAV_CVC_ELT_2": "type abstrait, à préciser par xsi:type",
    "SCHEMAV_CVC_ELT_4_2": "xsi:type inconnu du schéma",
    "SCHEMAV_CVC_ELT_4_3": "xsi:type non admis à cet endroit",
    "SCHEMAV_CVC_TYPE_2": "type abstrait, à préciser par xsi:type",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "contenu dans un élément qui doit être vide",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": "éléments dans un contenu qui doit être du texte",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "texte entre des éléments",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_1": "valeur d'attribut autre que celle qui est fixée",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "attribut non admis",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "attribut non admis",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "attribut obligatoire absent",
    "SCHEMAV_CVC_AU": "valeur d'attribut autre que celle qui est fixée",
    "SCHEMAV_CVC_ENUMERATION_VALID": "valeur hors de la liste admise",
    "SCHEMAV_CVC_PATTERN_VALID": "valeur mal formée",
    "SCHEMAV_CVC_MINLENGTH_VALID": "valeur trop courte ou vide",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "valeur trop longue",
}
_VALUE = "valeur qui n'est pas du type attendu"
_EXPECTED = "SCHEMAV_ELEMENT_CONTENT"

_NAME = re.compile(r"\{urn:hl7-org:v3\}([a-z][A-Za-z]{0,39})")
_ATTRIBUTE = re.compile(r"Element '[^']*'(?:, |: The )attribute '([a-z][A-Za-z]{0,39})'")
_NAMES_TOLD = 8
_TRIES = 4 * TOLD  # libxml2 tells some values twice


def check_schema(found: Report, schema: Schema) -> None:
    """Where the document is not valid: at most ten places, once each. Raises safexsd.NotJudged."""
    told = set()
    for trouble in schema.troubles(found.root, _TRIES, found.survey.nodes):
        at, attribute, words = trouble.element, _attribute(trouble), _KINDS.get(trouble.kind, _VALUE)
        place = (at, attribute if at is not None else words)
        if place in told:
            continue
        told.add(place)
        if at is None:
            words = f"plus de {LOCATED} écarts, non situés ; parmi eux : {words}"
        found.add(
            NOT_VALID,
            found.root if at is None else at,
            below=attribute,
            found=words,
            expected=_expected(trouble),
        )


def _attribute(trouble: Trouble) -> str:
    """The attribute that is wrong, as a step of an XPath; foreign ones are anybody's choice and stay untold."""
    if trouble.element is None or not str(trouble.element.tag).startswith(HL7):
        return ""
    named = _ATTRIBUTE.match(trouble.message)
    return f"@{named[1]}" if named else ""


def _expected(trouble: Trouble) -> str:
    """What the schema wants there: names of CDA's own, out of the only part of a message that is the schema's."""
    if trouble.kind != _EXPECTED:
        return ""
    names = _NAME.findall(trouble.message.rpartition("Expected is")[2])
    more = ", …" if len(names) > _NAMES_TOLD else ""
    return ", ".join(names[:_NAMES_TOLD]) + more

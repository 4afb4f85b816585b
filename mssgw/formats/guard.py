"""The rules of the guard: what stops a clinical document or an archive before anything in it is looked at.

All of them refuse whatever the profile. No reason repeats anything of the file: a name of an entry may be a patient's.
"""

from mssgw.core.clinical import Finding, Profile, Rule, Weight, requirement_of
from mssgw.core.errors import GatewayError
from mssgw.core.replies import Reply, ascii_folded


class Stopped(GatewayError):
    """The guard stopped a file. ``rule`` says why, ``line`` where if that is known; the text is French ASCII."""

    reply = Reply(554, "5.6.0", "Document medical illisible ou non admis")

    def __init__(self, rule: Rule, *, line: int | None = None, found: str = "") -> None:
        super().__init__(f"{rule.id} {ascii_folded(rule.sentence)}")
        self.rule = rule
        self.line = line
        self.found = found

    def finding(self, profile: Profile) -> Finding:
        """The same as a finding."""
        return self.rule.finding(profile, line=self.line, found=self.found)


def _rule(id_: str, sentence: str, source: str) -> Rule:
    requirement = requirement_of(id_, {"GRD-": "GW-4", "GRD-LET": "GW-2", "GRD-LET-006": "GW-4"})
    return Rule(id=id_, weight=Weight.DANGER, sentence=sentence, source=source, requirement=requirement)


def _xml(number: int, sentence: str, source: str = "garde de la passerelle") -> Rule:
    return _rule(f"GRD-XML-{number:03}", sentence, source)


def _zip(number: int, sentence: str, source: str = "garde de la passerelle") -> Rule:
    return _rule(f"GRD-ZIP-{number:03}", sentence, source)


def _letter(number: int, sentence: str, source: str = "garde de la passerelle") -> Rule:
    return _rule(f"GRD-LET-{number:03}", sentence, source)


# By the troubles of safexml.UnreadableXml, and two of our own.
XML = {
    "size": _xml(1, "Le document ne doit pas dépasser 16 Mo"),
    "encoding": _xml(2, "L'encodage doit être UTF-8, ASCII, ISO-8859-1, ISO-8859-15 ou windows-1252"),
    "doctype": _xml(3, "Une déclaration DOCTYPE est interdite"),
    "syntax": _xml(4, "Le document doit être du XML bien formé", "XML 1.0"),
    "empty": _xml(5, "Le document doit contenir un élément XML dans ses 64 premiers ko", "XML 1.0"),
    "depth": _xml(6, "Le document ne doit pas dépasser 100 niveaux d'éléments"),
    "elements": _xml(7, "Le document ne doit pas dépasser 200 000 éléments"),
    "attributes": _xml(8, "Le document ne doit pas dépasser 200 000 attributs"),
    "several": _xml(9, "Une feuille auto-présentable contient un seul document CDA", "CI-SIS auto-présentable"),
    "below": _xml(
        10, "Un document CDA est la racine de son fichier, ou dans une feuille auto-présentable", "HL7 CDA R2"
    ),
}

ZIP = {
    "size": _zip(1, "L'archive ne doit pas dépasser 20 Mo"),
    "structure": _zip(2, "L'archive doit être un zip complet et cohérent", "PKWARE APPNOTE"),
    "around": _zip(3, "Aucun octet ni commentaire n'est admis avant, entre ou après les entrées du zip"),
    "zip64": _zip(4, "Un zip de cette taille ne doit être ni en ZIP64 ni en plusieurs volumes"),
    "entries": _zip(5, "L'archive ne doit pas dépasser 200 entrées"),
    "method": _zip(6, "Les entrées du zip sont stockées ou compressées par deflate"),
    "encrypted": _zip(7, "L'archive ne doit pas être chiffrée ni protégée par mot de passe"),
    "name": _zip(8, "Le nom d'une entrée doit être un chemin relatif simple, sans .., \\, : ni caractère invisible"),
    "duplicate": _zip(9, "Deux entrées du zip ne doivent pas porter le même nom, même à la casse près"),
    "link": _zip(10, "Le zip ne contient que des fichiers et des dossiers, ni lien ni fichier spécial"),
    "overlap": _zip(11, "Les entrées du zip ne doivent pas se recouvrir"),
    "entry-size": _zip(12, "Une entrée du zip ne doit pas dépasser 16 Mo"),
    "total": _zip(13, "Le contenu du zip ne doit pas dépasser 48 Mo en tout"),
    "ratio": _zip(14, "Une entrée du zip ne doit pas être compressée plus de 120 fois"),
    "disagreement": _zip(15, "L'en-tête de chaque entrée doit dire la même chose que le répertoire du zip"),
    "content": _zip(16, "Le contenu d'une entrée doit avoir la taille et le CRC annoncés"),
}

METADATA = _rule(
    "GRD-XDM-001",
    "METADATA.XML ne doit pas dépasser 4 Mo, 20 000 éléments ni 200 objets décrits",
    "garde de la passerelle",
)

# Around the documents: what of a letter two programs would read in two ways, or nobody can look into.
LETTER = {
    "encoding": _letter(1, "Une pièce jointe XML ou zip est décodable sans faute (base64, uuencode)", "RFC 2045 6.8"),
    "structure": _letter(2, "Toutes les messageries voient les mêmes parties dans la lettre et celles qu'elle joint"),
    "depth": _letter(3, "Une lettre jointe n'en contient pas d'autres sur plus de 5 niveaux"),
    "documents": _letter(4, "Une lettre ne porte pas plus de 200 documents, ni 200 000 éléments en tout"),
    "program": _letter(6, "Une pièce jointe qui se dit PDF, image ou texte n'est pas un programme"),
    "signed": _letter(7, "Une enveloppe S/MIME non chiffrée (signée, compressée) se lit sans faute", "RFC 8551 3.5"),
    "partial": _letter(5, "Une lettre n'est pas découpée en plusieurs messages (message/partial)"),
}

RULES = (*XML.values(), *ZIP.values(), METADATA, *LETTER.values())

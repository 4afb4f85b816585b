"""Documents that are wrong by themselves: header, persons, INS, body, and XML that the guard stops."""

from collections.abc import Iterator

from cda_samples import edits, orders
from cda_samples.faults import Fault, advice, fault, form
from mssgw.formats.cda.making import make

LETTER = orders.ORDERS["lettre-de-liaison"]
REPORT = orders.ORDERS["biologie"]
SHEET = orders.structured(orders.ORDERS["ordonnance"])
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(64)
PROGRAM = b"MZ\x90\x00" + bytes(128)


def wrong_documents() -> Iterator[Fault]:
    """All of them."""
    yield from _header()
    yield from _persons()
    yield from _ins()
    yield from _body()
    yield from _xml()


def _header() -> Iterator[Fault]:
    edited, without = edits.edited, edits.without
    yield form(
        "realmcode-us.xml",
        "Le document dit suivre un profil qui n'est pas français.",
        edited(LETTER, 'realmCode code="FR"', 'realmCode code="US"'),
        "CDA-HDR-002",
    )
    yield form(
        "templateid-cisis-absent.xml",
        "Le document ne dit pas suivre le CI-SIS.",
        without(orders.structured(LETTER), '  <templateId root="1.2.250.1.213.1.1.1.1"', "/>"),
        "CDA-HDR-004",
    )
    yield form(
        "type-inconnu.xml",
        "Le type du document n'a pas de libellé.",
        edited(
            LETTER,
            f' displayName="{LETTER.kind.code.display.replace(chr(39), "&#x27;")}"/>\n  <title>',
            "/>\n  <title>",
        ),
        "CDA-HDR-009",
    )
    yield form(
        "titre-vide.xml",
        "Le titre ne contient que des espaces.",
        edited(LETTER, f"<title>{LETTER.heading}</title>", "<title>   </title>"),
        "CDA-HDR-011",
    )
    yield fault(
        "date-mois-13.xml",
        "Le document est daté du treizième mois, que le schéma XSD accepte.",
        edited(LETTER, '<effectiveTime value="20251103', '<effectiveTime value="20251303'),
        "CDA-HDR-013",
    )
    yield form(
        "langue-fr.xml",
        "La langue n'a pas la forme fr-FR.",
        edited(LETTER, 'languageCode code="fr-FR"', 'languageCode code="fr"'),
        "CDA-HDR-018",
    )
    yield form(
        "setid-absent.xml",
        "Rien ne relie les versions successives du document.",
        without(LETTER, "  <setId", "/>"),
        "CDA-HDR-019",
    )
    yield fault(
        "sans-confidentialite.xml",
        "Le niveau de confidentialité manque.",
        without(LETTER, "  <confidentialityCode", "/>"),
        "CDA-HDR-016",
    )
    yield fault(
        "remplace-lui-meme.xml",
        "Le document dit se remplacer lui-même.",
        edited(orders.REPLACEMENT, LETTER.oid("document"), orders.REPLACEMENT.oid("document")),
        "CDA-HDR-033",
    )
    yield form(
        "complement-appnd.xml",
        "Le document en complète un autre : seul le remplacement est permis.",
        edited(orders.REPLACEMENT, 'relatedDocument typeCode="RPLC"', 'relatedDocument typeCode="APND"'),
        "CDA-HDR-031",
    )
    yield form(
        "acte-absent.xml",
        "Aucun acte n'est décrit.",
        without(LETTER, "  <documentationOf>", "</documentationOf>"),
        "CDA-HDR-040",
    )
    yield form(
        "prise-en-charge-absente.xml",
        "La prise en charge n'est pas décrite.",
        without(LETTER, "  <componentOf>", "</componentOf>"),
        "CDA-HDR-050",
    )


def _persons() -> Iterator[Fault]:
    edited, without = edits.edited, edits.without
    yield fault(
        "deux-patients.xml",
        "Deux patients dans un même document : l'un des deux lirait les données de l'autre.",
        edits.twice(LETTER, "  <recordTarget>", "</recordTarget>"),
        "CDA-PAT-002",
    )
    yield fault(
        "ne-dans-le-futur.xml",
        "La naissance est dans le futur.",
        edited(LETTER, 'birthTime value="19790328"', 'birthTime value="29790328"'),
        "CDA-PAT-014",
    )
    yield form(
        "sexe-inconnu.xml",
        "Le sexe n'est ni F, ni M, ni UN.",
        edited(LETTER, 'GenderCode code="F"', 'GenderCode code="X"'),
        "CDA-INS-004",
        "CDA-PAT-010",
    )
    yield fault(
        "sans-auteur.xml", "Personne n'a écrit le document.", without(LETTER, "  <author>", "</author>"), "CDA-PER-001"
    )
    yield form(
        "sans-responsable.xml",
        "Personne ne répond du document.",
        without(LETTER, "  <legalAuthenticator>", "</legalAuthenticator>"),
        "CDA-PER-014",
    )
    yield form(
        "signature-x.xml",
        "Le code de signature n'est pas S.",
        edited(LETTER, 'signatureCode code="S"', 'signatureCode code="X"'),
        "CDA-PER-015",
    )
    yield form(
        "telephone-sans-prefixe.xml",
        "Un numéro de téléphone ne commence pas par tel:.",
        edited(LETTER, 'value="tel:', 'value="', 2),
        "CDA-PER-030",
    )
    yield form(
        "civilite-madame.xml",
        "La civilité est écrite en toutes lettres.",
        edited(LETTER, "<prefix>MME</prefix>", "<prefix>Madame</prefix>", 3),
        "CDA-PER-032",
    )


def _ins() -> Iterator[Fault]:
    edited = edits.edited
    yield advice(
        "ins-cle-fausse.xml",
        "La clé du matricule est fausse : un exemple publié sur dix est ainsi.",
        edited(LETTER, '"279035121518989"', '"279035121518990"'),
        "CDA-INS-003",
    )
    yield fault(
        "ins-14-caracteres.xml",
        "Le matricule n'a que 14 caractères.",
        edited(LETTER, '"279035121518989"', '"27903512151898"'),
        "CDA-INS-002",
    )
    yield fault(
        "ins-de-deux-personnes.xml",
        "Deux matricules différents pour un même patient.",
        edits.twice(LETTER, '      <id root="1.2.250.1.213.1.4.10"', "/>", '"279035121518989"', '"288112B98765431"'),
        "CDA-INS-005",
        "CDA-INS-007",
    )
    yield advice(
        "sans-ins.xml",
        "Le patient n'a pas de matricule : personne ne peut vérifier à qui va le document.",
        edited(LETTER, 'root="1.2.250.1.213.1.4.10"', 'root="1.2.250.1.999.1"'),
        "CDA-INS-001",
    )
    yield form(
        "ins-sans-lieu-de-naissance.xml",
        "Le lieu de naissance manque aux traits de l'INS.",
        edits.without(LETTER, "        <birthplace>", "</birthplace>"),
        "CDA-INS-015",
    )
    yield advice(
        "ins-autre-sexe.xml",
        "Le sexe du patient n'est pas celui de son matricule.",
        edited(LETTER, 'GenderCode code="F"', 'GenderCode code="M"'),
        "CDA-INS-004",
    )


def _body() -> Iterator[Fault]:
    pdf = REPORT.shown()
    embedding = edits.embedding
    yield form(
        "n1-quatre-modeles.xml",
        "Un document N1 a exactement trois templateId.",
        edits.twice(REPORT, '  <templateId root="1.3.6.1.4.1.19376.1.2.20"', "/>"),
        "CDA-BOD-003",
    )
    yield fault(
        "pdf-programme.xml", "Le PDF annoncé est un programme Windows.", embedding(REPORT, PROGRAM), "CDA-BOD-010"
    )
    yield fault("pdf-image.xml", "Le PDF annoncé est une image PNG.", embedding(REPORT, IMAGE), "CDA-BOD-010")
    yield advice(
        "jpeg-png.xml",
        "L'image est un PNG et se dit JPEG, comme dans trois exemples publiés.",
        embedding(REPORT, IMAGE, "image/jpeg"),
        "CDA-BOD-011",
    )
    yield fault("pdf-tronque.xml", "Il manque la fin du PDF.", embedding(REPORT, pdf[: len(pdf) // 2]), "CDA-BOD-012")
    yield fault(
        "base64-casse.xml",
        "Le base64 contient un caractère interdit.",
        edits.edited(REPORT, 'representation="B64">JVBE', 'representation="B64">JV*E'),
        "CDA-BOD-008",
    )
    yield advice(
        "pdf-javascript.xml",
        "Le PDF exécute du JavaScript à l'ouverture.",
        embedding(REPORT, pdf.replace(b"/Lang (fr-FR)", b"/Lang (fr-FR) /OpenAction << /S /JavaScript /JS (x) >>")),
        "CDA-BOD-014",
    )
    yield fault(
        "pdf-ailleurs.xml",
        "Le contenu est à chercher sur un serveur.",
        lambda: edits.swapped(
            make(REPORT),
            'representation="B64">',
            'representation="B64"><reference value="http://serveur.exemple/a.pdf"/>',
        ),
        "CDA-BOD-013",
    )
    yield fault(
        "n1-type-inconnu.xml",
        "Un document N1 ne peut pas contenir du HTML.",
        embedding(REPORT, b"<html/>", "text/html"),
        "CDA-BOD-005",
        "CDA-BOD-010",
    )
    yield fault(
        "copie-programme.xml",
        "La copie PDF d'une ordonnance structurée est un programme.",
        lambda: _copy_replaced(PROGRAM),
        "CDA-BOD-010",
    )


def _copy_replaced(octets: bytes) -> bytes:
    content = edits.embedding(orders.ORDERS["ordonnance"], octets)()
    start = content.index(b'"B64">') + 6
    words = content[start : content.index(b"<", start)]
    whole = make(SHEET)
    begins = whole.index(b'"B64">') + 6
    return whole[:begins] + words + whole[whole.index(b"<", begins) :]


def _xml() -> Iterator[Fault]:
    start = "<ClinicalDocument "
    doctype = '<!DOCTYPE ClinicalDocument [<!ENTITY fichier SYSTEM "file:///etc/hostname">]>\n' + start
    laughs = "".join(f'<!ENTITY e{each + 1} "{f"&e{each};" * 10}">' for each in range(9))
    bomb = f'<!DOCTYPE ClinicalDocument [<!ENTITY e0 "ha">{laughs}]>\n' + start
    yield fault(
        "xml-entite-externe.xml",
        "Une entité externe lirait un fichier du serveur (XXE).",
        edits.edited(LETTER, start, doctype),
        "GRD-XML-003",
    )
    yield fault(
        "xml-milliard-de-rires.xml",
        "Des entités emboîtées rempliraient la mémoire.",
        edits.edited(LETTER, start, bomb),
        "GRD-XML-003",
    )
    yield fault(
        "xml-utf-16.xml",
        "UTF-16 n'est pas admis : tous ne liraient pas la même chose.",
        lambda: edits.swapped(make(LETTER), "UTF-8", "UTF-16").decode().encode("utf-16"),
        "GRD-XML-002",
    )
    yield fault(
        "xml-utf-7.xml",
        "UTF-7 n'est pas admis : tous ne liraient pas la même chose.",
        edits.edited(LETTER, 'encoding="UTF-8"', 'encoding="UTF-7"'),
        "GRD-XML-002",
    )
    yield fault(
        "xml-latin-1-dit-utf-8.xml",
        "Le document est en Latin-1 et se dit en UTF-8.",
        lambda: make(LETTER).decode().encode("latin-1"),
        "GRD-XML-004",
    )
    yield fault("xml-tronque.xml", "La fin du document manque.", lambda: make(LETTER)[:-200], "GRD-XML-004")
    yield fault(
        "xml-trop-profond.xml",
        "Plus de cent niveaux d'éléments.",
        lambda: edits.swapped(make(SHEET), "<list>", "<list>" + "<item><list>" * 60 + "</list></item>" * 60),
        "GRD-XML-006",
    )

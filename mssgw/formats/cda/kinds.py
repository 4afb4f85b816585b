"""The kinds of documents that the maker writes, as data: codes of the CI-SIS, and an invented content for each.

The codes are those of the value sets named beside them. The content is nobody's: enough to look like the real thing.
"""

from dataclasses import dataclass

from mssgw.formats.markup import Node, node

LOINC = "2.16.840.1.113883.6.1"
ACT = "2.16.840.1.113883.5.4"
IHE_FORMATS = "1.3.6.1.4.1.19376.1.2.3"
ANS_FORMATS = "1.2.250.1.213.1.1.4.2.282"
MEDICAL_SUMMARY = "1.3.6.1.4.1.19376.1.5.3.1.1.2"  # IHE PCC: for kinds of which the CI-SIS has no model


@dataclass(frozen=True, slots=True)
class Coded:
    """A code, the OID of its system, and what it is called."""

    code: str
    system: str
    display: str

    def node(self, name: str) -> Node:
        return node(name, code=self.code, codeSystem=self.system, displayName=self.display)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the body: its LOINC code, title, and paragraphs."""

    code: Coded
    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a document is: in its header (code, act, encounter, place), in METADATA.XML (class, format), and inside.

    ``models``: the template identifiers, with version, of its structured form; ``format`` goes with them.
    """

    name: str
    label: str
    title: str
    code: Coded  # JDV_J07
    class_: Coded  # by code: ASS_X04
    models: tuple[tuple[str, str | None], ...]
    format: Coded  # by model: ASS_A11
    act: Coded
    encounter: Coded
    profession: Coded  # JDV_J01
    facility: Coded  # JDV_J02
    setting: Coded  # JDV_J04
    sections: tuple[Section, ...]


N1_TEMPLATE = "1.3.6.1.4.1.19376.1.2.20"
N1_FORMAT = Coded("urn:ihe:iti:xds-sd:pdf:2008", IHE_FORMATS, "PDF")


def _loinc(code: str, display: str) -> Coded:
    return Coded(code, LOINC, display)


def _class(code: str, display: str) -> Coded:
    return Coded(code, "1.2.250.1.213.1.1.4.1", display)


def _facility(code: str, display: str) -> Coded:
    return Coded(code, "1.2.250.1.71.4.2.4", display)


def _doctor(code: str, display: str) -> Coded:
    return Coded(code, "1.2.250.1.213.1.1.4.5", display)


def _setting(code: str, display: str) -> Coded:
    return Coded(code, "1.2.250.1.213.1.1.4.9", display)


def _section(code: str, display: str, *paragraphs: str) -> Section:
    return Section(_loinc(code, display), display, paragraphs)


_REPORT = _class("10", "Compte rendu")
_HOSPITAL = _facility("SA01", "Etablissement public de santé")
_SURGERY = _facility("SA07", "Cabinet individuel")
_IN_HOSPITAL = _setting("ETABLISSEMENT", "Etablissement de santé")
_IN_TOWN = _setting("AMBULATOIRE", "Ambulatoire")
_STAY = Coded("IMP", ACT, "Hospitalisation (établissement, y compris HAD)")
_VISIT = Coded("AMB", ACT, "Ambulatoire (hors établissement)")
_GENERAL = _doctor("G15_10/SM26", "Médecin - Qualifié en Médecine Générale (SM)")
_INTERNAL = _doctor("G15_10/SM27", "Médecin - Médecine interne (SM)")
_SUMMARY = Coded("urn:ihe:pcc:xds-ms:2007", IHE_FORMATS, "Medical summaries")

_ALL = (
    Kind(
        name="lettre-de-liaison",
        label="LDL",
        title="Lettre de liaison à la sortie de l'établissement de santé",
        code=_loinc("11490-0", "Lettre de liaison à la sortie d'un établissement de soins"),
        class_=_REPORT,
        models=(("1.2.250.1.213.1.1.1.29", "2022.01"),),
        format=Coded("urn:asip:ci-sis:ldl-ses:2017", ANS_FORMATS, "Lettre de liaison à la sortie"),
        act=_STAY,
        encounter=_STAY,
        profession=_INTERNAL,
        facility=_HOSPITAL,
        setting=_IN_HOSPITAL,
        sections=(
            _section("42349-1", "Raison de la recommandation", "Pneumopathie communautaire du lobe inférieur droit."),
            _section(
                "42545-4",
                "Synthèse médicale du séjour",
                "Apyrexie au deuxième jour. Sevrage de l'oxygène au troisième jour.",
                "Pas d'évènement indésirable. Pas de transfusion. Pas de germe multirésistant.",
            ),
            _section("10183-2", "Traitements à la sortie", "Amoxicilline 1 g, trois fois par jour, encore 4 jours."),
            _section("18776-5", "Plan de soins", "Consultation du médecin traitant à 8 jours.", "Radio à 6 semaines."),
        ),
    ),
    Kind(
        name="crh",
        label="CRH",
        title="Compte rendu d'hospitalisation",
        code=_loinc("34112-3", "CR hospitalier (séjour)"),
        class_=_REPORT,
        models=((MEDICAL_SUMMARY, None),),
        format=_SUMMARY,
        act=_STAY,
        encounter=_STAY,
        profession=_INTERNAL,
        facility=_HOSPITAL,
        setting=_IN_HOSPITAL,
        sections=(
            _section("46241-6", "Motif d'hospitalisation", "Décompensation cardiaque sur fibrillation atriale."),
            _section("8648-8", "Evolution", "Bonne réponse aux diurétiques : 4 kg de moins en cinq jours."),
            _section("11535-2", "Diagnostics à la sortie", "Insuffisance cardiaque à fraction d'éjection préservée."),
        ),
    ),
    Kind(
        name="biologie",
        label="BIO",
        title="Compte rendu d'examens biologiques",
        code=_loinc("11502-2", "CR d'examens biologiques"),
        class_=_REPORT,
        models=(("1.3.6.1.4.1.19376.1.3.3", None), ("1.2.250.1.213.1.1.1.55", None)),
        format=Coded("urn:ihe:lab:xd-lab:2008", IHE_FORMATS, "Laboratory report"),
        act=_loinc("18719-5", "Biochimie"),
        encounter=_VISIT,
        profession=_doctor("G15_10/SM03", "Médecin - Biologie médicale (SM)"),
        facility=_facility("SA25", "Laboratoire de biologie médicale"),
        setting=_IN_TOWN,
        sections=(
            _section(
                "18719-5",
                "Biochimie",
                "Glycémie à jeun : 5,1 mmol/L (4,1 à 5,9)",
                "Créatinine : 78 µmol/L (59 à 104)",
                "Potassium : 4,2 mmol/L (3,5 à 5,0)",
            ),
        ),
    ),
    Kind(
        name="imagerie",
        label="IMG",
        title="Compte rendu d'imagerie médicale",
        code=_loinc("18748-4", "CR d'imagerie médicale"),
        class_=_class("31", "Imagerie médicale"),
        models=(("1.2.840.10008.9.1", None), ("1.2.250.1.213.1.1.1.45", "2024.01")),
        format=Coded("urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013", IHE_FORMATS, "Imaging report"),
        act=_loinc("36643-5", "Radiographie du thorax, 2 incidences"),
        encounter=_VISIT,
        profession=_doctor("G15_10/SM44", "Médecin - Radio-diagnostic (SM)"),
        facility=_facility("SA08", "Cabinet de groupe"),
        setting=_IN_TOWN,
        sections=(
            _section("55752-0", "Informations cliniques", "Contrôle à six semaines d'une pneumopathie."),
            _section("55111-9", "Description de l'acte d'imagerie", "Thorax de face et de profil, debout."),
            _section("18782-3", "Résultats", "Disparition du foyer de la base droite.", "Pas d'épanchement pleural."),
        ),
    ),
    Kind(
        name="ordonnance",
        label="ORDO",
        title="Prescription de médicaments",
        code=_loinc("57833-6", "Prescription de produits de santé"),
        class_=_class("42", "Prescription"),
        models=(("1.2.250.1.213.1.1.1.39", "2024.01"),),
        format=Coded("urn:ihe:pharm:pre:2010", IHE_FORMATS, "Prescription"),
        act=_loinc("57833-6", "Prescription de produits de santé"),
        encounter=_VISIT,
        profession=_GENERAL,
        facility=_SURGERY,
        setting=_IN_TOWN,
        sections=(
            _section(
                "57828-6",
                "Prescriptions",
                "Metformine 850 mg : un comprimé matin et soir, pendant 3 mois.",
                "Ramipril 5 mg : un comprimé le matin, pendant 3 mois.",
            ),
        ),
    ),
    Kind(
        name="consultation",
        label="CS",
        title="Compte rendu de consultation",
        code=_loinc("11488-4", "CR ou fiche de consultation ou de visite"),
        class_=_REPORT,
        models=((MEDICAL_SUMMARY, None),),
        format=_SUMMARY,
        act=_loinc("11488-4", "CR ou fiche de consultation ou de visite"),
        encounter=_VISIT,
        profession=_GENERAL,
        facility=_SURGERY,
        setting=_IN_TOWN,
        sections=(
            _section("29299-5", "Motif de consultation", "Suivi d'un diabète de type 2."),
            _section("29545-1", "Examen physique", "Poids 82 kg. Pression artérielle 128/76 mmHg."),
            _section("18776-5", "Plan de soins", "Même traitement. Hémoglobine glyquée dans trois mois."),
        ),
    ),
    Kind(
        name="vaccination",
        label="VAC",
        title="Note de vaccination",
        code=_loinc("87273-9", "Note de vaccination"),
        class_=_class("11", "Synthèse"),
        models=(("1.3.6.1.4.1.19376.1.5.3.1.1.18.1.2", None), ("1.2.250.1.213.1.1.1.46", None)),
        format=Coded("urn:asip:ci-sis:vac-note:2021", ANS_FORMATS, "Note de vaccination"),
        act=_loinc("87273-9", "Note de vaccination"),
        encounter=_VISIT,
        profession=_GENERAL,
        facility=_SURGERY,
        setting=_IN_TOWN,
        sections=(
            _section(
                "11369-6", "Historique des vaccinations", "Grippe saisonnière, 0,5 mL, deltoïde gauche, lot FICTIF01."
            ),
        ),
    ),
)

KINDS = {kind.name: kind for kind in _ALL}

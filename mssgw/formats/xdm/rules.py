"""The rules about XDM archives: their layout, METADATA.XML, and what it says of each document."""

from mssgw.core.clinical import Rulebook, Weight

RULES = Rulebook(
    "XDM-",
    requirements={
        "XDM-ARC": "FMT-2",
        "XDM-ARC-002": "GW-4",
        "XDM-ARC-003": "GW-2",
        "XDM-ARC-009": "SD-14",
        "XDM-ARC-010": "SD-14",
        "XDM-MET": "FMT-3",
        "XDM-MET-004": "FMT-4 SD-7",
        "XDM-DOC": "FMT-3",
        "XDM-DOC-006": "FMT-1",
        "XDM-DOC-008": "FMT-4",
        "XDM-DOC-009": "FMT-4 SD-11",
        "XDM-DOC-010": "FMT-4",
        "XDM-DOC-012": "CDA-3",
        "XDM-DOC-013": "FMT-4",
        "XDM-DOC-020": "CDA-3",
        "XDM-DOC-021": "CDA-2",
        "XDM-DOC-032": "FMT-13",
    },
)
_rule = RULES.enter

_XDM = "IHE ITI TF-2 3.32 (XDM)"
_XDS = "IHE ITI TF-3 4.2"
_ANS = "CI-SIS, volet Échange de documents de santé"
_OURS = "passerelle"
DANGER, HARM, FORM, ADVICE = Weight.DANGER, Weight.HARM, Weight.FORM, Weight.ADVICE


# The archive.  req: FMT-2
NO_METADATA = _rule("ARC-001", HARM, "L'archive contient IHE_XDM/SUBSET01/METADATA.XML", _XDM)
PROGRAM = _rule("ARC-002", DANGER, "L'archive ne contient aucun programme exécutable", _OURS)
DISGUISED = _rule("ARC-003", HARM, "Un fichier .PDF, .XML ou image est bien ce que dit son extension", _OURS)
UNTOLD_CDA = _rule("ARC-004", HARM, "Chaque document CDA de l'archive est décrit dans METADATA.XML", _XDM)
UNTOLD = _rule("ARC-005", ADVICE, "Chaque fichier à côté de METADATA.XML y est décrit", _XDM)
NO_INDEX = _rule("ARC-006", ADVICE, "L'archive contient INDEX.HTM et README.TXT à la racine", _XDM)
JUNK = _rule("ARC-007", ADVICE, "L'archive ne contient pas de fichiers de travail (__MACOSX, .DS_Store, .svn)", _OURS)
LONG_NAME = _rule("ARC-008", ADVICE, "Les noms de fichiers suivent ISO 9660 niveau 1 : 8.3, en majuscules", _XDM)
NESTED = _rule("ARC-009", ADVICE, "L'archive ne contient pas d'autre archive, qui ne serait pas contrôlée", _OURS)
NESTED_XDM = _rule("ARC-010", DANGER, "L'archive ne contient pas une autre archive IHE XDM", _OURS)

# METADATA.XML as a whole.  req: FMT-3
NOT_EBRIM3 = _rule(
    "MET-001", HARM, "METADATA.XML est une requête ebRIM 3 : un RegistryObjectList, des id distincts", _XDS
)
ONE_SET = _rule("MET-002", HARM, "METADATA.XML décrit un seul lot de soumission (RegistryPackage)", _XDS)
NO_ENTRY = _rule("MET-003", HARM, "METADATA.XML décrit au moins un document (ExtrinsicObject)", _XDS)
TWO_PATIENTS = _rule("MET-004", DANGER, "Tous les documents et le lot de soumission ont le même patientId", _XDS)
SET_IDS = _rule("MET-005", FORM, "Le lot de soumission a un patientId, un uniqueId et un sourceId", _XDS)
MEMBER = _rule("MET-006", FORM, "Une association HasMember lie le lot de soumission à chaque document", _XDS)
SAME_ID = _rule("MET-007", HARM, "Deux documents n'ont ni le même uniqueId ni la même URI", _XDS)

# Each document against what METADATA.XML says of it.  req: FMT-3, FMT-4
URI = _rule("DOC-001", HARM, "L'URI nomme un fichier de l'archive, à côté de METADATA.XML", _XDM)
URI_CASE = _rule("DOC-002", ADVICE, "L'URI a la même casse que le nom du fichier", _XDM)
HASH = _rule("DOC-003", HARM, "Le hash est le SHA-1 du fichier, en hexadécimal", _XDS)
SIZE = _rule("DOC-004", HARM, "La taille (size) est celle du fichier, en octets", _XDS)
MIME = _rule(
    "DOC-005", HARM, "Le mimeType d'un CDA est text/xml, ou application/xslt+xml s'il est auto-présentable", _ANS
)
NOT_CDA = _rule("DOC-006", FORM, "Un document décrit est un CDA R2", _ANS)
NOT_ITS_MIME = _rule("DOC-007", HARM, "Un document est du type que dit son mimeType", _XDS)
PATIENT = _rule("DOC-008", DANGER, "Le patientId est l'INS du patient du document, ou l'un de ses identifiants", _ANS)
PATIENT_KEY = _rule("DOC-009", HARM, "Le patientId et l'INS du document ont la même clé et la même autorité", _ANS)
PATIENT_FORM = _rule("DOC-010", HARM, "Le patientId est présent, de forme identifiant^^^&OID&ISO^NH", _ANS)
UNIQUE_ID = _rule("DOC-011", HARM, "Le uniqueId est l'id du document : root, puis ^extension s'il y en a une", _ANS)
TYPE = _rule("DOC-012", HARM, "Le typeCode et son codingScheme sont le code du document", _ANS)
PATIENT_TYPE = _rule("DOC-013", ADVICE, "Le type de l'identifiant dans patientId est NH", _ANS)
CLASS = _rule(
    "DOC-020", ADVICE, "Le classCode est une classe de documents (1.2.250.1.213.1.1.4.1), selon le type", _ANS
)
FORMAT = _rule("DOC-021", ADVICE, "Le formatCode est celui du corps N1 ou du modèle du document", _ANS)
LANGUAGE = _rule("DOC-022", ADVICE, "Le languageCode est celui du document", _ANS)
CONFIDENTIALITY = _rule("DOC-023", ADVICE, "Le premier confidentialityCode est celui du document", _ANS)
FACILITY = _rule("DOC-024", ADVICE, "Le healthcareFacilityTypeCode est le code du lieu de la prise en charge", _ANS)
PRACTICE = _rule("DOC-025", ADVICE, "Le practiceSettingCode est le cadre d'exercice de l'acte", _ANS)
TITLE = _rule("DOC-026", ADVICE, "Le titre est celui du document", _ANS)
LEGAL = _rule("DOC-027", ADVICE, "Le legalAuthenticator est celui du document", _ANS)
CREATED = _rule("DOC-028", ADVICE, "Le creationTime est l'effectiveTime du document, en UTC", _ANS)
SERVICE = _rule("DOC-029", ADVICE, "serviceStartTime et serviceStopTime sont les dates de l'acte, en UTC", _ANS)
TRAITS = _rule(
    "DOC-030", ADVICE, "sourcePatientInfo (PID-5, PID-7, PID-8) donne les traits du patient du document", _ANS
)
SOURCE_ID = _rule("DOC-031", ADVICE, "Le sourcePatientId est un identifiant du patient du document", _ANS)
REPLACED = _rule(
    "DOC-032", FORM, "Une association RPLC va avec un relatedDocument RPLC du document, et inversement", _ANS
)

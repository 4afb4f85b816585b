"""The people of the demo, all invented, and what of them must never stand in the gateway's log."""

DOCTOR = "dr.martin@ch-test.mssante.fr"
DOCTOR_NAME = "Dr Camille MARTIN"
OTHER_DOCTOR = "dr.bernard@ch-test.mssante.fr"  # never wrote to a patient
PHARMACY = "officine@pharmacie-test.mssante.fr"  # a pharmacy's shared mailbox (ORG)
COUNTER = "comptoir@pharmacie-test.example"  # its ordinary address, outside the trust space
PROGRAM = "labo@ch-test.mssante.fr"  # of the hospital's laboratory software (APP)
TAKEN = "Integres"  # where that puts what it has taken in

PATIENT = "279035121518989@patient.mssante.fr"
CORSICAN = "177012a12345670@patient.mssante.fr"  # as his doctor typed it, in lower case
CUSTOMER = "146026322000196@patient.mssante.fr"
READER = "179039935012397@patient.mssante.fr"  # whose mailbox the demo's own patient space keeps
WRONG_KEY = "289456789012345@patient.mssante.fr"  # the last two digits do not fit the others

PATIENT_DOMAIN = "patient.mssante.fr"
HOSPITAL_DOMAIN, PHARMACY_DOMAIN = "ch-test.mssante.fr", "pharmacie-test.mssante.fr"

# Operators of the trust space, by the host name in their certificates.
GATEWAY_HOST = "mssgw.ch-test.example"
MES_HOST = "smtp.mes-test.example"  # Mon espace santé
CLINIC_HOST, CLINIC_DOMAIN = "mta.clinique-test.example", "clinique-test.mssante.fr"  # one that has no part in it
REVOKED_HOST = "ancien.mes-test.example"  # its former server, listed still
STRANGER_HOST = "smtp.inconnu.example"  # of the same authority, and in no list

LETTER_SUBJECT = "Compte rendu de consultation"
ORDONNANCE_SUBJECT = "Mon ordonnance du jour"
ORDONNANCE_FILE = "ordonnance_seringat.pdf"
ORDER_SUBJECT = "Demande de bilan"
FAMILY = "SERINGATEAU"  # the patient's name in clinical documents

# Lower case; searched for in the gateway's log, which must know people by queue ids and keyed hashes alone.
PERSONAL = (
    *(address.partition("@")[0] for address in (PATIENT, CORSICAN, CUSTOMER, READER, WRONG_KEY)),
    *("martin", "bernard", "officine@", "labo@", "seringat"),
    *(text.lower() for text in (LETTER_SUBJECT, ORDONNANCE_SUBJECT, ORDONNANCE_FILE, ORDER_SUBJECT)),
)

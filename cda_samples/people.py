"""Invented patients and authors: matricules with right keys that belong to nobody; RPPS and FINESS begin with 999."""

from datetime import date

from mssgw.core.ins import Matricule
from mssgw.formats.cda.orders import Author, Patient


def _patient(matricule: str, family: str, given: str, birth: date, local: str = "") -> Patient:
    return Patient(
        matricule=Matricule.parse(matricule),
        family=family,
        given=tuple(given.split()),
        birth=birth,
        local=("2.25.999000018", local) if local else None,
    )


JEANNE = _patient("279035121518989", "EXEMPLE", "JEANNE MARIE", date(1979, 3, 28), "IPP-0001")
ANDRE = _patient("146026322000196", "SPECIMEN", "ANDRÉ", date(1946, 2, 11), "IPP-0002")
ANGE = _patient("177012A12345670", "MODÈLE", "ANGE-TOUSSAINT", date(1977, 1, 5))  # born in Corsica
LUCIE = _patient("288112B98765431", "MAQUETTE", "LUCIE ANNE", date(1988, 11, 30))  # as well
KARIM = _patient("179039935012397", "L'EXEMPLE", "KARIM", date(1979, 3, 2))  # abroad
HUGO = _patient("199017505604201", "PROTOTYPE", "HUGO LÉO", date(1999, 1, 17))

HOSPITAL = Author(
    rpps="99900000012",
    family="MARTIN",
    given="Claire",
    prefix="MME",
    finess="999000018",
    organisation="Centre hospitalier de l'Exemple",
    address=("12", "Avenue du Spécimen", "75000", "PARIS"),
    telecom="tel:0199000018",
)
LABORATORY = Author(
    rpps="99900000020",
    family="DURAND",
    given="Paul",
    finess="999000026",
    organisation="Laboratoire du Modèle",
    address=("3", "Place du Tube", "69000", "LYON"),
    telecom="tel:0199000026",
)
RADIOLOGY = Author(
    rpps="99900000038",
    family="PETIT",
    given="Inès",
    prefix="MME",
    finess="999000034",
    organisation="Imagerie de la Maquette",
    address=("5", "Rue du Cliché", "31000", "TOULOUSE"),
    telecom="tel:0199000034",
)
SURGERY = Author(
    rpps="99900000046",
    family="BERNARD",
    given="Luc",
    finess="999000042",
    organisation="Cabinet du Dr Bernard",
    address=("7", "Rue du Test", "20000", "AJACCIO"),
    telecom="tel:0199000042",
)

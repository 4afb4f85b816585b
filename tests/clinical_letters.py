"""Letters as hospitals send them: a text, IHE_XDM.zip with a CDA R2, its PDF beside it. All in them is invented."""

import base64
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from mssgw.core.ins import InsAuthority, Matricule
from mssgw.formats import xdm_making
from mssgw.formats.cda.kinds import KINDS
from mssgw.formats.cda.making import make
from mssgw.formats.cda.orders import Author, Order, Patient
from mssgw.formats.ebrim_making import metadata
from mssgw.formats.xdm_making import SUBSET
from tests.canaries import FILE_NAMES, Kind, plant

FAMILY = plant(Kind.NAME, "BERGERONNETTAUD")
AUTHOR = Author(
    rpps="99900000012",
    family=plant(Kind.NAME, "HIRONDELLIER"),
    given="Claire",
    finess="999000018",
    organisation="Hôpital",
)
AT = datetime(2025, 2, 4, 16, 5, tzinfo=UTC)
Edit = Callable[[bytes], bytes]


def order(matricule: str, *, kind: str = "crh", pdf: bytes | None = None) -> Order:
    """One document about the patient with this INS."""
    digits = matricule.upper()
    birth = date(1900 + int(digits[1:3]), int(digits[3:5]), 14)
    who = Patient(
        matricule=Matricule.parse(digits),
        authority=InsAuthority.NIR,
        family=FAMILY,
        given=("CELESTINE",),
        birth=birth,
    )
    return Order(kind=KINDS[kind], patient=who, author=AUTHOR, at=AT, pdf=pdf)


def archive(orders: Sequence[Order], edit: Edit | None = None) -> bytes:
    """IHE_XDM.zip whose metadata agree with the documents, each edited before."""
    faultless = xdm_making.archive(orders)
    if edit is None:
        return faultless
    documents = {f"DOC{n:05}.XML": edit(make(each)) for n, each in enumerate(orders, 1)}
    changed = {f"{SUBSET}/{name}": content for name, content in documents.items()}
    changed[f"{SUBSET}/METADATA.XML"] = metadata(orders, documents)
    with zipfile.ZipFile(io.BytesIO(faultless)) as read:
        return xdm_making.zipped({name: read.read(name) for name in read.namelist()} | changed)


def replaced(old: str, new: str) -> Edit:
    """An edit of a document; it must meet what it replaces."""

    def edit(document: bytes) -> bytes:
        assert old.encode() in document, f"no {old} in the document"
        return document.replace(old.encode(), new.encode(), 1)

    return edit


def hidden_from(mark: str) -> Edit:
    """The document bears a mark of SD-15."""
    return replaced('<confidentialityCode code="N"', f'<confidentialityCode code="{mark}"')


# Departs from the profile (a warning under "standard"); says one thing and is another (refused).
UNTIDY = replaced('<realmCode code="FR"', '<realmCode code="XX"')
HARMFUL = replaced('mediaType="application/pdf"', 'mediaType="image/jpeg"')


def attached(content: bytes, name: str, kind: str) -> str:
    """A part in base64."""
    coded = base64.encodebytes(content).decode()
    return (
        f'Content-Type: {kind}; name="{name}"\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{coded}"
    )


def letter(
    about: str | Sequence[str],
    *,
    fields: str,
    kind: str = "crh",
    edit: Edit | None = None,
    bare: bool = False,
    pdf: bytes | None = None,
) -> str:
    """A letter with one document about each of these patients, in an archive or ``bare``; ``fields`` end with LF."""
    orders = [order(each, kind=kind, pdf=pdf) for each in ([about] if isinstance(about, str) else about)]
    if bare:
        parts = [attached((edit or bytes)(make(each)), FILE_NAMES[2], "text/xml") for each in orders]
    else:
        whole = [[each] for each in orders]
        parts = [attached(archive(each, edit), "IHE_XDM.zip", "application/zip") for each in whole]
        parts += [attached(each.shown(), FILE_NAMES[0], "application/pdf") for each in orders]
    text = "Content-Type: text/plain; charset=utf-8\n\nBonjour, voici le compte rendu.\n"
    body = "".join(f"--=_mixed\n{part.rstrip()}\n" for part in (text, *parts))
    return f'{fields}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_mixed"\n\n{body}--=_mixed--\n'

"""Scenes with clinical documents: judged while the sender is still connected."""

import shutil

from demo import mail, people
from demo.acting import ARRIVAL, Acting
from demo.submission import Stage as Where


async def documents(play: Acting) -> None:
    """A CDA R2 in its IHE_XDM.zip, to the patient whom it is about, and to another."""
    archive, pdf = await _document(play)
    right, wrong = (mail.report(to, archive, pdf) for to in (people.PATIENT, people.CUSTOMER))
    what = "a report with its clinical document: a CDA R2 in IHE_XDM.zip, and its PDF"
    queue_id = await play.arrives(play.hospital, play.mes, right, what)
    line = await play.stage.gateway.logged("letter.accepted", ARRIVAL, queue_id=queue_id) or {}
    told = f"the log tells what it was, and the verdict: {line.get('carried')}, {line.get('documents')}"
    play.timeline.check(line.get("documents") == "accept", told, "accept")
    what = "the same document, by mistake to another patient"
    await play.refused(play.hospital, wrong, what, "554 5.6.0", Where.END, says="CDA-COH-001")


async def _document(play: Acting) -> tuple[bytes, tuple[str, bytes]]:
    """The archive, name and content of the PDF: made by the tool that integrators have for it."""
    folder = play.stage.gateway.config.with_name("document")
    shutil.rmtree(folder, ignore_errors=True)
    ins = people.PATIENT.partition("@")[0]
    await play.stage.gateway.tool("cda", "new", str(folder), "--ins", ins, "--family", people.FAMILY)
    (pdf,) = folder.glob("*.pdf")
    return (folder / "IHE_XDM.zip").read_bytes(), (pdf.name, pdf.read_bytes())

"""A whole archive: its layout, METADATA.XML of each subset, its documents, and whether they agree."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from mssgw.core.clinical import Finding, Mark, Profile, Rule
from mssgw.core.document_patients import DocumentPatient
from mssgw.formats import documents, guard
from mssgw.formats.archive import Entry, safe_unzip
from mssgw.formats.attachments import NAMED_LETTERS, Item
from mssgw.formats.cda.hidden import marks_of
from mssgw.formats.cda.ins import patients_of
from mssgw.formats.documents import Document
from mssgw.formats.guard import Stopped
from mssgw.formats.magic import Kind, kind_of
from mssgw.formats.wire import holds
from mssgw.formats.wrapped import hides_document, may_hold_document
from mssgw.formats.xdm import agreement, ebrim, rules
from mssgw.formats.xdm.agreement import Broken
from mssgw.formats.xdm.ebrim import Metadata, Told
from mssgw.formats.xdm.header import Header

_NAME = "ihe_xdm.zip"
_TOLD = 10  # findings of one rule in one archive: more say nothing new
_METADATA = re.compile(r"ihe_xdm/[^/]{1,255}/metadata\.xml")
_JUNK = re.compile(r"(?:^|/)(?:__macosx/|\.svn/|\.git/|\.ds_store$|thumbs\.db$|\._[^/]*$|[^/]*\.sw[op]$|[^/]*~$)")
_ISO_9660 = re.compile(r"[A-Z0-9_]{1,8}(?:\.[A-Z0-9_]{0,3})?")
_EXTENSIONS = {
    "pdf": (Kind.PDF,),
    "jpg": (Kind.JPEG, Kind.PNG, Kind.TIFF),  # another image is a matter of form
    "jpeg": (Kind.JPEG, Kind.PNG, Kind.TIFF),
    "png": (Kind.JPEG, Kind.PNG, Kind.TIFF),
    "tif": (Kind.JPEG, Kind.PNG, Kind.TIFF),
    "tiff": (Kind.JPEG, Kind.PNG, Kind.TIFF),
    "xml": (Kind.XML,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What an archive holds, and what is wrong with it.

    ``headers``: of every CDA in it, told of or not. ``patients``: those that METADATA.XML tells of, and of CDA among
    the junk, to be compared with those of the documents and of the address. ``marks``: from whom these hide it (SD-15).
    """

    findings: tuple[Finding, ...]
    headers: tuple[Header, ...] = ()
    patients: tuple[DocumentPatient, ...] = ()
    marks: frozenset[Mark] = field(default=frozenset())

    @property
    def documents(self) -> tuple[Document, ...]:
        """Every CDA, named by its path."""
        return tuple(header.document for header in self.headers)


def is_called_xdm(name: str) -> bool:
    """Whether a file of this name is judged as an XDM archive, whatever it is (SD-14)."""
    return name.strip().lower() == _NAME


def is_xdm(name: str, content: bytes) -> bool:
    """Whether this is judged as an XDM archive: of that name, or a zip with that layout inside (SD-14).

    A zip may begin with anything, such as a PDF: programs look for its directory at the end.
    """
    if is_called_xdm(name):
        return True
    if kind_of(content) is not Kind.ZIP and not holds(content[-65_600:], b"PK\5\6", b"\5"):
        return False
    # Names stand in clear before each entry and in the directory, which other files and a comment may keep from both
    # ends. With backslashes some programs unpack it all the same.
    names = content.upper()
    return b"IHE_XDM/" in names or b"IHE_XDM\\" in names


def read(content: bytes, profile: Profile) -> Package:
    """Open an archive and hold all of it against the rules; never raises."""
    try:
        files = safe_unzip(content)
    except Stopped as stopped:
        return Package(findings=(stopped.finding(profile),))
    return _Reading(files, profile).package()


class _Reading:
    """One archive while it is read."""

    def __init__(self, files: tuple[Entry, ...], profile: Profile) -> None:
        self._profile = profile
        self._findings: list[Finding] = []
        self._counts: Counter[str] = Counter()  # of each rule
        self._files = {file.path.lower(): file for file in files if not _is_junk(file)}
        self._junk = [file for file in files if _is_junk(file)]
        self._patients: list[DocumentPatient] = []  # of documents in the junk, and
        self._marks: set[Mark] = set()  # from whom they are hidden: who opens the archive has them as well
        self._headers: dict[str, Header] = {}  # of documents, by path in lower case
        self._digests: dict[str, str] = {}  # of files, for several entries may name one
        self._told: set[str] = set()  # paths that some METADATA.XML tells of
        if self._junk:
            self._add(rules.JUNK, found=f"{len(self._junk)} fichiers")
        self._programs(files)

    def package(self) -> Package:
        metadata_files = {path: file for path, file in self._files.items() if _METADATA.fullmatch(path)}
        self._layout(metadata_files)
        self._find_documents()
        read = [self._metadata(path, file) for path, file in metadata_files.items()]
        read += [self._misplaced(file) for path, file in self._files.items() if _is_misplaced(path, metadata_files)]
        told = [each for metadata in read for each in (*metadata.entries, *metadata.sets)]
        self._one_patient(told)
        self._untold(metadata_files)
        return Package(
            findings=tuple(self._findings),
            headers=tuple(self._headers.values()),
            patients=(*(patient for each in told if (patient := agreement.patient_of(each)).ids), *self._patients),
            marks=frozenset(self._marks).union(*(metadata.marks for metadata in read)),
        )

    def _add(
        self, rule: Rule, *, line: int | None = None, xpath: str = "", found: str = "", expected: str = ""
    ) -> None:
        self._counts[rule.id] += 1
        if self._counts[rule.id] > _TOLD:
            return
        self._findings.append(rule.finding(self._profile, line=line, xpath=xpath, found=found, expected=expected))

    def _programs(self, files: tuple[Entry, ...]) -> None:
        for number, file in enumerate(files, 1):  # junk too: who opens the archive has it as well
            kind = kind_of(file.content)
            extension = file.path.rpartition(".")[2].lower()
            if kind is Kind.PROGRAM:
                self._add(rules.PROGRAM, found=f"fichier {number}")
            elif is_xdm(file.path.rpartition("/")[2], file.content):
                self._add(rules.NESTED_XDM, found=f"fichier {number}")
            elif kind not in _EXTENSIONS.get(extension, (kind,)) and not _is_junk(file):
                self._add(rules.DISGUISED, found=f"fichier {number} : {kind.value}", expected=extension)
            elif kind is Kind.ZIP:
                self._add(rules.NESTED, found=f"fichier {number}")
            if may_hold_document(
                file.content, is_letter=f".{extension}" in NAMED_LETTERS, is_signed=extension == "p7m"
            ):
                self._add(rules.UNTOLD_CDA, found=f"fichier {number}")

    def _layout(self, metadata_files: dict[str, Entry]) -> None:  # req: FMT-2
        if not metadata_files:
            self._add(rules.NO_METADATA, found="absent")
        if not {"index.htm", "readme.txt"} <= self._files.keys():
            self._add(rules.NO_INDEX)
        long = [file for file in self._files.values() if not all(map(_ISO_9660.fullmatch, file.path.split("/")))]
        if long:
            self._add(rules.LONG_NAME, found=f"{len(long)} fichiers")

    def _find_documents(self) -> None:
        tally = documents.Tally()
        for file in (*self._files.values(), *self._junk):  # METADATA.XML too, which a document may be called
            try:
                document = documents.read(file.content, name=file.path, media_type="text/xml")
            except Stopped as stopped:
                self._findings.append(stopped.finding(self._profile))
                continue
            if document is None:
                if hides_document(_as_item(file), file.content):
                    self._findings.append(Stopped(guard.XML["below"]).finding(self._profile))
                continue
            tally.add(document)
            if tally.is_too_much:
                self._findings.append(Stopped(guard.XML["elements"], found="archive").finding(self._profile))
                return
            if _is_junk(file):
                self._patients += patients_of(document.root)
                self._marks |= marks_of(document.root)
            else:
                self._headers[file.path.lower()] = Header(document)

    def _metadata(self, path: str, file: Entry) -> Metadata:
        try:
            metadata = ebrim.read_metadata(file.content)
        except Stopped as stopped:
            self._findings.append(stopped.finding(self._profile))
            return Metadata(is_ebrim3=False)
        if not metadata.is_ebrim3:
            self._add(rules.NOT_EBRIM3, expected="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0")
            return metadata
        if len(metadata.sets) != 1:
            self._add(rules.ONE_SET, found=str(len(metadata.sets)), expected="1")
        if not metadata.entries:
            self._add(rules.NO_ENTRY)
        self._submission(metadata)
        folder = path.rpartition("/")[0]
        for number, told in enumerate(metadata.entries, 1):
            xpath = f"/SubmitObjectsRequest/RegistryObjectList/ExtrinsicObject[{number}]"
            for rule, found, expected in self._entry(told, metadata, folder):
                self._add(rule, line=told.line, xpath=xpath, found=found, expected=expected)
        return metadata

    def _misplaced(self, file: Entry) -> Metadata:
        """What a METADATA.XML in a wrong place tells of patients and hidden documents: some reader may heed it."""
        try:
            return ebrim.read_metadata(file.content)
        except Stopped as stopped:
            self._findings.append(stopped.finding(self._profile))
            return Metadata(is_ebrim3=False)

    def _submission(self, metadata: Metadata) -> None:
        for each in metadata.sets:
            wanted = {
                "patientId": ebrim.SET_PATIENT_ID,
                "uniqueId": ebrim.SET_UNIQUE_ID,
                "sourceId": ebrim.SET_SOURCE_ID,
            }
            missing = [name for name, scheme in wanted.items() if not each.identifier(scheme)]
            if missing:
                self._add(rules.SET_IDS, line=each.line, found=f"sans {' '.join(missing)}")
        sets = {each.id for each in metadata.sets}
        members = {target for kind, source, target in metadata.associations if kind == "HasMember" and source in sets}
        for told in metadata.entries:
            if told.id not in members:
                self._add(rules.MEMBER, line=told.line)
        ids = Counter(told.identifier(ebrim.UNIQUE_ID).lower() for told in metadata.entries)
        uris = Counter(_uri(told).lower() for told in metadata.entries)
        if any(count > 1 for values in (ids, uris) for value, count in values.items() if value):
            self._add(rules.SAME_ID)

    def _entry(self, told: Told, metadata: Metadata, folder: str) -> Iterator[Broken]:
        uri = _uri(told)
        path = f"{folder}/{uri}".lower()
        file = self._files.get(path)
        if file is None or not uri:
            yield rules.URI, "fichier absent" if uri else "URI absente ou multiple", "un fichier de l'archive"
            return
        self._told.add(path)
        if not file.path.endswith(f"/{uri}"):
            yield rules.URI_CASE, "autre casse", ""
        if path not in self._digests:
            self._digests[path] = agreement.sha1(file.content)
        yield from agreement.check_file(told, file, self._digests[path])
        header = self._headers.get(path)
        if header is None:
            yield from agreement.check_other(told, file)
            return
        replacing = {source for kind, source, _ in metadata.associations if kind == "RPLC"}
        yield from agreement.check_document(told, header, is_replacement=told.id in replacing)

    def _one_patient(self, told: list[Told]) -> None:  # req: SD-7
        """Whoever METADATA.XML is about, it is one person: 13 characters of an INS, or one identifier."""
        schemes = (ebrim.PATIENT_ID, ebrim.SET_PATIENT_ID)
        people = [person for each in told for scheme in schemes for person in each.people(scheme)]
        told_of = {each.person if each.is_ins else f"{each.root} {each.extension}" for each in people}
        if len(told_of) > 1:
            self._add(rules.TWO_PATIENTS, found=f"{len(told_of)} patients", expected="1")

    def _untold(self, metadata_files: dict[str, Entry]) -> None:
        folders = {path.rpartition("/")[0] for path in metadata_files}
        for path in self._files:
            if path in self._told or path in metadata_files:
                continue
            if path in self._headers:
                self._add(rules.UNTOLD_CDA)
            elif path.rpartition("/")[0] in folders:
                self._add(rules.UNTOLD)


def _as_item(file: Entry) -> Item:
    name = file.path.rpartition("/")[2].lower()
    return Item(names=(name,), media_type="application/octet-stream", readings=(file.content,))


def _is_junk(file: Entry) -> bool:
    return bool(_JUNK.search(file.path.lower()))


def _is_misplaced(path: str, metadata_files: dict[str, Entry]) -> bool:
    return path not in metadata_files and path.rpartition("/")[2] == "metadata.xml"


def _uri(told: Told) -> str:
    """The path that an entry names, below the folder of METADATA.XML. "" for none or several.

    Long ones come in numbered pieces (``1|...``, ITI TF-3 4.2.3.2.27).
    """
    pieces = told.slots.get("URI", ())
    if len(pieces) > 1 and all(re.match(r"[0-9]\|", piece) for piece in pieces):
        pieces = ("".join(piece[2:] for piece in sorted(pieces)),)
    return unquote(pieces[0].removeprefix("1|").strip()) if len(pieces) == 1 else ""

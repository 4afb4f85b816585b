"""The body and the files in it."""

import base64

from mssgw.formats.xdm_making import zipped
from tests.cda_variants.changes import both, file_of, null, saying, setting, twice, with_each, with_more, without
from tests.cda_variants.variant import ADVICE, DANGER, FORM, HARM, of

TEXT = "component/nonXMLBody/text"
MEDIA = "any observationMedia/value"
IN_N1 = with_each(lambda _: None, TEXT)
PDF = b"%PDF-1.4\n" + b"1 0 obj\n" * 20 + b"%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
_CDA = b'<a:ClinicalDocument xmlns:a="urn:hl7-org:v3"/>'
_LETTER = b"Subject: a\nMIME-Version: 1.0\nContent-Type: text/xml\n\n" + _CDA + b"\n"
_XDM = zipped({"IHE_XDM/SUBSET01/DOC00001.XML": _CDA})
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)


VARIANTS = (
    *of(
        "component",
        ("absent", "CDA-BOD-001", HARM, without("component")),
        ("two", "CDA-BOD-001", HARM, twice("component")),
        ("empty", "CDA-BOD-002", HARM, both(null("component"), setting("component", nullFlavor=None))),
    ),
    *of(
        "N1",
        (
            "four templates",
            "CDA-BOD-003",
            FORM,
            both(IN_N1, with_more("", '<templateId root="1.2.3"/>')),
        ),
        ("third template of another model", "CDA-BOD-003", FORM, both(IN_N1, setting("templateId[3]", root="1.2.3.4"))),
        ("no text", "CDA-BOD-004", HARM, without(TEXT)),
        ("two texts", "CDA-BOD-004", HARM, twice(TEXT)),
        ("no media type", "CDA-BOD-005", FORM, setting(TEXT, mediaType=None)),
        ("PNG", "CDA-BOD-005", FORM, file_of(PNG, mediaType="image/png")),
        ("not in base64", "CDA-BOD-006", HARM, setting(TEXT, representation=None)),
        (
            "plain text as it is",
            "CDA-BOD-007",
            FORM,
            both(setting(TEXT, representation=None, mediaType="text/plain"), saying(TEXT, "Bonjour")),
        ),
        ("base64 with a stray sign", "CDA-BOD-008", HARM, saying(TEXT, base64.b64encode(PDF).decode() + "!")),
        (
            "base64 without padding",
            "CDA-BOD-008",
            HARM,
            saying(TEXT, base64.b64encode(PDF + b"\n").decode().rstrip("=")[:-1]),
        ),
        ("base64 with letters of elsewhere", "CDA-BOD-008", HARM, saying(TEXT, "é" + base64.b64encode(PDF).decode())),
        ("something after the padding", "CDA-BOD-008", HARM, saying(TEXT, "JVBERg==" + base64.b64encode(PDF).decode())),
        ("empty", "CDA-BOD-009", HARM, saying(TEXT, " ")),
        ("PDF that is a program", "CDA-BOD-010", HARM, file_of(b"MZ\x90\0" + PDF)),
        ("PDF that is a page", "CDA-BOD-010", HARM, file_of(b"<html><script>1</script></html>")),
        ("PDF that is an image", "CDA-BOD-010", HARM, file_of(JPEG)),
        ("PDF of zeros", "CDA-BOD-010", HARM, file_of(bytes(500))),
        ("PDF that begins late", "CDA-BOD-010", HARM, file_of(b" " * 2000 + PDF)),
        ("text with NULs", "CDA-BOD-010", HARM, file_of(b"Bonjour\0", mediaType="text/plain")),
        ("RTF that is text", "CDA-BOD-010", HARM, file_of(b"Bonjour", mediaType="text/rtf")),
        ("image that is a PDF", "CDA-BOD-010", HARM, file_of(PDF, mediaType="image/jpeg")),
        ("JPEG that is a PNG", "CDA-BOD-011", ADVICE, file_of(PNG, mediaType="image/jpeg")),
        ("PDF cut short", "CDA-BOD-012", HARM, file_of(PDF[:-7])),
        ("file elsewhere", "CDA-BOD-013", HARM, with_more(TEXT, '<reference value="http://example.org/a.pdf"/>')),
        ("JavaScript", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</S/JavaScript>>"))),
        ("Launch", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</S/Launch>>"))),
        ("EmbeddedFile", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</Type/EmbeddedFile>>"))),
        ("OpenAction", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</OpenAction 2 0 R>>"))),
        ("encrypted", "CDA-BOD-014", ADVICE, file_of(PDF.replace(b"1 0 obj", b"<</Encrypt 2 0 R>>"))),
        ("document in XML", "CDA-BOD-017", DANGER, file_of(_CDA, mediaType="text/xml")),
        (
            "document in XML, in base64 by another case",
            "CDA-BOD-017",
            DANGER,
            file_of(_CDA, mediaType="text/xml", representation="b64"),
        ),
        (
            "document in XML, in base64 with white space",
            "CDA-BOD-017",
            DANGER,
            file_of(_CDA, mediaType="text/xml", representation=" B64 "),
        ),
        ("document in a letter", "CDA-BOD-017", DANGER, file_of(_LETTER, mediaType="message/rfc822")),
        ("archive of documents", "CDA-BOD-017", DANGER, file_of(_XDM, mediaType="application/zip")),
        ("archive of documents behind a PDF", "CDA-BOD-017", DANGER, file_of(PDF + _XDM + b"%%EOF")),
        (
            "document in XML, not in base64",
            "CDA-BOD-017",
            DANGER,
            both(setting(TEXT, representation=None, mediaType="text/xml"), saying(TEXT, _CDA.decode())),
        ),
        ("thumbnail", "CDA-BOD-015", ADVICE, with_more(TEXT, "<thumbnail>AAAA</thumbnail>")),
    ),
    *of(
        "observationMedia",
        ("no media type", "CDA-BOD-016", FORM, setting(MEDIA, mediaType=None)),
        ("not in base64", "CDA-BOD-006", HARM, setting(MEDIA, representation=None)),
        ("base64 with a stray sign", "CDA-BOD-008", HARM, saying(MEDIA, base64.b64encode(PDF).decode() + "*")),
        ("empty", "CDA-BOD-009", HARM, saying(MEDIA, "")),
        ("PDF that is a program", "CDA-BOD-010", HARM, file_of(b"\x7fELF" + PDF, MEDIA)),
        ("PDF cut short", "CDA-BOD-012", HARM, file_of(PDF[:40], MEDIA)),
        ("document in XML", "CDA-BOD-017", DANGER, file_of(_CDA, MEDIA, mediaType="text/xml")),
        ("document in UTF-16", "CDA-BOD-017", DANGER, file_of(_CDA.decode().encode("utf-16"), MEDIA)),
        ("file elsewhere", "CDA-BOD-013", HARM, with_more(MEDIA, '<reference value="http://example.org/a.pdf"/>')),
    ),
)

"""Letters in which a mail program would find another patient's document: a name for each way, and what hides it."""

import base64
import codecs
import quopri
import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from mssgw.formats.xdm_making import zipped
from tests.unit.formats.disguising import (
    B64,
    BINHEX,
    CALENDAR,
    CDA,
    CONTENT,
    EML,
    FILE,
    HIDDEN,
    HL7,
    INNER,
    LINK,
    MBOX,
    MDN,
    NAME,
    OUTLOOK,
    OWN,
    PERCENTS,
    QP,
    RAW64,
    ROOT,
    SHEET,
    XDM,
    by_entity,
    far_behind,
    folded,
    folded_base64,
    in_a_mac_file,
    lines_of,
    masked,
    part,
    prefixed,
    signed,
    uuencoded,
    with_more,
    with_their_id,
    with_their_patient,
    with_their_role,
)

DISGUISES: dict[str, Callable[[], bytes]] = {
    "soft line breaks before it": lambda: part(b"=\n" * 800 + quopri.encodestring(CDA), encoding=QP),
    "empty lines before its base64": lambda: part(
        b"\n" * 1_500 + base64.encodebytes(CDA), "application/pdf", encoding="base64 "
    ).replace(b"base64 \n", b"base64\n"),
    "a comment before it, in a text": lambda: part(b"<!-- a -->" + ROOT, "text/plain", NAME),
    "HTML's DOCTYPE before it": lambda: part(b"<!DOCTYPE html>" + ROOT, "text/html", NAME),
    "an element with a prefix of HTML": lambda: part(prefixed(ROOT), "text/plain", NAME),
    "another patient without namespace": lambda: part(with_their_patient(""), "text/xml"),
    "another patient in another namespace": lambda: part(with_their_patient("urn:hl7-org:v3x"), "text/xml"),
    "another patient's INS in patient/id": lambda: part(with_their_id(), "text/xml"),
    "uuencode far into a text": lambda: part(b"Bonjour,\n" * 300 + uuencoded(CDA), "text/plain", encoding="7bit"),
    "uuencode far into a text in base64": lambda: part(b"Bonjour,\n" * 300 + uuencoded(CDA), "text/plain"),
    "uuencode far into a text, its first line encoded": lambda: part(
        b"Bonjour,=20\n" * 300 + quopri.encodestring(uuencoded(CDA)).replace(b"begin ", b"=62egin=20"),
        "text/plain",
        encoding=QP,
    ),
    "uuencode of an odd mode": lambda: part(uuencoded(CDA, "0755"), "text/plain", encoding="7bit"),
    "uuencode's base64": lambda: part(
        b"begin-base64 644 cr.xml\n" + base64.encodebytes(CDA) + b"====\n", "text/plain", encoding="8bit"
    ),
    "a letter by its name only": lambda: part(INNER, "application/octet-stream", "Content-Description: lettre.eml"),
    "a letter of news": lambda: part(INNER, "message/news", encoding="8bit"),
    "a letter of a type that nobody knows": lambda: part(INNER, "message/x-letter", encoding="8bit"),
    "a letter said to be elsewhere": lambda: part(INNER, "message/external-body; access-type=x", encoding="8bit"),
    "a letter said to be a receipt": lambda: part(INNER, MDN, encoding="8bit"),
    "a letter said to be a receipt, in base64": lambda: part(INNER, MDN),
    "a letter far into a receipt": lambda: part(b"X-A: b\n" * 300 + INNER, MDN, encoding="8bit"),
    "a letter said to be a report": lambda: part(INNER, "message/delivery-status", encoding="8bit"),
    **{
        f"a file below the fields of {kind.partition('/')[2]}, {how}": partial(
            part, b"Reporting-MTA: dns; a\n" + above + FILE, kind, encoding="8bit"
        )
        for kind in (MDN, "message/delivery-status", "message/tracking-status", "message/feedback-report")
        for how, above in (
            ("at once", b""),
            ("in another block", b"\n"),
            ("as it stands", b"\n" + CDA + b"\n"),
            ("far below", b"\n" + b"Final-Recipient: rfc822; b@c.example\nStatus: 5.0.0\n\n" * 100),
        )
    },
    **{
        f"parts in {kind}": partial(part, b"--p\n" + FILE + b"--p--\n", kind, encoding="7bit")
        for kind in (
            *("text/plain; boundary=p", 'application/x-foo; Boundary="p"', "ultipart/mixed; boundary*=utf-8''p"),
            *("text/plain; boundary=p/q", 'text/plain; boundary="p q"', 'text/plain; boundary="p;q"'),
            *("text/plain; boundary=(q)p", "text/plain; boundary*0=p; boundary*1=q", "text/plain; boundary=\\p"),
            *("text/plain; x-boundary=p; boundary=q", "text/plain; boundary=q; boundary=p"),
            'text/plain; boundary=" p"',
        )
    },
    "a letter that speaks of PDF": lambda: part(b"Subject: %PDF-\n" + INNER, 'application/octet-stream; name="a.eml"'),
    "a letter in damaged base64": lambda: part(b"!" + base64.encodebytes(INNER), "message/rfc822", encoding="BASE64 "),
    "a letter in an unknown encoding": lambda: part(INNER, "message/rfc822", encoding="utf-8"),
    "a letter with two subjects": lambda: part(b"Subject: a\nSubject: b\n" + HIDDEN, "message/rfc822", encoding="8bit"),
    "a letter with a line that is no field": lambda: part(b"a b\n" + HIDDEN, "message/rfc822", encoding="8bit"),
    "a letter out of a mailbox": lambda: part(MBOX + HIDDEN, "message/rfc822", encoding="8bit"),
    "a letter whose encoding is folded": lambda: part(
        b"a b\n" + HIDDEN.replace(b"Encoding: ", b"Encoding:\n "), "message/rfc822", encoding="8bit"
    ),
    "a letter as it stands, said to be in base64": lambda: part(b"", "message/rfc822").rstrip() + b"\n\n" + INNER,
    "a letter as it stands, said to be in uuencode": lambda: part(
        INNER + uuencoded(b"Subject: s\n\nBonjour\n"), "message/rfc822", encoding="x-uuencode"
    ),
    "as it stands, said to be in base64": lambda: part(CDA, encoding=RAW64),
    "uuencode as it stands, said to be in base64": lambda: part(uuencoded(CDA), "image/png", encoding=RAW64),
    "as it stands, its encoding with a comment": lambda: part(CDA, encoding="base64 (x)"),
    "as it stands, its encoding in quotes": lambda: part(CDA, encoding='"base64"'),
    "in UTF-7 as it stands, all of it like base64": lambda: part(
        b"+" + base64.b64encode(CDA.decode().encode("utf-16-be")).rstrip(b"="), "text/plain", encoding="base64 (x)"
    ),
    "as it stands, another file in uuencode in it": lambda: part(
        CDA.replace(b"</ClinicalDocument>", b"<!--\n" + uuencoded(b"Bonjour") + b"--></ClinicalDocument>"),
        encoding="uuencode",
    ),
    "a letter as it stands, a line of uuencode before it": lambda: part(
        b"begin 644 a\n" + INNER, 'application/octet-stream; name="a.eml"', encoding="x-uue"
    ),
    "padding within the first four of its base64": lambda: part(lines_of(B64[:1] + b"=" + B64[1:]), encoding=RAW64),
    "padding after two of its base64": lambda: part(lines_of(B64[:2] + b"=" + B64[2:]), encoding=RAW64),
    "padding all through its base64": lambda: part(
        lines_of(b"".join(B64[at : at + 1] + b"=" + B64[at + 1 : at + 4] for at in range(0, len(B64), 4))),
        encoding=RAW64,
    ),
    "padding in each line of its base64": lambda: part(
        b"".join(B64[at : at + 1] + b"=" + B64[at + 1 : at + 72] + b"\n" for at in range(0, len(B64), 72)),
        encoding=RAW64,
    ),
    "uuencode without a name": lambda: part(uuencoded(CDA).replace(b" cr.xml", b""), encoding="x-uuencode"),
    "uuencode of a long mode": lambda: part(uuencoded(CDA, "0" * 200 + "644"), encoding="x-uuencode"),
    "uuencode of a long mode in a text": lambda: part(
        b"Bonjour,\n" * 300 + uuencoded(CDA, "0" * 200 + "644"), "text/plain", encoding="7bit"
    ),
    "uuencode far behind its word": lambda: part(
        b"Bonjour,\n" * 300 + uuencoded(CDA, " " * 200 + "644"), "text/plain", encoding="7bit"
    ),
    "uuencode with an octet too many": lambda: part(
        re.sub(rb"cr.xml\n(.*)", rb"cr\n\1X", uuencoded(CDA), count=1), encoding="x-uuencode"
    ),
    "uuencode with an octet too many in two lines of a text": lambda: part(
        re.sub(rb"cr.xml\n(.*)\n(.*)", rb"cr\n\1X\n\2X", uuencoded(CDA), count=1), "text/plain", encoding="8bit"
    ),
    "uuencode in octets that others pass over": lambda: part(
        masked(uuencoded(CDA)).replace(b"cr.xml", b"cr"), encoding="x-uuencode"
    ),
    "uuencode in octets that others pass over, in a text": lambda: part(
        b"Bonjour,\n" * 300 + masked(uuencoded(CDA)).replace(b"cr.xml", b"cr"), "text/plain", encoding="8bit"
    ),
    "uuencode with a blank line in it": lambda: part(
        uuencoded(CDA).replace(b"cr.xml\n", b"cr\n\n"), encoding="x-uuencode"
    ),
    **{
        f"uuencode that begins with {begin}": partial(
            part, uuencoded(CDA).replace(b"begin 644 cr.xml", begin), encoding="x-uuencode"
        )
        for begin in (b"begin644 cr", b"begin 644< cr", b"begin 6\xa04 cr", b"begin\xc2\xa0644 cr")
    },
    "a letter by its name that begins like RTF": lambda: part(b"{\\rtf1: x\n" + HIDDEN, EML),
    "a letter by its name that begins like XML": lambda: part(b"<a: x\n" + HIDDEN, EML),
    "a letter by its name that begins like a picture": lambda: part(b"MM\0*: x\n" + HIDDEN, EML),
    "a letter by a name that ends in a dot": lambda: part(INNER, 'application/octet-stream; name="lettre.eml. ."'),
    **{
        f"a letter by its name, {how}": partial(part, INNER, "application/octet-stream", field)
        for how, field in (
            ("in RFC 2231 alone", "Content-Disposition: attachment; filename=\"a.pdf\"; filename*=utf-8''a%2Eeml"),
            ("given twice", 'Content-Disposition: attachment; filename="a.pdf"; filename="a.eml"'),
            ("with spaces and no quotes", "Content-Disposition: attachment; filename=Lettre de sortie.eml"),
            ("with a backslash", 'Content-Disposition: attachment; filename="a.e\\ml"'),
            ("before NUL", "Content-Disposition: attachment; filename*=utf-8''a.eml%00.pdf"),
            ("in a field of its own", "Content-Name: a.eml"),
            ("as of news", "Content-Disposition: attachment; filename=a.nws"),
        )
    },
    "behind a text, by its name in RFC 2231": lambda: part(
        b"Bonjour,\n" + CDA,
        "application/octet-stream",
        "Content-Disposition: attachment; filename=\"a.dat\"; filename*=utf-8''cr%2Exml",
    ),
    "a document said to be a letter": lambda: part(folded(ROOT), 'message/rfc822; name="cr.xml"', encoding="8bit"),
    "UTF-16 said to be a letter": lambda: part(CDA.decode().encode("utf-16"), 'message/rfc822; name="cr.xml"'),
    "UTF-16 behind a long comment": lambda: part(
        codecs.BOM_UTF16_LE + f"<!--{'x' * 70_000}-->{ROOT.decode()}".encode("utf-16-le"), "text/xml"
    ),
    "UTF-7 behind a long comment": lambda: part(
        b'<?xml version="1.0" encoding="UTF-7"?><!--'
        + b"x" * 70_000
        + b"-->"
        + ROOT.replace(b"Clinical", b"+AEM-linical"),
        "text/xml",
    ),
    "UTF-7 told only beside well-formed XML": lambda: part(
        b"<r>" + ROOT.replace(b"<ClinicalDocument", b"+ADw-ClinicalDocument").replace(b"</Cl", b"+ADw-/Cl") + b"</r>",
        'text/xml; charset="UTF-7"',
    ),
    "an escape told only beside the XML": lambda: part(
        ROOT.replace(b"<Clinical", b"<r/><Clin\x1b(Bical"), "application/xml; charset=ISO-2022-JP"
    ),
    "a comment that begins only for who heeds an equals sign behind another": lambda: part(
        b"<r>=g=3C!-- " + quopri.encodestring(ROOT) + b" --></r>\n", "text/plain", encoding=QP
    ),
    "an octet cut by a soft line break": lambda: part(
        quopri.encodestring(CDA).replace(b"ClinicalDocument", b"ClinicalD==\n6Fcument"), encoding=QP
    ),
    "uuencode behind a line end that some overlook": lambda: part(
        b"Bonjour,\n" * 300 + b"==0A" + quopri.encodestring(uuencoded(CDA)), "text/plain", encoding=QP
    ),
    "soft line breaks with white space": lambda: part(
        quopri.encodestring(CDA).replace(b"<ClinicalDocument", b"<Clini= \ncalDocument"), "text/xml", encoding=QP
    ),
    "a zip with backslashes": lambda: part(
        zipped({f"IHE_XDM\\SUBSET01\\{name}": CDA for name in ("METADATA.XML", "DOC00001.XML")}), "application/zip"
    ),
    "a zip with its layout in the middle": lambda: part(far_behind(), "application/zip"),
    "a zip behind other octets, its name in an encoded word": lambda: part(
        b"junk" + XDM,
        "application/octet-stream",
        'Content-Disposition: attachment; filename="=?utf-8?Q?IHE=5FXDM=2Ezip?="',
    ),
    "a zip behind other octets, of two names": lambda: part(
        b"junk" + XDM,
        'application/octet-stream; name="IHE_XDM.zip"',
        'Content-Disposition: attachment; filename="a.dat"',
    ),
    "a zip behind other octets, its field damaged": lambda: part(
        b"junk" + XDM, "application/octet-stream", 'Content-Disposition: attachment filename="IHE_XDM.zip"'
    ),
    "among the junk of a Mac": lambda: part(with_more("__MACOSX/DOC.XML", CDA), "application/zip"),
    "among the copies of an editor": lambda: part(with_more("A.XML~", CDA), "application/zip"),
    "a letter in the archive": lambda: part(with_more("IHE_XDM/SUBSET01/ANNEXE.EML", INNER), "application/zip"),
    "signed in the archive": lambda: part(with_more("IHE_XDM/SUBSET01/CDA.XML.P7M", signed(CDA)), "application/zip"),
    "a signed letter in the archive": lambda: part(
        with_more("IHE_XDM/SUBSET01/ANNEXE.BIN", signed(INNER)), "application/zip"
    ),
    "an archive in the archive": lambda: part(with_more("MORE.ZIP", XDM), "application/zip"),
    **{
        f"an INS under {what}": lambda root=root: part(
            CDA.replace(b'"1.2.250.1.213.1.4.8"', f'"{root}"'.encode()), "text/xml"
        )
        for what, root in (
            ("a URN", "urn:oid:1.2.250.1.213.1.4.8"),
            ("half a URN", "OID:1.2.250.1.213.1.4.8"),
            ("an OID behind what nobody sees", "\u200b1.2.250.1.213.1.4.8"),
        )
    },
    **{
        f"another patient's role {where}": lambda old=old, new=new: part(with_their_role(old, new), "text/xml")
        for where, old, new in (
            ("before the patient", "<recordTarget", "{}<recordTarget"),
            ("in another element", "<recordTarget", "<x>{}</x><recordTarget"),
            ("in the patient's", "<patient>", "{}<patient>"),
            ("beside the patient's, in another element", "<patientRole", "<x>{}</x><patientRole"),
        )
    },
    "a document in the document": lambda: part(OWN.replace(b"</ClinicalDocument>", ROOT + b"</ClinicalDocument>")),
    "a document in base64 in the document": lambda: part(
        re.sub(rb">[A-Za-z0-9+/=\\s]{99,}<", lambda _: b">" + base64.b64encode(CDA) + b"<", OWN).replace(
            b'"application/pdf"', b'"text/xml"'
        )
    ),
    "UTF-16 behind its blanks, its charset told outside": lambda: part(
        ("\r\n\r\n" + ROOT.decode()).encode("utf-16-le"), "text/plain; charset=utf-16le"
    ),
    "only blanks of UTF-16 at its beginning": lambda: part(
        ("\r\n" * 2_000 + ROOT.decode()).encode("utf-16-be"), "application/octet-stream; charset=utf-16be"
    ),
    "EBCDIC, its charset told outside": lambda: part(ROOT.decode().encode("cp037"), "text/plain; charset=IBM037"),
    "EBCDIC behind a comment": lambda: part(
        f" <!--{'x' * 2_000}-->{ROOT.decode()}".encode("cp1140"), "text/plain; charset=IBM01140"
    ),
    "EBCDIC behind many blanks": lambda: part((" " * 2_000 + ROOT.decode()).encode("cp037"), "image/gif"),
    "below another root": lambda: part(b"<r>" + b" " * 2_000 + ROOT + b"</r>", "text/plain"),
    "below a root like a page's, in a text": lambda: part(b"<a>" + b" " * 2_000 + ROOT + b"</a>", "text/plain"),
    "ISO-2022-JP with a shift within the name": lambda: part(
        b'<?xml version="1.0" encoding="ISO-2022-JP"?>' + ROOT.replace(b"Clinical", b"Clin\x1b(Bical"), "text/xml"
    ),
    **{
        f"an entity of {root}": partial(part, by_entity(root).encode(), kind)
        for root, kind in (
            ("x", "text/xml"),
            ("svg", "image/svg+xml"),
            ("html", "text/html"),
            ("xsl:stylesheet", "application/xml"),
        )
    },
    "an entity in a text without a name": lambda: part(by_entity().encode(), "text/plain"),
    "an entity that begins with a number for its <": lambda: part(
        by_entity().replace("'<Clinic&#97;l", "'&#x03C;Clinic&#97;l").encode(), "text/xml"
    ),
    "an entity of a parameter": lambda: part(
        by_entity(declared="<!ENTITY % p '<!ENTITY e \"x\">'>%p;").encode(), "text/xml"
    ),
    "an entity behind a long comment": lambda: part(by_entity(before=f"<!--{'x' * 70_000}-->").encode(), "text/xml"),
    "an entity in UTF-16": lambda: part(by_entity().encode("utf-16"), "text/xml"),
    "an entity in UTF-16 behind a long comment": lambda: part(
        by_entity(before=f"<!--{'x' * 70_000}-->").encode("utf-16"), "application/octet-stream"
    ),
    "an entity in UTF-32": lambda: part(by_entity().encode("utf-32"), "text/xml"),
    "an entity in EBCDIC, its charset told outside": lambda: part(
        by_entity().encode("cp500"), "text/plain; charset=IBM500"
    ),
    "AppleSingle": lambda: part(in_a_mac_file(), 'application/applefile; name="cr.xml"'),
    "AppleSingle in 8bit": lambda: part(in_a_mac_file(), "application/octet-stream", encoding="8bit"),
    "AppleDouble that has all of it": lambda: part(in_a_mac_file(b"\0\5\x16\7"), "application/applefile"),
    "AppleSingle in uuencode": lambda: part(uuencoded(in_a_mac_file()), "text/plain", encoding="x-uuencode"),
    "BinHex by its type, in base64": lambda: part(b"(" + BINHEX, "application/mac-binhex40"),
    "BinHex by its type, its line left out": lambda: part(b":#", "application/mac-binhex40", encoding="7bit"),
    "BinHex by its type, in uuencode": lambda: part(
        uuencoded(BINHEX), "application/mac-binhex40", encoding="x-uuencode"
    ),
    "BinHex by its encoding": lambda: part(b":#", 'text/xml; name="cr.xml"', encoding="mac-binhex40"),
    "BinHex in base64": lambda: part(BINHEX, "application/octet-stream"),
    "BinHex far behind, by its name": lambda: part(
        b"x" * 2_000 + b"\n" + BINHEX, 'application/octet-stream; name="a.hqx"'
    ),
    "MacBinary": lambda: part(bytes(128) + CDA, "application/x-macbinary"),
    **{
        f"a letter in a file called {name}": partial(part, before + INNER, f'application/octet-stream; name="a.{name}"')
        for name, before in (
            ("mht", b""),
            ("MHTML", b""),
            ("emlx", b"%d\n" % len(INNER)),
            ("mbox", MBOX),
            ("eml", b"%d\n" % len(INNER)),
        )
    },
    "a page with its pictures, by its type": lambda: part(INNER, "application/x-mimearchive"),
    "the second letter of a mailbox": lambda: part(
        MBOX + b"Subject: a\n\nBonjour,\n\n" + MBOX + INNER, "application/mbox"
    ),
    "a letter that a line of a mailbox is within": lambda: part(
        MBOX + INNER.replace(b"--inner\nContent-Type: text/xml", MBOX + b"--inner\nContent-Type: text/xml"),
        'application/octet-stream; name="a.mbox"',
    ),
    "the second letter of a mailbox in the archive": lambda: part(
        with_more("IHE_XDM/SUBSET01/ANNEXE.MBOX", MBOX + b"Subject: a\n\nBonjour,\n\n" + MBOX + INNER),
        "application/zip",
    ),
    "a message of Outlook": lambda: part(OUTLOOK + CDA, "application/vnd.ms-outlook"),
    "a message of Outlook with it as text": lambda: part(OUTLOOK + CDA.decode().encode("utf-16-le"), NAME),
    "a message of Outlook with an archive": lambda: part(OUTLOOK + XDM + bytes(70_000), "application/octet-stream"),
    "in an appointment": lambda: part(CALENDAR % folded_base64(), "text/calendar", encoding="7bit"),
    "in an appointment in base64": lambda: part(CALENDAR % folded_base64(), "text/calendar; method=REQUEST"),
    "in an appointment by its name": lambda: part(
        CALENDAR % folded_base64(), 'application/octet-stream; name="invite.ics"'
    ),
    "in an appointment by another type": lambda: part(CALENDAR % folded_base64(), "application/ics"),
    "in a page by its name": lambda: part(
        b"Bonjour\n" * 300 + LINK + B64 + b'">x</a>', 'application/octet-stream; name="page.html"'
    ),
    "in a card": lambda: part(b"BEGIN:VCARD\nATTACH:" + folded_base64() + b"\nEND:VCARD\n", "text/vcard"),
    "in a page": lambda: part(b'<html><a href="data:text/xml;base64,' + B64 + b'">x</a></html>', "text/html"),
    "in a page that is shown": lambda: part(
        b"<html>" + b"<p>Bonjour</p>\n" * 300 + b'<a href="data:;base64,' + B64 + b'">x</a></html>',
        "text/html",
        encoding="8bit",
    ),
    **{
        f"in a page that begins as HL7 v2, {what}": partial(part, HL7 + before + B64, kind)
        for what, before, kind in (
            ("by its type", LINK, "text/html"),
            ("by its name", LINK, 'text/plain; name="a.html"'),
            ("without its tags", b"", "text/html; charset=utf-7"),
        )
    },
    **{
        f"in a page in percents, {what}": partial(
            part, b'<html><a href="data:text/xml,' + text + b'">x</a></html>', kind
        )
        for what, text, kind in (
            ("as JavaScript writes it", PERCENTS, "text/html"),
            ("in small letters", PERCENTS.replace(b"%3C", b"%3c"), 'application/octet-stream; name="a.htm"'),
            ("with a prefix", quote(prefixed(ROOT).decode(), safe=":").encode(), "text/html"),
        )
    },
    **{
        f"in an archive, {what}": partial(part, with_more(f"IHE_XDM/SUBSET01/{name}", content), "application/zip")
        for what, name, content in (
            ("in a page", "PAGE.HTM", b"<html>" + LINK + B64 + b'">x</a></html>'),
            (
                "in a resource of FHIR",
                "BINARY.XML",
                b'<Binary xmlns="http://hl7.org/fhir"><a v="' + B64 + b'"/></Binary>',
            ),
            ("in a message of Outlook", "ANNEXE.MSG", OUTLOOK + CDA),
            ("behind a hard space", "ANNEXE.CDA", b"\xc2\xa0" + CDA),
        )
    },
    "in its index": lambda: part(with_more("INDEX.HTM", b"<html>" + LINK + B64 + b'">x</a></html>'), "application/zip"),
    "in an appointment that begins as HL7 v2": lambda: part(HL7 + CALENDAR % folded_base64(), "text/calendar"),
    "in an appointment that begins so by its name": lambda: part(
        HL7 + CALENDAR % folded_base64(), 'text/plain; name="a.ics"'
    ),
    "in a text with HL7 v2 in it": lambda: part(b"Bonjour,\n" + HL7 + B64, "text/plain"),
    "in base64 in a resource of FHIR": lambda: part(
        b'<Binary xmlns="http://hl7.org/fhir"><data value="' + B64 + b'"/></Binary>', "application/fhir+xml"
    ),
    "in base64 in other XML, without a type": lambda: part(b"<a><b/>" + lines_of(B64) + b"</a>"),
    **{
        f"behind {what}": partial(part, before + CDA, 'text/xml; name="cr.xml"')
        for what, before in (
            ("two byte order marks", codecs.BOM_UTF8 * 2),
            ("a hard space", b"\xc2\xa0"),
            ("NUL", b"\0\0"),
            ("a text", b"Bonjour,\n"),
            ("what begins a PDF", b"%PDF-\n"),
        )
    },
    "behind a text, in an archive by its type": lambda: part(b"Bonjour,\n" + CDA, "application/zip"),
    "behind a text, by its name": lambda: part(b"Bonjour,\n" + ROOT, "application/octet-stream", NAME),
    "an entity behind two byte order marks": lambda: part(codecs.BOM_UTF8 * 2 + by_entity().encode(), "text/xml"),
    "a sheet that says not where": lambda: part(SHEET % ROOT, "text/xml"),
    "a sheet with two, one in its place": lambda: part(
        SHEET
        % (CONTENT % OWN[OWN.index(b"<ClinicalDocument") :] + b'<xsl:variable name="a">' + ROOT + b"</xsl:variable>")
    ),
}

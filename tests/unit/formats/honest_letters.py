"""What programs honestly write, and what only looks like a disguise: a name for each, and the part."""

import base64
import codecs
from collections.abc import Callable
from functools import partial

from tests.unit.formats.disguising import (
    B64,
    CALENDAR,
    MBOX,
    MDM,
    OUTLOOK,
    QP,
    SHEET,
    in_a_mac_file,
    part,
)

DTD = '<!DOCTYPE {} PUBLIC "-//W3C//DTD {} 1.1//EN" "http://www.w3.org/a.dtd"{}>'
NBSP = ' [<!ENTITY nbsp "&#160;"> <!ENTITY copy "&#169;">]'
ADOBE = '<!ENTITY ns_svg "http://www.w3.org/2000/svg?a&amp;b">'
HONEST: dict[str, Callable[[], bytes]] = {
    "XHTML": lambda: part(f"{DTD.format('html', 'XHTML', '')}<html>&nbsp;</html>".encode(), "application/xhtml+xml"),
    "a page with entities of its own": lambda: part(
        f"{DTD.format('html', 'XHTML', NBSP)}<html>&nbsp;</html>".encode(), "text/html"
    ),
    "SVG": lambda: part(f"{DTD.format('svg', 'SVG', '')}<svg/>".encode(), "image/svg+xml"),
    "SVG as Illustrator writes it": lambda: part(
        f"{DTD.format('svg', 'SVG', f'[{ADOBE}]')}<svg xmlns='&ns_svg;'/>".encode(), "image/svg+xml"
    ),
    "a sheet with entities of its own": lambda: part(
        f'<!DOCTYPE xsl:stylesheet{NBSP}><xsl:stylesheet xmlns:xsl="u">&nbsp;</xsl:stylesheet>'.encode(), "text/xml"
    ),
    "a sheet that shows documents": lambda: part(
        SHEET % b'<xsl:template match="/cda:ClinicalDocument">x</xsl:template>', 'text/xml; name="cda.xsl"'
    ),
    "what Word wrote until 2007": lambda: part(OUTLOOK + b"Un document ClinicalDocument" * 20, "application/msword"),
    "a saved page": lambda: part(
        b"Content-Type: multipart/related; boundary=p\n\n--p\nContent-Type: text/html\n\n<html></html>\n"
        b"--p\nContent-Type: text/xml\n\n<xml/>\n--p--\n",
        'application/x-mimearchive; name="page.mht"',
    ),
    "a mailbox": lambda: part((MBOX + b"Subject: a\n\nBonjour,\nFrom here\n\n") * 3, "application/mbox"),
    "a letter of Apple's": lambda: part(b"35\nSubject: a\n\nBonjour,\n<plist/>\n", 'text/plain; name="1.emlx"'),
    **{
        f"HL7 v2 with a document for the program that reads it, {what}": partial(part, before + MDM % B64, kind)
        for what, before, kind in (
            ("as a text", b"", 'text/plain; name="MDM_1.txt"'),
            ("by its type", b"", "text/x-hl7-ft"),
            ("as it is sent by MLLP", b"\x0b", "text/plain"),
            ("in a batch", b"FHS|^~\\&|LABO\rBHS|^~\\&|LABO\r", "text/plain; charset=iso-8859-1"),
            ("with a byte order mark", codecs.BOM_UTF8, "text/plain"),
        )
    },
    "an appointment": lambda: part(CALENDAR % b"aHR0cDovL2EuYg==", "text/calendar; method=REQUEST"),
    "a page whose software encodes no equals sign": lambda: part(
        b"<html><a href=a?b=c&d==e=f>x</a>= =</html>\n", "text/html", encoding=QP
    ),
    "a page with a picture": lambda: part(
        b'<html><img src="data:image/png;base64,' + base64.b64encode(bytes(9_999)) + b'"></html>', "text/html"
    ),
    "a property list": lambda: part(f"{DTD.format('plist', 'PLIST', '')}<plist/>".encode(), "text/xml"),
    "a report that repeats our own words": lambda: part(
        b"Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; b@c.example\nStatus: 5.6.0\n"
        b"Diagnostic-Code: smtp; 554 5.6.0 Document refuse (CDA-PAT-001 /ClinicalDocument/recordTarget)\n",
        "message/delivery-status",
        encoding="7bit",
    ),
    "a type that names a boundary": lambda: part(
        b"--p\nContent-Type: text/plain\n\nBonjour\n--p--\n", 'text/plain; boundary="p"', encoding="7bit"
    ),
    "a report that Outlook forwards": lambda: part(
        b"IHE_XDM.zip n'est pas parti.\n\n-----Message d'origine-----\nDe : Serveur de messagerie\n-- \nDr A\n",
        'text/plain;\n\treport-type=delivery-status;\n\tboundary="ED106133145.1209879010/mx.example"',
        encoding="7bit",
    ),
    "lines that begin like files": lambda: part(
        b"begin 2 weeks after the first dose.\nTake the pill every day at noon, and drink a lot of water with it.\n"
        * 40,
        "text/plain",
        encoding="7bit",
    ),
    "AppleDouble": lambda: (
        b"Content-Type: multipart/appledouble; boundary=ad\n\n--ad\n"
        + part(in_a_mac_file(b"\0\5\x16\7", 9), "application/applefile")
        + b"--ad\n"
        + part(b"%PDF-1.4\n%%EOF", "application/pdf")
        + b"--ad--\n"
    ),
}

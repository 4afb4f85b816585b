"""From a letter's header and the parts that were kept to its MessageHead: what policy may look at."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mssgw.core.addresses import Address
from mssgw.core.errors import MalformedAddress
from mssgw.core.message import CODE, PRODUCT, Content, Fin, Mdn, MessageHead, MssFields, Notice, Unreadable
from mssgw.formats.beginnings import Beginnings
from mssgw.formats.headers import Header, cited_ids, message_id, without_comments
from mssgw.formats.mailboxes import MAX_ADDRESSES, Addresses, Allowance, read_addresses
from mssgw.formats.mdn import read_mdn
from mssgw.formats.notices import notice_in
from mssgw.formats.parameters import Parameters
from mssgw.formats.parts import FirstParts, kind_of
from mssgw.formats.received import own_hop
from mssgw.formats.subjects import fin_of
from mssgw.formats.words import bare, decoded, text_of

MDN_PART = "message/disposition-notification"
DSN_PART = "message/delivery-status"
# RFC 6533 names them anew where addresses are not ASCII.
_MACHINE_PARTS = {
    Content.MDN: (MDN_PART, "message/global-disposition-notification"),
    Content.DSN: (DSN_PART, "message/global-delivery-status"),
}
KEPT = (*_MACHINE_PARTS[Content.MDN], *_MACHINE_PARTS[Content.DSN], "text/plain", "text/html")  # what compose() reads

MAX_SUBJECT = 2_000  # characters: a subject is compared, by hash, with that of an earlier letter (NDR-7)
MAX_PERSON = 256
MAX_CODES = 50
THREAD_ENDS = 100  # Message-IDs: the first and the last so many of a long thread are looked up

# Postfix (smtpd_sasl_authenticated_header) puts this on a line of its own, where a client's HELO cannot reach.
_AUTHENTICATED = re.compile(rb"\r\n[ \t]+\(Authenticated sender: ([^\r\n()]+)\)(?=\r\n)")
# SD-7 names To and Cc. A Bcc that was left standing, and where a letter was sent on to, show a patient just as well.
_NAMING_RECIPIENTS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_MATRICULE_AT = re.compile(
    r"(?<![0-9A-Za-z])[0-9]{5}(?:[0-9]{2}|2[ABab])[0-9]{8}\s{0,9}@\s{0,9}[A-Za-z0-9-]{1,63}"
    r"(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_REPORTS = {"disposition-notification": Content.MDN, "delivery-status": Content.DSN}
_REPORTED = re.compile(rb"^(?:reporting-(?:mta|ua)|final-recipient|disposition)[ \t]{0,50}:", re.I | re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """What reading depends on: our own ``hostname`` (loops; ``collected``: see own_hop), and where this client names
    the person (SD-6)."""

    hostname: str = ""
    collected: bool = False
    person_header: str | None = None
    person_received: bool = False


def compose(
    header: Header,
    troubles: tuple[Unreadable, ...],
    kept: FirstParts,
    options: HeadOptions,
    *,
    beginnings: Beginnings,
) -> MessageHead:
    """Fill a MessageHead. Never raises; ``troubles`` are the scanner's, more may be added."""
    allowance = Allowance()
    from_ = _addresses(header, allowance, "from")
    to_cc = _to_cc(header, allowance)
    reply_to, receipt_to = (_addresses(header, allowance, name) for name in ("reply-to", "disposition-notification-to"))
    signed = _addresses(header, allowance, "sender", "resent-from", "resent-sender")
    subject, thread = decoded(header.first("subject")), _cited(header)
    content = _content(kind_of(header), kept)
    may_hold_documents, carried = beginnings.look()
    return MessageHead(
        message_id=message_id(header.first("message-id")),
        from_fields=len(header.all("from")),
        from_=from_.found,
        reply_to=reply_to.found,
        also_signed=signed.found,
        to_cc=to_cc.found,
        subject=subject[:MAX_SUBJECT],
        subject_fin=_fin(header, subject),
        mss_fin=header.first("x-mss-mes") == "FIN",  # req: FIN-2
        thread=_ends(thread),
        thread_cut=len(thread) > 2 * THREAD_ENDS,
        auto_submitted=_auto_submitted(header),
        content=content,
        receipt_to=receipt_to.found,
        return_receipt_to=bool(header.first("return-receipt-to")),
        received=len(header.all("received")),
        own_hop=_own_hop(header, options),
        person=_person(header, options),
        mdn=_mdn(content, kept),
        notice=_notice(kept),
        unreadable=(unreadable := tuple(dict.fromkeys((*troubles, *_doubts(from_, to_cc, allowance))))),
        may_hold_documents=may_hold_documents,
        carried=carried,
        mss=_mss(header),
        malformed=_malformed(header, troubles) if Unreadable.MALFORMED_HEADER in unreadable else "",
    )


def _own_hop(header: Header, options: HeadOptions) -> bool:
    return bool(options.hostname) and own_hop(header.texts("received"), options.hostname, collected=options.collected)


def _malformed(header: Header, troubles: tuple[Unreadable, ...]) -> str:
    """Which kind of MALFORMED_HEADER: of the letter's own header, of a part's, or its From."""
    if Unreadable.MALFORMED_HEADER not in troubles:
        return "unreadable-from"
    return header.malformed or "in-a-part"


def _addresses(header: Header, allowance: Allowance, *names: str) -> Addresses:
    """All addresses of these fields."""
    lists = [read_addresses(text, allowance) for name in names for text in header.texts(name)]
    if not lists:
        return Addresses()
    return Addresses(
        tuple(dict.fromkeys(address for each in lists for address in each.found)),
        sum(each.malformed for each in lists),
        all(each.complete for each in lists),
    )


def _to_cc(header: Header, allowance: Allowance) -> Addresses:
    """The addresses of To, Cc and their like, and those that may be meant in what cannot be read."""
    read = _addresses(header, allowance, *_NAMING_RECIPIENTS)
    if not read.malformed:
        return read
    more = tuple(islice(_disguised(header), MAX_ADDRESSES + 1))
    return Addresses(
        tuple(dict.fromkeys((*read.found, *more))), read.malformed, read.complete and len(more) <= MAX_ADDRESSES
    )


def _disguised(header: Header) -> Iterator[Address]:  # req: SD-7
    """What looks like a patient's address in one of these that cannot be read: another server may have delivered to it.

    A trailing dot, ``mailto:``, straight quotes, an address inside an encoded word or with spaces in it, before another
    one: whether it is a second patient is for policy to say.
    """
    for name in _NAMING_RECIPIENTS:
        for text in header.texts(name):
            for found in _MATRICULE_AT.finditer(decoded(text)):
                with contextlib.suppress(MalformedAddress):
                    yield Address.parse("".join(found[0].split()))


def _doubts(from_: Addresses, to_cc: Addresses, allowance: Allowance) -> list[Unreadable]:
    doubts = []
    if from_.found and from_.malformed:
        doubts.append(Unreadable.MALFORMED_HEADER)  # readers would show different authors
    if not (from_.complete and to_cc.complete) or allowance.spent:
        doubts.append(Unreadable.TOO_MANY_FIELDS)  # a second patient could hide in what we did not read (SD-7)
    return doubts


def _fin(header: Header, subject: str) -> Fin:  # req: SD-2
    """What the decoded subject says; only that may close.

    A [FIN] that shows when its octets are read in another way than they are said to be written is a near miss: in an
    encoded word of a charset that is unknown or wrongly named, or in raw 8-bit octets in the charset of the text.
    """
    said = fin_of(subject)
    first = next(iter(header.all("subject")), None)
    if said is not Fin.NO or first is None:
        return said
    others = [bare(first.text)] if "=?" in first.text else []
    if not first.raw.isascii():
        others.append(text_of(first.raw.replace(b"\r\n", b""), kind_of(header).parameters.get("charset")))
    return Fin.NEAR_MISS if any(fin_of(other) is not Fin.NO for other in others) else Fin.NO


def _cited(header: Header) -> list[str]:
    """What the letter answers: References, then In-Reply-To, which names the latest."""  # req: SD-3, NDR-7
    texts = [text for name in ("references", "in-reply-to") for text in header.texts(name)]
    # Encoded words in it as they stand, and as what they say: programs differ, and so may the letter that it answers.
    ids = [found for text in texts for form in dict.fromkeys((text, decoded(text))) for found in cited_ids(form)]
    return list(reversed(dict.fromkeys(reversed(ids))))  # each at its last place


def _ends(thread: list[str]) -> tuple[str, ...]:
    """Of a thread too long to look up, its beginning and its end: there what matters stands, unless it is hidden."""
    if len(thread) <= 2 * THREAD_ENDS:
        return tuple(thread)
    return (*thread[:THREAD_ENDS], *thread[-THREAD_ENDS:])


def _auto_submitted(header: Header) -> str:
    """The keyword of Auto-Submitted (RFC 3834 section 5), "no" when there is none."""  # req: SD-4
    words = without_comments(header.first("auto-submitted")).replace(";", " ").split()
    return words[0].lower()[:100] if words else "no"


def _content(kind: Parameters, kept: FirstParts) -> Content:
    """Receipt, delivery report or ordinary letter, by its part for machines.  req: SD-4

    What it says of its type is not believed without that part: any letter may say so, to pass where reports do.
    """
    if kind.value != "multipart/report":
        return Content.ORDINARY
    stated = kind.parameters.get("report-type", "").strip().lower()
    may_be = [_REPORTS.get(stated, Content.ORDINARY)] if stated else [Content.MDN, Content.DSN]
    return next((each for each in may_be if _machine_part(each, kept)), Content.ORDINARY)


def _machine_part(of: Content, kept: FirstParts) -> bytes:
    """The fields of a receipt or a delivery report; b"" where there are none."""
    found = (part.content for name in _MACHINE_PARTS.get(of, ()) if (part := kept.get(name)) is not None)
    return next(filter(_REPORTED.search, found), b"")


def _mss(header: Header) -> MssFields:  # req: FMT-9, FMT-10, FMT-11
    ins = header.first("x-mss-ins").strip()
    told = header.first("x-mss-codecda").split(",")[:MAX_CODES]
    return MssFields(
        ins=ins if ins in ("", "O", "N") else "?",
        codes=tuple(filter(CODE.fullmatch, map(str.strip, told))) if header.all("x-mss-codecda") else None,
        product=_product(header.first("x-mss-nil").strip()),
    )


def _product(told: str) -> str:
    return told if not told or PRODUCT.fullmatch(told) else "?"


def _person(header: Header, options: HeadOptions) -> str | None:
    """The natural person behind a shared mailbox, as this client tells it; None when it is not clear."""  # req: SD-6
    names: set[str] = set()
    if options.person_header is not None:
        names = {decoded(text) for text in header.texts(options.person_header.lower())}
    elif options.person_received and (received := header.all("received")):
        top = received[0].raw  # the only one that the trusted server itself wrote
        names = {found.decode("utf-8", "replace") for found in _AUTHENTICATED.findall(top)}
    name = names.pop().strip() if len(names) == 1 else ""
    return name if name and len(name) <= MAX_PERSON and name.isprintable() else None


def _mdn(content: Content, kept: FirstParts) -> Mdn | None:
    return read_mdn(_machine_part(content, kept)) if content is Content.MDN else None


def _notice(kept: FirstParts) -> Notice | None:
    """A notice of Mon espace santé, in the plain text or, without one, in the HTML."""  # req: NDR-7
    plain, html = (kept.get(kind) for kind in ("text/plain", "text/html"))
    text = plain.text if plain is not None else html.text if html is not None else ""
    return notice_in(text, html=plain is None, report=_machine_part(Content.DSN, kept))

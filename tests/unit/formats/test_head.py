"""What policy may look at in a letter."""

import pytest

from mssgw.core.message import Content, Unreadable
from mssgw.formats.mailboxes import MAX_ADDRESSES, MAX_WIDE
from tests.unit.formats.reading import letter, read
from tests.watchdog import watchdog


def keys(addresses) -> list[str]:
    return [address.key for address in addresses]


def test_the_header_fields_are_read():
    head = read(
        letter(
            "Received: from a by b; x",
            "Received: from c by d; x",
            "From: =?utf-8?Q?Dr_H=C3=A9l=C3=A8ne?= <helene@hopital.fr>",
            "Reply-To: secretariat@hopital.fr",
            "Sender: Secretariat <secretaire@hopital.fr>",
            "Resent-From: equipe: a@hopital.fr, b@hopital.fr;",
            "Resent-Sender: helene@hopital.fr",
            "To: 279035121518989@patient.mssante.fr",
            "Cc: b@y.fr, helene@hopital.fr",
            "Subject: =?utf-8?Q?R=C3=A9sultats?=",
            "Message-ID: <1@hopital.fr>",
            "References: <a@x> <b@x>",
            "In-Reply-To: <b@x>",
            "Disposition-Notification-To: helene@hopital.fr",
            "Return-Receipt-To: helene@hopital.fr",
        )
    )
    assert keys(head.from_) == ["helene@hopital.fr"]
    assert head.from_fields == 1
    assert keys(head.reply_to) == ["secretariat@hopital.fr"]
    assert keys(head.also_signed) == [
        "secretaire@hopital.fr",
        "a@hopital.fr",
        "b@hopital.fr",
        "helene@hopital.fr",
    ]
    assert keys(head.to_cc) == ["279035121518989@patient.mssante.fr", "b@y.fr", "helene@hopital.fr"]
    assert head.subject == "Résultats"
    assert head.message_id == "<1@hopital.fr>"
    assert head.thread == ("<a@x>", "<b@x>")
    assert keys(head.receipt_to) == ["helene@hopital.fr"]
    assert head.return_receipt_to
    assert head.received == 2
    assert head.content is Content.ORDINARY
    assert head.unreadable == ()


def test_an_empty_letter_has_a_head_that_says_nothing():
    head = read(b"")
    assert (head.from_fields, head.message_id, head.auto_submitted, head.unreadable) == (0, None, "no", ())


def test_subject_and_person_stay_out_of_the_repr():
    """A log line must not show them."""
    head = read(letter("Subject: canary-subject", "X-User: canary-person"), person_header="X-User")
    assert "canary" not in repr(head)


@pytest.mark.parametrize(
    "disguise",
    [
        "{}.",
        "<{}.>",
        "'{}'",
        "<mailto:{}>",
        "x@y.fr {}",
        "<x@y.fr> {}",
        "{} <x@y.fr>",
        '"never ends {}',
        "(never ends {}",
        "=?utf-8?q?146026322000196=40patient.mssante.fr?=",
        "146026322000196 @ patient.mssante.fr <x@y.fr>",
        "146026322000196\r\n @patient.mssante.fr]",
    ],
)
def test_a_second_patient_in_a_list_that_cannot_be_read_is_seen_all_the_same(disguise):
    """SD-7: the server before us may have read it, and split the envelope."""
    second = "146026322000196@patient.mssante.fr"
    head = read(letter("To: 279035121518989@patient.mssante.fr", f"Cc: {disguise.format(second)}"))
    assert {"279035121518989@patient.mssante.fr", second} <= set(keys(head.to_cc))


def test_in_a_list_that_is_in_order_nobody_is_guessed():
    """A name may quote an address, a local part may end in digits."""
    names = '"146026322000196@patient.mssante.fr" <x@y.fr>, a146026322000196@y.fr'
    assert keys(read(letter(f"To: {names}")).to_cc) == ["x@y.fr", "a146026322000196@y.fr"]


def test_of_a_very_long_thread_the_ends_are_kept_and_it_is_said_to_be_cut():
    """Somewhere between them a closed thread could hide (SD-3)."""
    ids = [f"<{n}@x>" for n in range(1_000)]
    head = read(letter("References: " + " ".join(ids), "In-Reply-To: <answered@x>"))
    assert head.thread == (*ids[:100], *ids[-99:], "<answered@x>")
    assert head.thread_cut
    whole = read(letter("References: " + " ".join(ids[:200])))
    assert (whole.thread, whole.thread_cut) == (tuple(ids[:200]), False)


@pytest.mark.parametrize(
    "field",
    [
        "In-Reply-To: a@x",
        "References: a@x b@x",
        "References: =?us-ascii?Q?=3Ca=40x=3E?=",  # programs that encode whatever is long
        "In-Reply-To: <a@x",
    ],
)
def test_a_reply_is_known_without_angle_brackets(field):
    assert "<a@x>" in read(letter(field)).thread


def test_an_encoded_word_in_an_identifier_counts_as_it_stands_and_as_what_it_says():
    """SD-3: a reply that cites it verbatim came through after the pharmacy had closed."""
    assert set(read(letter("In-Reply-To: <=?utf-8?q?w1?=@x>")).thread) == {"<=?utf-8?q?w1?=@x>", "<w1@x>"}


@pytest.mark.parametrize("name", ["From", "Cc", "Reply-To", "Disposition-Notification-To", "Sender"])
def test_address_fields_are_limited_together(name):
    """The price of one letter: seconds, when each field could have it alone."""
    few = [f"{name}: a@hôpital{n}.fr" for n in range(MAX_WIDE)]
    assert Unreadable.TOO_MANY_FIELDS not in read(letter("To: b@x.fr", *few)).unreadable
    assert Unreadable.TOO_MANY_FIELDS in read(letter("To: b@hôpital.fr", *few)).unreadable
    with watchdog("reading addresses", 5.0):
        assert Unreadable.TOO_MANY_FIELDS in read(letter(*[f"{name}: {'x, ' * 80}" for _ in range(900)])).unreadable


def test_patients_that_hide_in_what_cannot_be_read_are_limited():
    """Thousands of them would be looked at by every rule."""
    hidden = "(never ends " + " ".join(f"{n:05}5121518989@p.fr" for n in range(9_000))
    head = read(letter(f"To: {hidden}"))
    assert Unreadable.TOO_MANY_FIELDS in head.unreadable
    assert len(head.to_cc) <= MAX_ADDRESSES + 1


def test_several_from_fields_are_counted_not_judged():
    """Policy refuses them (SD-5)."""
    head = read(letter("From: a@x.fr", "From: b@y.fr"))
    assert (head.from_fields, keys(head.from_), head.unreadable) == (2, ["a@x.fr", "b@y.fr"], ())


def test_a_from_field_that_shows_two_authors_is_ambiguous():
    assert read(letter("From: chef@y.fr <a@x.fr>")).unreadable == (Unreadable.MALFORMED_HEADER,)


def test_a_list_too_long_to_read_is_told():
    """A second patient could hide behind its end (SD-7)."""
    everybody = ", ".join(f"a{n}@x.fr" for n in range(1_001))
    assert read(letter(f"Cc: {everybody}")).unreadable == (Unreadable.TOO_MANY_FIELDS,)


@pytest.mark.parametrize(
    ("value", "keyword"),
    [
        ("auto-replied", "auto-replied"),
        ("Auto-Generated; owner-email=x", "auto-generated"),
        ("(comment) auto-notified(c);x", "auto-notified"),
        ("No", "no"),
        ("", "no"),
    ],
)
def test_auto_submitted_is_its_keyword(value, keyword):
    assert read(letter(f"Auto-Submitted: {value}")).auto_submitted == keyword


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/report; report-type=disposition-notification", Content.MDN),
        ("MULTIPART/REPORT; Report-Type=Disposition-Notification", Content.MDN),
        ("multipart/report; report-type=delivery-status", Content.DSN),
        ("multipart/report", Content.MDN),
        ("multipart/report; report-type=feedback-report", Content.ORDINARY),
        ("multipart/mixed; report-type=delivery-status", Content.ORDINARY),
    ],
)
def test_reports_are_known_by_their_content_type_and_their_part(kind, content):
    """SD-4: any letter may say that it is a report."""
    assert read(report(kind, MDN_FIELDS, DSN_FIELDS)).content is content
    assert read(report(kind)).content is Content.ORDINARY


MDN_FIELDS = "Content-Type: message/disposition-notification\r\n\r\nDisposition: a/b; displayed"
DSN_FIELDS = "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed"
STATUS = "multipart/report; report-type=delivery-status"


def report(kind, *parts):
    body = "".join(f"--b\r\n{each}\r\n" for each in ("\r\nBonjour", *parts))
    return letter(f"Content-Type: {kind}; boundary=b", body=f"{body}--b--\r\n".encode())


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (DSN_FIELDS, Content.DSN),
        (DSN_FIELDS.replace("delivery", "global-delivery"), Content.DSN),  # RFC 6533
        ("Content-Disposition: attachment; filename=details.txt\r\n" + DSN_FIELDS, Content.DSN),
        (MDN_FIELDS, Content.ORDINARY),
        ("Content-Type: message/delivery-status\r\n\r\n", Content.ORDINARY),
        ("Content-Type: message/delivery-status\r\n\r\nDocteur, rappelez-moi", Content.ORDINARY),
    ],
)
def test_a_report_without_the_fields_for_machines_is_an_ordinary_letter(part, content):
    """SD-4."""
    assert read(report(STATUS, part)).content is content


def test_a_report_that_does_not_say_its_type_is_known_by_its_parts():
    assert read(report("multipart/report", DSN_FIELDS)).content is Content.DSN


def test_a_letter_that_was_here_before_is_known():
    ours = "Received: from a (b [192.0.2.1])\r\n\tby GW.hopital.fr with ESMTPS id 1;\r\n\tx"
    assert read(letter(ours), hostname="gw.hopital.fr").own_hop
    assert not read(letter(ours), hostname="gw2.hopital.fr").own_hop
    assert not read(letter(ours)).own_hop
    assert not read(letter("Received: from gw.hopital.fr by x; y"), hostname="gw.hopital.fr").own_hop


POSTFIX = (
    "Received: from dpi (dpi [192.0.2.1])\r\n\t(using TLSv1.3)\r\n"
    "\t(Authenticated sender: nurse.a)\r\n\tby mx.hopital.fr (Postfix) with ESMTPSA id 4X;\r\n\tx"
)


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ([POSTFIX], "nurse.a"),
        (["Received: from x by y; z", POSTFIX], None),  # only the top one was written by the trusted server
        ([POSTFIX.replace("from dpi", "from dpi (Authenticated sender: chef)")], "nurse.a"),  # a client's HELO
        (["Received: from x (Authenticated sender: chef) by y; z"], None),
        ([POSTFIX.replace("nurse.a", "a)\r\n\t(Authenticated sender: b")], None),
        ([], None),
    ],
)
def test_the_person_is_taken_from_the_top_received_of_postfix(fields, person):
    """SD-6."""
    assert read(letter(*fields), person_received=True).person == person
    assert read(letter(*fields)).person is None


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        (["X-User: nurse.a"], "nurse.a"),
        (["x-user: =?utf-8?Q?Zo=C3=A9?="], "Zoé"),
        (["X-User: nurse.a", "X-User: nurse.a"], "nurse.a"),
        (["X-User: nurse.a", "X-User: chef"], None),
        (["X-User:"], None),
        (["X-User: =?utf-8?Q?a=0Ab?="], None),
        (["X-User: " + "x" * 300], None),
    ],
)
def test_the_person_is_taken_from_the_named_header_when_it_is_clear(fields, person):
    """SD-6: otherwise the journal says that the person is unknown."""
    assert read(letter(*fields), person_header="X-User").person == person

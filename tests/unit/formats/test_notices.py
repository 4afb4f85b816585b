"""Mon espace santé's notices, in all the spellings that the sources print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.message import AccountState, Notice
from mssgw.formats.notices import notice_in
from tests.unit.formats.reading import letter, multipart, read
from tests.watchdog import watchdog

PATIENT = "279035121518989@patient.mssante.fr"
HEAD = f"Le message que vous avez envoyé à l'adresse \"{PATIENT}\" n'a pas pu être distribué, car "
ENDINGS = {
    "cette adresse Mon espace santé n'existe pas.": AccountState.NOT_CREATED,
    "la messagerie Mon espace santé de votre destinataire est clôturée.": AccountState.CLOSED,
    "cette adresse Mon espace santé est invalide.": AccountState.BAD_ADDRESS,
}
S2 = (
    "Le message que vous avez envoyé à l’adresse renseignée n’a pas pu être distribué car cette adresse "
    "Mon\u00a0espace\u00a0sante n’existe pas. Merci de ne pas répondre à ce message."
)


@pytest.mark.parametrize(("ending", "state"), ENDINGS.items())
@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text,
        lambda text: text.replace("'", "’"),
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace(" ", "\u202f"),
        lambda text: text.replace(",", ""),
        lambda text: text.replace("santé", "sante"),
        lambda text: text.upper(),
        lambda text: text.replace("é", "e\u0301").replace("ô", "o\u0302").replace("ê", "e\u0302"),
        lambda text: text.replace(" ", "\r\n"),
        lambda text: text.replace('"', "« ", 1).replace('"', " »"),
        lambda text: text.replace('"', "“", 1).replace('"', "”"),
        lambda text: text.replace('"', ""),
        lambda text: "Bonjour,\r\n\r\n" + text + "\r\nMerci de ne pas répondre à ce message.",
    ],
)
def test_each_notice_is_known_in_every_spelling(spelling, ending, state):
    """NDR-2 to NDR-5."""
    notice = notice_in(spelling(HEAD + ending))
    assert notice is not None
    assert notice.account is state
    assert notice.about is not None
    assert notice.about.key == PATIENT


def test_the_variant_without_address_is_known():
    """NDR-5."""
    assert notice_in(S2) == Notice(account=AccountState.NOT_CREATED)


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252"])
def test_a_notice_is_known_in_a_letter(charset):
    body = S2.encode(charset)
    head = read(letter(f"Content-Type: text/plain; charset={charset}", body=body))
    assert head.notice == Notice(account=AccountState.NOT_CREATED)


def test_soft_line_breaks_are_undone():
    import binascii

    body = binascii.b2a_qp((HEAD + next(iter(ENDINGS))).encode())
    head = read(
        letter("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", body=body)
    )
    assert head.notice is not None


def test_a_notice_in_html_only_is_known():
    html = "<html><body><p>" + HEAD.replace("'", "&#39;").replace('"', "&quot;").replace("é", "&eacute;")
    html += "cette adresse <b>Mon espace sant&eacute;</b> n&rsquo;existe pas.</p>"
    head = read(letter("Content-Type: text/html; charset=utf-8", body=html.encode()))
    assert head.notice is not None
    assert head.notice.about is not None


def test_the_delivery_status_tells_the_address_when_the_text_does_not():
    """NDR-7."""
    status = (
        f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; {PATIENT}"
    )
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + S2.encode()
    head = read(multipart("b", text, status.encode(), kind="report; report-type=delivery-status"))
    assert head.notice is not None
    assert head.notice.about is not None
    assert head.notice.about.key == PATIENT


def test_a_delivery_status_about_many_names_nobody():
    """Thousands of domains that are not ASCII would take seconds."""
    many = "\r\n\r\n".join(
        f"Final-Recipient: rfc822; a@{'é' * 50}.{'ñ' * 50}.{'à' * 50}.{'ü' * 40}{n}.fr" for n in range(900)
    )
    with watchdog("reading recipients", 0.5):
        assert notice_in(S2, report=many.encode()) == Notice(account=AccountState.NOT_CREATED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Cette adresse Mon espace santé n'existe pas.",
        "Mon message n'a pas pu être distribué, car cette adresse Mon espace santé est invalide.",
        HEAD,
        HEAD + "la boîte est pleine.",
        HEAD + "cette adresse Mon espace santé n'existe pas encore selon vous ?",
        "> " + HEAD + next(iter(ENDINGS)),
        "On m'écrit : « " + HEAD.replace('"', "") + next(iter(ENDINGS)) + " » Que faire ?",
    ],
)
def test_a_text_about_a_notice_is_none(text):
    assert notice_in(text) is None


@pytest.mark.parametrize("path", ["attachment", "forwarded"])
def test_a_notice_that_is_enclosed_is_none(path):
    """A professional who asks for help encloses the notice he got."""
    enclosed = {
        "attachment": b"Content-Disposition: attachment\r\n\r\n" + S2.encode(),
        "forwarded": b"Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain\r\n\r\n" + S2.encode(),
    }
    assert read(multipart("b", b"\r\nVoici ce que je recois", enclosed[path])).notice is None


@given(st.text(max_size=300), st.booleans(), st.binary(max_size=100))
def test_any_text_gives_a_notice_or_none(text, html, report):
    notice_in(text, html=html, report=report)
    notice_in(HEAD + text, html=html, report=report)

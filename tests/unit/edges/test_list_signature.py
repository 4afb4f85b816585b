"""The signature of the white list: nothing counts but what the pinned signer signed, whole (WL-6)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from signxml.verifier import XMLVerifier

from mssgw.edges.list_signature import BadSignature, PinnedSigner
from mssgw.formats import safexml
from mssgw.formats.white_list import LIMIT, read
from tests.white_lists import REAL, Signer, dn, entry, white_list, with_the_real_list

NOW = datetime.now(UTC)
SIGNER = Signer()
PINNED = PinnedSigner(SIGNER.pem)
LIST = white_list([("x.fr", dn("a.example")), ("y.fr", dn("b.example"))])
SIGNED = SIGNER.sign(LIST)
EVIL = entry("evil.fr", dn("evil.example")).encode()
SIGNATURE = re.search(rb"<ds:Signature .*</ds:Signature>", SIGNED, re.DOTALL)[0]  # type: ignore[index]
DOMAINS = re.search(rb"<ListeDomaines>.*</ListeDomaines>", SIGNED, re.DOTALL)[0]  # type: ignore[index]
XMLNS = b' xmlns="https://listeblanche.mssante.fr/schema"'


def test_what_was_signed_is_read() -> None:
    """And nothing is lost of it."""
    found = read(PINNED.signed_part(SIGNED, at=NOW))
    assert found.operators == read(LIST).operators
    assert found.generated_at == read(LIST).generated_at


def test_the_signer_need_not_name_itself() -> None:
    """We know whose signature we want."""
    bare = re.sub(rb"<ds:KeyInfo>.*</ds:KeyInfo>", b"", SIGNED, flags=re.DOTALL)
    assert read(PINNED.signed_part(bare, at=NOW)).entries == 2


def wrapped(signed: bytes) -> bytes:
    return signed[signed.index(b"<ListeBlancheMSSante") :]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (LIST, "no signatures"),
        (Signer().sign(LIST), "InvalidSignature"),
        (SIGNED.replace(b"x.fr", b"z.fr"), "InvalidDigest"),
        (SIGNED.replace(b"2026-01-05", b"2026-01-06"), "InvalidDigest"),
        (SIGNED.replace(b"<ListeDomaines>", b"<ListeDomaines>" + EVIL), "InvalidDigest"),
        (SIGNED[:-20], "not well-formed"),
        (b"", "no element"),
        # The list beside its double, before and after it.
        (SIGNED.replace(DOMAINS, b"<ListeDomaines>" + EVIL + b"</ListeDomaines>" + DOMAINS), "there twice"),
        (SIGNED.replace(DOMAINS, DOMAINS + b"<ListeDomaines>" + EVIL + b"</ListeDomaines>"), "there twice"),
        # The signed list as a part of another one; its signature moved up; the whole hidden in the signature.
        (
            b"<ListeBlancheMSSante" + XMLNS + b"><ListeDomaines>" + EVIL + b"</ListeDomaines>" + wrapped(SIGNED)
            + b"</ListeBlancheMSSante>",
            "below the root",
        ),
        (
            b"<ListeBlancheMSSante" + XMLNS + b"><ListeDomaines>" + EVIL + b"</ListeDomaines>"
            + wrapped(SIGNED.replace(SIGNATURE, b"")) + SIGNATURE + b"</ListeBlancheMSSante>",
            "there twice",
        ),
        (
            SIGNED.replace(DOMAINS, b"<ListeDomaines>" + EVIL + b"</ListeDomaines>").replace(
                b"</ds:Signature>", b"<ds:Object>" + DOMAINS.replace(b">", XMLNS + b">", 1)
                + b"</ds:Object></ds:Signature>"
            ),
            "there twice",
        ),
        (b"<a>" + wrapped(SIGNED) + b"</a>", "below the root"),
        (SIGNED.replace(SIGNATURE, SIGNATURE * 2), "2 signatures"),
        # A comment is not signed: it must not change what is read either.
        (SIGNED.replace(b"<Nom>x.fr", b"<Nom>evil.fr<!-- -->"), "comment"),
        (SIGNED.replace(b"<Nom>x.fr", b"<Nom>x<!-- -->.fr"), "comment"),
        (SIGNED.replace(b"<Nom>x.fr", b"<Nom>x<?x?>.fr"), "comment"),
        (b"<!DOCTYPE a>" + wrapped(SIGNED), "DOCTYPE"),
        (SIGNED.replace(b"ecdsa-sha256", b"hmac-sha256"), "forbidden"),
        (SIGNED.replace(b"ecdsa-sha256", b"nothing"), "Unrecognized"),
        (re.sub(rb"<ds:SignatureValue>.*?<", b"<ds:SignatureValue><", SIGNED, flags=re.DOTALL), "Error|Invalid"),
        (re.sub(rb"<ds:SignedInfo>.*</ds:SignedInfo>", b"", SIGNED, flags=re.DOTALL), "Error|Invalid"),
        (bytes(200 * 2**20), f"more than {LIMIT} octets"),
    ],
)  # fmt: skip
def test_what_is_not_signed_as_a_whole_by_the_pinned_signer_is_refused(document: bytes, why: str) -> None:
    """Other signer, no signature, changed, wrapped, split, cut, too large."""
    with pytest.raises(BadSignature, match=why):
        PINNED.signed_part(document, at=NOW)


@pytest.mark.parametrize("document", [Signer().sign(LIST), SIGNED.replace(b"x.fr", b"z.fr"), LIST[:-9], b""])
def test_the_reason_is_a_sentence_that_ends(document: bytes) -> None:
    """It stands in a log line and after a command: not half a sentence, not two lines."""
    with pytest.raises(BadSignature) as refused:
        PINNED.signed_part(document, at=NOW)
    assert re.fullmatch(r"[ -~]*[^ :]", str(refused.value))


def test_a_signature_over_a_part_is_none_over_the_list() -> None:
    """Whoever holds a signed part must not put it into a frame of his own."""
    framed = LIST.replace(b"<ListeDomaines>", b'<ListeDomaines Id="part">')
    with pytest.raises(BadSignature, match="a part was signed"):
        PINNED.signed_part(SIGNER.sign(framed, reference="#part"), at=NOW)


@pytest.mark.parametrize("days", [-90, 31])
def test_a_signer_out_of_its_dates_signs_nothing(days: int) -> None:
    """As of the moment that the list is asked about."""
    with pytest.raises(BadSignature, match="InvalidCertificate"):
        PINNED.signed_part(SIGNED, at=NOW + timedelta(days=days))


def test_of_the_trees_that_it_copies_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes five times the file: with the real list 20 MB, in every worker of a node."""
    made: list[safexml.Element] = []
    fromstring = XMLVerifier._fromstring

    def counted(self: XMLVerifier, *these: object) -> safexml.Element:
        made.append(fromstring(self, *these))
        return made[-1]

    monkeypatch.setattr(XMLVerifier, "_fromstring", counted)
    assert read(PINNED.signed_part(SIGNED, at=NOW)).entries == 2
    whole = [each for each in made if each.find(".//{*}Domaine") is not None]
    assert (len(made), len(whole)) == (6, 2)  # of four: the canonical one, which it frees itself, and the result


def test_a_second_reference_is_refused() -> None:
    """Of two that are signed, one could be anything."""
    more = re.sub(rb"(<ds:Reference .*</ds:Reference>)", rb"\1\1", SIGNED, flags=re.DOTALL)
    assert more.count(b"<ds:Reference ") == 2
    with pytest.raises(BadSignature):
        PINNED.signed_part(more, at=NOW)


def test_a_pinned_file_that_holds_no_certificate_is_refused_at_once() -> None:
    """At start, not at the first list."""
    with pytest.raises(BadSignature, match="PEM"):
        PinnedSigner(b"-----BEGIN NOTHING-----")


@with_the_real_list
def test_the_real_list_signed_is_read_as_it_is_unsigned() -> None:
    """Its size takes no limit of the library."""
    signed = SIGNER.sign(REAL.read_bytes())
    assert read(PINNED.signed_part(signed, at=NOW)).operators == read(REAL.read_bytes()).operators

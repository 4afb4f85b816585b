"""[trust]: every mistake is told with its key, before the daemon starts (TLS-1, TLS-4, WL-6)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mssgw.app import config
from mssgw.app.config.clients import Tls
from mssgw.app.config.reload import reloaded
from mssgw.app.trust import list_servers
from mssgw.core.routes import TlsPolicy
from tests import white_lists
from tests.pki import TrustSpace, pem_of
from tests.unit.app.configurations import GOOD

TLS = 'role = "trust-space"\naddress = "127.0.0.1:2526"\ntls = "starttls"'
CLEAR = TLS.replace("starttls", "none")
TABLE = """
[trust]
white_list = "list.xml"
white_list_unsigned = true
anchors = "anchors.pem"
certificate = "ours.pem"
key = "ours.key"
crls = ["root.crl", "intermediate.crl"]
"""
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return TrustSpace()


@pytest.fixture
def write(space: TrustSpace, tmp_path: Path) -> Write:
    """A configuration that holds together, and its files; then ``old`` is replaced by ``new``."""
    space.operator("gw.exemple.fr").write_apart(tmp_path, "ours")
    space.operator("other.exemple.fr").write_apart(tmp_path, "other")
    space.operator("old.exemple.fr", not_after=datetime.now(UTC) + timedelta(days=5)).write_apart(tmp_path, "old")
    begins, ends = (datetime.now(UTC) + timedelta(days=days) for days in (1, 90))
    space.operator("new.exemple.fr", not_before=begins, not_after=ends).write_apart(tmp_path, "new")
    space.write_anchors(tmp_path)
    space.write_crls(tmp_path)
    (tmp_path / "list.xml").write_bytes(white_lists.white_list([("a.mssante.fr", white_lists.dn("mta.fr"))]))
    (tmp_path / "empty.pem").write_bytes(b"")

    def written(old: str = "", new: str = "") -> Path:
        assert not old or old in GOOD.replace(CLEAR, TLS) + TABLE
        path = tmp_path / "mssgw.toml"
        path.write_text(
            (GOOD.replace(CLEAR, TLS) + TABLE).replace(old, new) if old else GOOD.replace(CLEAR, TLS) + TABLE
        )
        return path

    return written


def test_a_trust_space_listener_needs_no_certificate_of_its_own(write: Write) -> None:
    """It shows that of [trust]."""
    loaded = config.load(write())
    assert loaded.trust is not None
    assert loaded.listeners[1].certificate is None


MISTAKES = [
    ('tls = "starttls"', 'tls = "none"', "listener[1].tls", 'expected "starttls" or "implicit"'),
    ('tls = "starttls"', 'tls = "starttls"\nrequire_tls = false', "listener[1].require_tls", "expected true"),
    ('next_hop = "mx"', 'next_hop = "mx"\nnext_hop_tls = "implicit"', "trusted_domain[0].next_hop_tls", "STARTTLS"),
    ('"mx"', '"192.0.2.9:25"\nnext_hop_tls = "none"', "trusted_domain[0].next_hop_tls", "none"),
    ('"list.xml"', '"http://liste.exemple.fr/l.xml"', "trust.white_list", "with https://"),
    ('"list.xml"', '"ftp://liste.exemple.fr/l.xml"', "trust.white_list", "with https://"),
    ('"list.xml"', '"https://[fd00::1/l.xml"', "trust.white_list", "with https://"),
    ('"list.xml"', '"https://u:p@liste.exemple.fr/l.xml"', "trust.white_list", "no password"),
    ('"root.crl"', '"ldap://crl.exemple.fr/x"', "trust.crls[0]", "https:// or http://"),
    ('["root.crl", "intermediate.crl"]', "[]", "trust.crls", "at least one"),
    ("white_list_unsigned = true\n", "", "trust.white_list_signer", "expected the certificate (PEM)"),
    ("white_list_unsigned = true", 'white_list_signer = "empty.pem"', "trust.white_list_signer", "no PEM certificate"),
    ('"list.xml"', '"list.xml"\nwhite_list_ca = "empty.pem"', "trust.white_list_ca", "no PEM certificate"),
    (
        "white_list_unsigned = true",
        'white_list_unsigned = true\nwhite_list_signer = "ours.pem"',
        "trust.white_list_unsigned",
        "is it signed or not",
    ),
    ('"anchors.pem"', '"absent.pem"', "trust.anchors", "cannot be read"),
    ('"anchors.pem"', '"empty.pem"', "trust.anchors", "no usable PEM"),
    ('"anchors.pem"', '"other.pem"', "trust.anchors", "of no authority"),
    ('"ours.pem"', '"ours.key"', "trust.certificate", "no PEM certificate"),
    ('"ours.key"', '"other.key"', "trust.certificate", "is not the private key of"),
    ('"ours.key"', '"list.xml"', "trust.key", "no PEM private key in it"),
    ('key = "ours.key"', 'key = "ours.key"\npurposes = ["emailProtection"]', "trust.purposes[0]", '"clientAuth"'),
    ('key = "ours.key"', 'key = "ours.key"\npurposes = []', "trust.purposes", "at least one"),
    ('key = "ours.key"', 'key = "ours.key"\ncrl_grace = "0s"', "trust.crl_grace", "expected a duration"),
]


@pytest.mark.parametrize(("old", "new", "key", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_key(write: Write, old: str, new: str, key: str, expected: str) -> None:
    """All of them keep the daemon from starting."""
    with pytest.raises(config.ConfigErrors) as caught:
        config.load(write(old, new))
    found = [problem for problem in caught.value.problems if problem.key == key]
    assert any(expected in problem.message for problem in found), list(map(str, caught.value.problems))


def test_in_a_test_environment_the_list_may_be_unsigned_without_saying_so(write: Write) -> None:
    """In production somebody has to take it upon himself (WL-6)."""
    path = write("white_list_unsigned = true\n", "")
    path.write_text(path.read_text().replace("[gateway]", '[gateway]\nenvironment = "test"'))
    assert config.load(path).trust is not None


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("", "", "trust.white_list_unsigned", "decides who may write to us"),
        ('crls = ["root', 'crl_grace = "2d"\ncrls = ["root', "trust.crl_grace", "may miss"),
        ('"ours.pem"\nkey = "ours.key"', '"old.pem"\nkey = "old.key"', "trust.certificate", "ends in 4 days"),
        ('"ours.pem"\nkey = "ours.key"', '"new.pem"\nkey = "new.key"', "trust.certificate", "is not valid yet: from"),
        ('"list.xml"', '"absent.xml"', "trust.white_list", "cannot be read"),
        ('"root.crl"', '"absent.crl"', "trust.crls[0]", "cannot be read"),
        (TABLE, "", "listener[1]", "networks alone"),
    ],
)
def test_what_deserves_a_second_look_is_warned_of(write: Write, old: str, new: str, key: str, expected: str) -> None:
    """The daemon starts all the same."""
    path = write(old, new)
    if not new and old:
        path.write_text(path.read_text().replace('tls = "starttls"', 'tls = "none"'))
    found = [each for each in config.warnings(config.load(path)) if each.key == key]
    assert any(expected in each.message for each in found)


def test_trust_comes_and_goes_with_a_restart(write: Write) -> None:
    """Half of it would know operators by neither networks nor certificates."""
    given = config.load(write())
    without = given.model_copy(update={"trust": None})
    assert reloaded(without, given) == (without, ["trust"])
    assert reloaded(given, without) == (given, ["trust"])
    assert reloaded(given, given) == (given, [])


def test_listeners_wait_with_it(write: Write) -> None:
    """A file without [trust] may have a listener in clear, which by certificates would refuse everybody."""
    given = config.load(write())
    clear = tuple(each.model_copy(update={"tls": Tls.NONE, "require_tls": False}) for each in given.listeners)
    without = given.model_copy(update={"trust": None, "listeners": clear})
    assert reloaded(without, given) == (without, ["trust"])
    assert reloaded(given, without) == (given, ["trust"])


def test_operators_wait_with_it(write: Write) -> None:
    """Without networks, which [trust] makes superfluous, who is known by them yet would be refused for good; and what
    may be called in clear text without it may not with it (TLS-6).
    """
    given = config.load(write())
    [operator] = given.trusted_domains
    nameless = operator.model_copy(update={"networks": ()})
    clear = operator.model_copy(update={"next_hop_tls": TlsPolicy.NONE})
    without = given.model_copy(update={"trust": None, "trusted_domains": (clear,)})
    for each in ((), (nameless,)):
        coming = given.model_copy(update={"trusted_domains": each})
        assert reloaded(without, coming) == (without, ["trust", "trusted_domain"])
        assert reloaded(coming, without) == (coming, ["trust", "trusted_domain"])
    changed = given.model_copy(update={"trusted_domains": (nameless,)})
    assert reloaded(given, changed) == (changed, []), "while it stays they come and go as ever"


@pytest.mark.parametrize("mirror", [False, True])
def test_no_public_authority_vouches_for_the_server_of_the_list(write: Write, space: TrustSpace, mirror: bool) -> None:
    """It has a certificate of IGC-Sante (WL-1), or it is a mirror whose authority is named."""
    added = 'white_list_ca = "mirror.pem"\n' if mirror else ""
    path = write("white_list_unsigned = true\n", f"white_list_unsigned = true\n{added}")
    other = TrustSpace()
    (path.parent / "mirror.pem").write_bytes(pem_of(other.root.certificate))
    trust = config.load(path).trust
    assert trust is not None
    known = list_servers(trust).get_ca_certs(binary_form=True)
    expected = other.root if mirror else space.root
    assert known == [expected.certificate.public_bytes(Encoding.DER)]

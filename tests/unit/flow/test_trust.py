"""Who is trusted: the order of checks, and who may speak for whom (TLS-6, WL-8)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.names import Name
from mssgw.core.trust import (
    BAD_SUBJECT,
    FOREIGN_DOMAIN,
    LIST_UNUSABLE,
    NO_CERTIFICATE,
    REVOKED,
    UNLISTED_DOMAIN,
    UNLISTED_OPERATOR,
    Certificate,
    Chain,
    Check,
    Distrust,
    WhiteList,
)
from mssgw.flow.trust import TrustSpace
from mssgw.formats.white_list import read
from tests.white_lists import REAL, dn, white_list, with_the_real_list

LIST = read(
    white_list(
        [
            ("x.fr", dn("a.example")),
            ("x.fr", dn("b.example")),
            ("y.fr", dn("b.example")),
            ("ours.fr", dn("b.example")),
            ("hopital.fr", dn("c.example")),
        ]
    )
)


class Authorities:
    """Revocation: serials taken back."""

    def __init__(self) -> None:
        self.revoked: set[int] = set()

    def check(self, chain: Chain) -> Distrust | None:
        if any(each.serial in self.revoked for each in chain):
            return Distrust(check=Check.REVOCATION, reply=REVOKED)
        return None


def chain_of(name: str | Name | None) -> Chain:
    subject = Name.parse(name) if isinstance(name, str) else name
    leaf = Certificate(
        subject=subject,
        issuer=b"issuer",
        serial=7,
        not_before=datetime(2025, 1, 1, tzinfo=UTC),
        not_after=datetime(2027, 1, 1, tzinfo=UTC),
        fingerprint="f",
        flaw="" if subject else "2 CN",
    )
    return (leaf,)


class Space:
    def __init__(self, white_list: WhiteList | None = LIST) -> None:
        self.list, self.authorities = white_list, Authorities()
        self.ours = frozenset({"ours.fr"})
        self.trust = TrustSpace(usable=lambda: self.list, revocation=self.authorities, ours=lambda: self.ours)

    def admit(self, name: str | Name | None) -> Client | Distrust:
        return self.trust.admit(chain_of(name))

    def vouch(self, name: str | Name | None, domain: str) -> Distrust | None:
        return self.trust.vouch(chain_of(name), domain)


@pytest.fixture
def space() -> Space:
    return Space()


def test_an_operator_may_send_as_what_is_listed_for_it_but_never_as_us(space: Space) -> None:
    """Whatever the list says of our own domains (SD-5)."""
    assert space.admit(dn("b.example")) == Client(
        name="CN=b.example", role=Role.TRUST_SPACE, domains=frozenset({"x.fr", "y.fr"})
    )
    space.ours = frozenset({"y.fr"})
    admitted = space.admit(dn("b.example"))
    assert isinstance(admitted, Client)
    assert admitted.domains == {"x.fr", "ours.fr"}


def test_the_list_in_force_at_the_moment_decides(space: Space) -> None:
    """Also on a connection that was admitted under another."""
    assert isinstance(space.admit(dn("a.example")), Client)
    space.list = read(white_list([("z.fr", dn("b.example"))]))
    gone = space.admit(dn("a.example"))
    assert isinstance(gone, Distrust)
    admitted = space.admit(dn("b.example"))
    assert isinstance(admitted, Client)
    assert admitted.domains == {"z.fr"}


@pytest.mark.parametrize("both", ["admit", "vouch"])
def test_checks_come_in_their_order_and_the_first_that_fails_is_named(space: Space, both: str) -> None:
    """No certificate, no readable name, revoked, no list, no operator: each hides those after it."""

    def asked(chain: Chain) -> tuple[Check, object]:
        found = space.trust.admit(chain) if both == "admit" else space.trust.vouch(chain, "x.fr")
        assert isinstance(found, Distrust)
        return found.check, found.reply

    space.authorities.revoked = {7}
    space.list = None
    assert asked(()) == (Check.CERTIFICATE, NO_CERTIFICATE)
    assert asked(chain_of(None)) == (Check.SUBJECT, BAD_SUBJECT)
    assert asked(chain_of(dn("nobody.example"))) == (Check.REVOCATION, REVOKED)
    space.authorities.revoked = set()
    assert asked(chain_of(dn("nobody.example"))) == (Check.WHITE_LIST, LIST_UNUSABLE)
    space.list = LIST
    assert asked(chain_of(dn("nobody.example"))) == (Check.OPERATOR, UNLISTED_OPERATOR)


def test_a_server_takes_letters_for_the_domains_of_its_dn_only(space: Space) -> None:
    """A domain may have several operators; each of them will do, no third one."""
    assert space.vouch(dn("a.example"), "x.fr") is None
    assert space.vouch(dn("b.example"), "x.fr") is None
    foreign = space.vouch(dn("c.example"), "x.fr")
    assert foreign is not None
    assert (foreign.check, foreign.reply) == (Check.DOMAIN, FOREIGN_DOMAIN)
    assert "c.example" in foreign.detail
    assert "x.fr" in foreign.detail
    unlisted = space.vouch(dn("a.example"), "nowhere.fr")
    assert unlisted is not None
    assert (unlisted.check, unlisted.reply) == (Check.DOMAIN, UNLISTED_DOMAIN)


def test_whether_a_domain_is_listed_is_not_known_without_a_list(space: Space) -> None:
    """Then the answer is neither yes nor no."""
    assert space.trust.listed("x.fr") is True
    assert space.trust.listed("nowhere.fr") is False
    space.list = None
    unknown = space.trust.listed("x.fr")
    assert isinstance(unknown, Distrust)
    assert unknown.reply.transient


@with_the_real_list
@settings(deadline=None)
@given(st.data())
def test_each_real_domain_is_served_by_its_operators_and_by_no_other(data: st.DataObject) -> None:
    """Both ways, with DNs as certificates order them."""
    domain = data.draw(st.sampled_from(DOMAINS))
    other = data.draw(st.sampled_from(NAMES))
    may = REAL_SPACE.list.operators[domain]  # type: ignore[union-attr]
    for name in may:
        presented = Name.of(reversed(name.key))
        assert REAL_SPACE.vouch(presented, domain) is None
        client = REAL_SPACE.admit(presented)
        assert isinstance(client, Client)
        assert domain in client.domains
    if other not in may:
        refused = REAL_SPACE.vouch(other, domain)
        assert refused is not None
        assert refused.reply == FOREIGN_DOMAIN
        client = REAL_SPACE.admit(other)
        assert isinstance(client, Client)
        assert domain not in client.domains


REAL_SPACE = Space(read(REAL.read_bytes()) if REAL.exists() else None)
DOMAINS = sorted(REAL_SPACE.list.operators) if REAL_SPACE.list else [""]
NAMES = sorted(REAL_SPACE.list.domains, key=str) if REAL_SPACE.list else []

"""What revocation lists say of a chain (TLS-5)."""

from mssgw.core.trust import REVOCATION_UNKNOWN, REVOKED
from mssgw.edges.certificates import certificate
from tests.pki import Issuer, TrustSpace, operator_dn
from tests.unit.edges.crls.node import World, chain


async def test_a_certificate_that_nobody_revoked_is_good(world, space):
    assert world.reply(space.operator("a.exemple.fr")) is None


async def test_a_revoked_leaf(world, space):
    leaf = space.operator("a.exemple.fr")
    world.intermediate.content = space.intermediate.crl(leaf.serial)
    await world.poll()
    assert world.reply(leaf) is REVOKED
    assert world.reply(space.operator("b.exemple.fr")) is None
    detail = world.crls.check(chain(space, leaf)).detail
    assert "CN=a.exemple.fr" in detail
    assert "AC TEST ORGANISATIONS" in detail


async def test_a_revoked_intermediate(world, space):
    world.root.content = space.root.crl(space.intermediate.serial)
    await world.poll()
    assert world.reply(space.operator("a.exemple.fr")) is REVOKED


async def test_a_serial_counts_for_its_issuer_only(world, space):
    """The root's list speaks of what the root issued."""
    leaf = space.operator("a.exemple.fr")
    world.root.content = space.root.crl(leaf.serial)
    await world.poll()
    assert world.reply(leaf) is None


async def test_without_a_list_nothing_is_known_and_somebody_is_told(space, tmp_path):
    world = World(space, tmp_path)
    leaf = space.operator("a.exemple.fr")
    assert world.reply(leaf) is REVOCATION_UNKNOWN
    world.root.content = None
    await world.poll()
    world.crls.check(chain(space, leaf))
    assert world.reply(leaf) is REVOCATION_UNKNOWN  # only one of two lists
    world.crls._look_at_the_time()
    assert ("trust.crl_missing", True) in world.heard.take()


async def test_chains_that_end_nowhere_are_unknown(world, space):
    """None at all, without its anchor (a resumed session), of a root that we do not have."""
    leaf = space.operator("a.exemple.fr")
    other = TrustSpace()
    for these in ((), chain(space, leaf)[:1], chain(space, leaf)[:2], chain(other, other.operator("a.exemple.fr"))):
        assert world.crls.check(these).reply is REVOCATION_UNKNOWN


async def test_the_same_name_with_another_key_is_another_issuer(world, space):
    """An authority that got a new key: its list says nothing of what the old key signed."""
    rekeyed = Issuer(space.intermediate.pairs, space.root)
    leaf = rekeyed.issue(operator_dn("a.exemple.fr"), "a.exemple.fr")
    these = tuple(certificate(der) for der in (leaf.der, rekeyed.der, space.root.der))
    assert world.crls.check(these).reply is REVOCATION_UNKNOWN

"""Where a letter goes: as configured, or as the white list says; never out of the trust space (WHO-9, WL-8)."""

from dataclasses import dataclass, field

import pytest

from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.routes import PATIENTS_HEAR, Route, RouteTable, SpaceUnknown, TlsPolicy
from mssgw.core.settings import Settings
from mssgw.core.trust import LIST_UNUSABLE, Check, Distrust

OURS, THEIRS, NAMED, LOOP = "ch.fr", "chu.fr", "named.fr", "loop.fr"
INWARD = Route(name="ch", host="mta.ch.fr", inward=True)
CONFIGURED = Route(name="operator:o:named.fr", host="mta.named.fr", tls=TlsPolicy.MUTUAL, domain=NAMED)
PLAIN = Route(name="operator:l", host="127.0.0.1", tls=TlsPolicy.NONE)
UNUSABLE = Distrust(check=Check.WHITE_LIST, reply=LIST_UNUSABLE)
HOSPITAL, OPERATOR = Client(name="ch", role=Role.ESTABLISHMENT), Client(name="o", role=Role.TRUST_SPACE)


@dataclass
class List:
    known: set[str] | None = field(default_factory=lambda: {THEIRS, NAMED})
    asked: list[str] = field(default_factory=list)

    def __call__(self, domain: str) -> bool | Distrust:
        self.asked.append(domain)
        return UNUSABLE if self.known is None else domain in self.known


@pytest.fixture
def known() -> List:
    return List()


@pytest.fixture
def settings(known: List) -> Settings:
    table = RouteTable({OURS: INWARD, NAMED: CONFIGURED, LOOP: PLAIN}, known)
    return Settings(hostname="gw.example", routes=table)


def test_a_listed_domain_has_a_route_by_mx_that_is_vetted_for_it(settings) -> None:
    route = settings.route_for(HOSPITAL, THEIRS)
    assert (route.host, route.mx, route.tls, route.domain, route.port) == (THEIRS, True, TlsPolicy.MUTUAL, THEIRS, 25)
    assert settings.route_for(HOSPITAL, THEIRS) is route, "made once"


def test_what_is_configured_keeps_its_host_as_long_as_it_is_listed(settings, known) -> None:
    assert settings.route_for(HOSPITAL, NAMED) is CONFIGURED
    known.known = set()
    assert settings.route_for(HOSPITAL, NAMED) is None
    assert settings.is_unlisted(NAMED)


def test_nobody_is_written_to_whom_the_list_does_not_name(settings) -> None:
    assert settings.route_for(HOSPITAL, "elsewhere.fr") is None
    assert settings.is_unlisted("elsewhere.fr")


def test_ours_and_what_is_in_clear_by_configuration_need_no_list(settings, known) -> None:
    known.known = None
    assert [settings.route_for(HOSPITAL, each) for each in (OURS, LOOP)] == [INWARD, PLAIN]
    assert known.asked == []


@pytest.mark.parametrize("usable", [True, False])
def test_a_domain_of_ours_never_leads_out_even_if_it_is_listed(known, usable) -> None:
    """We are operators too: by the list we would call ourselves, and be answered that it is not for us."""
    known.known = {OURS} if usable else None
    assert RouteTable({}, known, frozenset({OURS})).find(OURS, sure=True) is None


@pytest.mark.parametrize("domain", [OURS, PATIENTS_HEAR])
def test_a_route_that_the_configuration_has_lost_is_not_laid_to_the_list(known, domain) -> None:
    """A letter waits for it 48 hours; a domain that left the list has four (WL-8)."""
    settings = Settings(hostname="gw.example", routes=RouteTable({}, known, frozenset({OURS})))
    assert settings.routes.find(domain) is None
    assert not settings.is_unlisted(domain)


@pytest.mark.parametrize("domain", [THEIRS, NAMED, "elsewhere.fr"])
def test_without_a_list_a_recipient_cannot_be_judged_and_a_letter_waits(settings, known, domain) -> None:
    """451 at RCPT, never 5xx; what was accepted keeps its route, and is vetted when it is dialled (WL-8)."""
    known.known = None
    with pytest.raises(SpaceUnknown) as caught:
        settings.route_for(HOSPITAL, domain)
    assert caught.value.reply == LIST_UNUSABLE
    assert settings.routes.find(domain).tls is TlsPolicy.MUTUAL
    assert not settings.is_unlisted(domain)


@pytest.mark.parametrize("usable", [True, False])
def test_an_operator_never_gets_out_through_us(settings, known, usable) -> None:
    """No relaying between strangers, listed or not, and no 451 that would have it try again."""
    known.known = known.known if usable else None
    assert [settings.route_for(OPERATOR, each) for each in (THEIRS, NAMED, LOOP)] == [None] * 3
    assert settings.route_for(OPERATOR, OURS) is INWARD


def test_without_a_trust_space_only_what_is_configured_has_a_route() -> None:
    table = RouteTable({OURS: INWARD})
    assert [table.find(OURS), table.find(THEIRS)] == [INWARD, None]

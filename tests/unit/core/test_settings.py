"""What the configuration decides about addresses."""

import pytest

from mssgw.core.addresses import Address
from mssgw.core.clients import Client
from mssgw.core.envelope import Role
from mssgw.core.routes import RouteTable
from mssgw.core.settings import Settings

SETTINGS = Settings(
    hostname="mssgw.test", routes=RouteTable({}), owners={"ch-test.mssante.fr": "ch-test", "clinic.fr": "operator"}
)


def operator(*domains: str) -> Client:
    return Client(name="operator", role=Role.TRUST_SPACE, domains=frozenset(domains))


@pytest.mark.parametrize(
    ("client", "author", "foreign"),
    [
        (operator(), "dr.martin@ch-test.mssante.fr", True),
        (operator("ch-test.mssante.fr"), "dr.martin@ch-test.mssante.fr", False),
        (operator(), "mailer-daemon@mta.ch-test.mssante.fr", True),
        (operator("mta.ch-test.mssante.fr"), "mailer-daemon@mta.ch-test.mssante.fr", False),
        (operator("clinic.fr"), "mailer-daemon@mta.dmz.clinic.fr", False),
        (operator(), "mailer-daemon@notch-test.mssante.fr", False),
        (operator(), "mailer-daemon@mail.elsewhere.fr", False),
        (operator(), "mailer-daemon@[192.0.2.1]", False),
        (operator(), "mailer-daemon@patient.mssante.fr", True),
        (operator(), "mailer-daemon@sub.patient.mssante.fr", True),
        (operator("patient.mssante.fr"), "mailer-daemon@patient.mssante.fr", False),
    ],
)
def test_a_notice_comes_from_no_domain_that_another_speaks_for(client, author, foreign):
    """Nor from the patient domain, where no operator is configured to speak for it (SD-4, SD-5)."""
    assert SETTINGS.is_foreign(client, Address.parse(author)) is foreign

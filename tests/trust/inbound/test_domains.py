"""For which domains an operator speaks: in MAIL FROM, in From:, and to whom (WL-4, WL-8, SD-5)."""

from dataclasses import dataclass

import pytest

from mssgw.core.addresses import domain_key
from mssgw.core.names import Name
from tests.trust.gate import DOCTOR, OURS, dn, gate, letter, twin
from tests.trust.inbound.rows import (
    CLIENT,
    FOREIGN,
    HOST,
    MAIL,
    NOTICE,
    OPERATOR,
    OTHER,
    RCPT,
    accepted,
    listed,
    refused,
)


async def test_a_listed_operator_hands_us_mail(space, trust, tmp_path):
    """250, kept with what is needed to replay the decision, and the log says who it was."""
    async with gate(space, tmp_path, trust) as here:
        identity = listed(space)
        peer = await here.meet(identity)
        stored = await accepted(here, peer)
        assert (await peer.ask("QUIT"))[:3] == "221"
        await here.quiet()
        assert stored.facts.client.name == CLIENT
        assert stored.facts.client.domains == {OPERATOR}, "not all that the operator may use"
        assert stored.envelope.origin.client == CLIENT
        assert stored.envelope.origin.protocol == "ESMTPS"
        closed = here.line("smtp.session.closed")
        assert closed["client"] == CLIENT
        assert closed["serial"] == f"{identity.serial:x}"
        assert Name.parse(closed["dn"]) == Name.of(dn(HOST))
        assert len(closed["fingerprint"]) == 64
        assert closed["tls"].startswith("TLSv1.3")


@dataclass(frozen=True)
class Sender:
    name: str
    mail: str
    reply: str
    rule: str = "sender-is-the-clients-own"


SENDERS = [
    Sender("the domain of another operator", f"boite@{FOREIGN}", "554 5.7.1 Ce certificat n'est pas celui"),
    Sender("a domain in nobody's list", "boite@gmail.example", "550 5.7.1 Domaine absent"),
    Sender("below its own domain", f"boite@sous.{OPERATOR}", "550 5.7.1 Domaine absent"),
    Sender("one of ours", DOCTOR, "550 5.7.1 Domaine d'expediteur"),
    Sender("a patient", "279035121518989@patient.mssante.fr", "550 5.7.1 Domaine absent"),
]


@pytest.mark.parametrize("row", SENDERS, ids=lambda row: row.name)
async def test_an_operator_speaks_for_its_own_domains_only(space, trust, tmp_path, row):
    """554 when the list gives the domain to others, 550 when it does not name it (WL-8, TLS-6, SD-5)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await refused(peer, row.reply, f"MAIL FROM:<{row.mail}>")
        await peer.close()
        fields = here.refusal()
        assert (fields["rule"], fields["client"]) == (row.rule, CLIENT)
        assert fields["domain"] == row.mail.partition("@")[2]
        assert here.kept_nothing()


async def test_nobody_speaks_for_us_even_where_the_list_says_so(space, trust, tmp_path):
    """An operator who once carried our domain, or a mistake in the list, must not bring colleagues' mail (SD-5)."""
    trust.listed_names[OURS] = {Name.of(dn(HOST))}
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        await refused(peer, "550 5.7.1", f"MAIL FROM:<{DOCTOR}>")
        await peer.envelope(MAIL, RCPT)
        assert (await peer.data(letter(DOCTOR)))[:9] == "550 5.7.1"
        await peer.close()
        told = [(fields["stage"], fields["rule"], fields["client"]) for fields in here.decided("letter.refused")]
        assert told == [("mail", "sender-is-the-clients-own", CLIENT), ("data", "one-honest-from", CLIENT)]
        assert here.kept_nothing()


@pytest.mark.parametrize("count", [2, 3, 4, 5])
async def test_a_domain_may_have_several_certificates(space, tmp_path, count):
    """Each of them will do, and no other (WL-4)."""
    hosts = [f"mta{n}.operateur.fr" for n in range(count)]
    trust = twin({OPERATOR: [dn(each) for each in hosts], FOREIGN: [dn(OTHER)]})
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(space.operator(OTHER))
        await refused(peer, "554 5.7.1 Ce certificat n'est pas celui")
        await peer.close()
        told = here.refusal()
        assert (told["rule"], told["client"]) == ("sender-is-the-clients-own", f"CN={OTHER}")
        assert here.kept_nothing()
        for host in hosts:
            await accepted(here, await here.meet(space.operator(host)), client=f"CN={host}")


@pytest.mark.parametrize(
    ("list_name", "sender"),
    [
        ("operateur.mssante.fr", "boite@OPERATEUR.MSSante.FR"),
        ("OPERATEUR.mssante.fr", "boite@operateur.mssante.fr"),
        ("hôpital.mssante.fr", "boite@xn--hpital-ixa.mssante.fr"),
        ("xn--hpital-ixa.mssante.fr", "boite@hôpital.mssante.fr"),
        ("HÔPITAL.mssante.fr", "boite@hôpital.mssante.fr"),
    ],
)
async def test_case_and_script_of_a_domain_do_not_matter(space, tmp_path, list_name, sender):
    """The list has one in upper case; IDNs are compared as A-labels (WL-4)."""
    async with gate(space, tmp_path, twin({list_name: [dn(HOST)]})) as here:
        peer = await here.meet(listed(space))
        stored = await accepted(here, peer, letter(sender), mail=f"MAIL FROM:<{sender}> SMTPUTF8")
        assert stored.facts.client.domains == {domain_key(list_name)}


async def test_operators_reach_us_and_nobody_else_through_us(space, trust, tmp_path):
    """No open relay between operators (WHO-9)."""
    async with gate(space, tmp_path, trust) as here:
        peer = await here.meet(listed(space))
        assert (await peer.ask(MAIL))[:3] == "250"
        assert (await peer.ask(f"RCPT TO:<boite@{FOREIGN}>"))[:9] == "550 5.7.1"
        assert (await peer.ask("RCPT TO:<boite@gmail.example>"))[:9] == "550 5.7.1"
        await peer.close()
        told = [(fields["stage"], fields["rule"], fields["client"]) for fields in here.decided("letter.refused")]
        assert told == [("rcpt", "route-exists", CLIENT)] * 2
        assert here.kept_nothing()


# From: and the null sender


@pytest.mark.parametrize(
    ("mail", "author", "reply"),
    [
        (f"<boite@{OPERATOR}>", f"autre@{OPERATOR}", "250"),
        (f"<boite@{OPERATOR}>", "autre@commun.mssante.fr", "250"),
        (f"<boite@{OPERATOR}>", f"boite@{FOREIGN}", "550 5.7.1"),
        (f"<boite@{OPERATOR}>", "boite@gmail.example", "550 5.7.1"),
        ("<>", f"mailer-daemon@{OPERATOR}", "250"),
        ("<>", "mailer-daemon@mta.operateur.fr", "250"),
        ("<>", f"absence@mta.{OPERATOR}", "250"),
        ("<>", "absence@mta.operateur.fr", "550 5.7.1"),
        ("<>", f"mailer-daemon@{FOREIGN}", "550 5.7.1"),
        ("<>", f"mailer-daemon@mta.{FOREIGN}", "550 5.7.1"),
        ("<>", f"mailer-daemon@{OURS}", "550 5.7.1"),
        ("<>", "noreply@patient.mssante.fr", "550 5.7.1"),
    ],
)
async def test_the_author_that_a_letter_shows_is_the_operators_own(space, trust, tmp_path, mail, author, reply):
    """From: is what people read. A notice may come from a host name that the list gives to nobody else (SD-5)."""
    async with gate(space, tmp_path, trust) as here:
        peer, content = await here.meet(listed(space)), letter(author, DOCTOR, NOTICE)
        if reply == "250":
            await accepted(here, peer, content, mail=f"MAIL FROM:{mail}")
            return
        await peer.envelope(f"MAIL FROM:{mail}", RCPT)
        assert (await peer.data(content)).startswith(reply)
        await peer.close()
        told = here.refusal()
        assert (told["stage"], told["rule"], told["client"]) == ("data", "one-honest-from", CLIENT)
        assert here.kept_nothing()


async def test_a_thousand_domains_of_one_operator_are_not_kept_with_its_letters(space, tmp_path):
    """In the real list one DN speaks for thousands."""
    names = {f"d{n}.mssante.fr": [dn(HOST)] for n in range(2_000)} | {OPERATOR: [dn(HOST)]}
    async with gate(space, tmp_path, twin(names)) as here:
        content = letter("boite@d7.mssante.fr", DOCTOR, "Reply-To: <retour@d9.mssante.fr>")
        stored = await accepted(here, await here.meet(listed(space)), content)
        assert stored.facts.client.domains == {OPERATOR, "d7.mssante.fr", "d9.mssante.fr"}

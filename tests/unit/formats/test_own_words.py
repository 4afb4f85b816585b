"""What a notice says of our own replies: all that can end a delivery are known, by accents and by whose they are."""

import re
from types import ModuleType

import pytest

from mssgw.app import backoffice
from mssgw.core.patients import ENDINGS
from mssgw.core.replies import INTERNAL_ERROR, Reply
from mssgw.edges import resolver, smtp_dial, smtp_pool, smtp_replies, smtp_transaction, smtp_trouble, smtp_trust
from mssgw.flow import attempt, mailbox_delivery
from mssgw.formats.own_words import own_words
from mssgw.ports import mailbox
from mssgw.ports.mailbox import MailboxTrouble

_ABOUT_A_SERVER: list[ModuleType] = [
    resolver,
    smtp_dial,
    smtp_pool,
    smtp_replies,
    smtp_transaction,
    smtp_trouble,
    mailbox_delivery,
]
# French words that lose an accent in ASCII; what is left of them in a notice was forgotten.
_BARE = re.compile(
    r"\b(revoque|revocation|verifiable|exige|repond|reponse|recoit|arrete|depose|deja|boite|negociation"
    r"|internationalise|MSSante|IGC-Sante|operateur|operation|ambiguite|presente|retire|cloturee|etat|a temps"
    r"|repondre)\b",
    re.IGNORECASE,
)


def constants(*modules: ModuleType) -> list[Reply]:
    return [value for module in modules for value in vars(module).values() if isinstance(value, Reply)]


def about_a_server() -> list[Reply]:
    troubles = [value for value in vars(mailbox).values() if isinstance(value, type)]
    return [
        *constants(*_ABOUT_A_SERVER),
        *smtp_trust._UNKNOWN.values(),
        smtp_trust._NOT_KNOWN,
        *(smtp_trust.NotTrusted(smtp_trust.Distrust(check=check, reply=smtp_trust._BAD_CHAIN)).outcome("x").reply
          for check in smtp_trust._WHY),
        *(trouble.reply for trouble in troubles if issubclass(trouble, MailboxTrouble) and "reply" in vars(trouble)),
    ]  # fmt: skip


@pytest.mark.parametrize("reply", about_a_server(), ids=lambda reply: reply.text)
def test_what_we_say_about_a_server_is_known_as_ours(reply: Reply) -> None:
    words = own_words(reply, "mx.x.fr")
    assert words is not None or reply is INTERNAL_ERROR
    assert words is None or not _BARE.search(words.text + words.cause)


@pytest.mark.parametrize(
    "reply",
    [*constants(attempt), backoffice.BY_HAND, INTERNAL_ERROR, *ENDINGS.values()],
    ids=lambda reply: reply.text,
)
def test_what_we_say_of_ourselves_has_its_accents(reply: Reply) -> None:
    words = own_words(reply, "")
    assert words is not None
    assert not _BARE.search(words.text + words.cause)


def test_what_a_server_says_is_its_own() -> None:
    assert own_words(Reply(550, "5.7.1", "Not today"), "mx.x.fr") is None
    assert own_words(INTERNAL_ERROR, "mx.x.fr") is None

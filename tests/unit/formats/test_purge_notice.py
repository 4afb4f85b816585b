"""What the readers of a mailbox are told before letters are deleted there: which, when, and how to keep one."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from mssgw.core.addresses import Address
from mssgw.formats.purge_notice import PurgeNotice, write_purge_notice


def notice(letters: int = 12, due_at: datetime = datetime(2026, 12, 5, 13, tzinfo=UTC)) -> EmailMessage:
    written = write_purge_notice(
        PurgeNotice(
            mailbox=Address.parse("labo@chu-exemple.mssante.fr"),
            folders=["INBOX", "Integres"],
            letters=letters,
            before=datetime(2026, 9, 1, 13, tzinfo=UTC),
            due_at=due_at,
            message_id="<q1@gw.example>",
            written_at=datetime(2026, 11, 21, 13, tzinfo=UTC),
            hostname="gw.example",
        )
    )
    return message_from_bytes(written.content, policy=policy.SMTP)  # type: ignore[return-value]


def test_it_says_what_is_deleted_and_when() -> None:
    """In the words of the other notices that land in this mailbox; the first of a month is "1er" in French."""
    message = notice()
    assert message["Subject"] == "Suppression le 5 décembre 2026 : 12 messages"
    assert (
        "Le 5 décembre 2026, 12 messages reçus dans cette boîte avant le 1er septembre 2026 seront supprimés "
        "définitivement." in message.get_content()
    )
    assert notice(due_at=datetime(2026, 12, 1, 13, tzinfo=UTC))["Subject"].startswith("Suppression le 1er décembre ")


def test_one_is_told_of_as_one() -> None:
    message = notice(letters=1)
    assert message["Subject"] == "Suppression le 5 décembre 2026 : 1 message"
    assert "1 message reçu dans cette boîte avant le 1er septembre 2026 sera supprimé définitivement." in (
        message.get_content()
    )


def test_folders_are_called_as_mail_programs_call_them() -> None:
    """No French mail program shows a folder named INBOX; and what "part" from a mailbox is sent, for who reads it."""
    text = notice().get_content()
    assert "« Boîte de réception » ou « Integres »" in text
    assert "INBOX" not in text
    assert "partent" not in text


def test_who_writes_is_named_as_in_a_failure_notice() -> None:
    assert notice()["From"] == "Passerelle de messagerie sécurisée <postmaster@gw.example>"

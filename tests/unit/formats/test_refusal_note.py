"""The note beside a collected letter that was refused: who reads that mailbox, and that alone, can do something."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

from mssgw.core.replies import Reply
from mssgw.formats.refusal_note import refusal_note


def test_it_reads_as_french_in_a_list_of_letters_and_names_the_folder_to_use() -> None:
    """Only SMTP has to do without accents; "le dossier relevé" says nothing to who did not write the configuration."""
    octets = refusal_note(
        "refus-1-2",
        reply=Reply(550, "5.7.1", "Un seul patient par message : envoyez un message a chacun"),
        spool_id="1M7ZTY3TH5M3REAG",
        message_id="<1@hopital.fr>",
        folder="INBOX",
        hostname="gw.example",
        at=datetime(2026, 11, 21, 13, tzinfo=UTC),
    )
    message = message_from_bytes(octets, policy=policy.SMTP)
    assert message["From"] == "Passerelle de messagerie sécurisée <postmaster@gw.example>"
    assert message["Subject"] == "Message refusé par la passerelle : 550 5.7.1"
    text = message.get_content()  # type: ignore[attr-defined]
    assert "remettez le message dans le dossier « Boîte de réception »" in text
    assert "Référence dans la trace de la passerelle : 1M7ZTY3TH5M3REAG" in text
    assert octets.partition(b"\r\n\r\n")[0].isascii()

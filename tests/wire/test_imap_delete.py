"""Deleting some letters and no others, on a server that does not do as it is told."""

import pytest

from mssgw.ports.mailbox import INBOX, MailboxRefused
from tests.wire.scripted_imap import TAG, ScriptedImap
from tests.wire.test_imap_hostile import session

WITHOUT_UIDPLUS = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE\r\n" + TAG + b" OK done\r\n"


async def test_exactly_those_are_marked_and_expunged() -> None:
    async with ScriptedImap() as server, session(server) as mailbox:
        assert (await mailbox.open(INBOX)).deletes
        await mailbox.delete([5, 9])
        said = [each for each in server.commands if each.startswith(("UID STORE", "UID EXPUNGE", "EXPUNGE"))]
    assert said == [r"UID STORE 5,9 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 5,9"]


async def test_letters_that_cannot_be_expunged_do_not_stay_marked() -> None:
    """They would go with anybody's next EXPUNGE, and no journal would know."""
    refuses = {"UID EXPUNGE": TAG + b" NO [NOPERM] not yours\r\n"}
    async with ScriptedImap(refuses) as server, session(server) as mailbox:
        await mailbox.open(INBOX)
        with pytest.raises(MailboxRefused):
            await mailbox.delete([5, 9])
        assert server.said("UID STORE")[-1] == r"UID STORE 5,9 -FLAGS.SILENT (\Deleted)"


async def test_without_uidplus_nothing_is_even_marked() -> None:
    """And the folder says so, before anybody relies on it."""
    async with ScriptedImap({"CAPABILITY": WITHOUT_UIDPLUS}) as server, session(server) as mailbox:
        assert not (await mailbox.open(INBOX)).deletes
        with pytest.raises(MailboxRefused, match="and no others"):
            await mailbox.delete([5])
        assert not server.said("UID STORE")

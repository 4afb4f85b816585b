"""A mail store that lies, floods, falls silent or hangs up: every wait ends, nothing wrong is believed (issue list)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mssgw.core.errors import GatewayError
from mssgw.core.routes import TlsPolicy
from mssgw.edges.imap import ImapMailbox, ImapMailboxes
from mssgw.edges.imap_limits import Limits
from mssgw.ports.mailbox import (
    INBOX,
    PIECE,
    SEEN,
    LetterTooBig,
    LoginBroken,
    LoginRefused,
    MailboxDistrusted,
    MailboxLost,
    MailboxRefused,
    NoSuchFolder,
    NoSuchMessage,
    OverQuota,
    Placed,
)
from tests.canaries import MATRICULES
from tests.contract.mailboxes import account_of, pieces
from tests.wire.scripted_imap import CLOSE, DEAF, OK, SELECTED, SILENCE, TAG, Answer, Flood, Script, ScriptedImap

NOW = datetime(2026, 11, 21, 19, 4, 5, tzinfo=UTC)
PATIENT = f"{MATRICULES[0]}@patient.mssante.fr"
LETTER = b"Subject: essai\r\n\r\nBonjour\r\n"

# So long that a test which had to wait for one of them would be seen to hang.
PATIENT_LIMITS = Limits(connect=300, command=300, probe=300, progress=300, store=300, idle=300, poll=300, farewell=1)
BRISK = Limits(connect=0.3, command=0.3, probe=0.3, progress=0.3, store=0.3, idle=0.3, poll=0.1, farewell=0.1)

MOMENTS = ["GREETING", "CAPABILITY", "AUTHENTICATE", "SELECT", "UID FETCH", "LITERAL", "APPEND", "NOOP", "IDLE"]


@asynccontextmanager
async def session(server: ScriptedImap, limits: Limits = PATIENT_LIMITS) -> AsyncIterator[ImapMailbox]:
    mailboxes = ImapMailboxes(tls_contexts=lambda _: pytest.fail("no TLS here"), limits=limits)
    account = account_of(PATIENT, server.port, TlsPolicy.NONE, host="127.0.0.1")
    async with mailboxes.open(account) as mailbox:
        yield mailbox


async def everything(server: ScriptedImap, limits: Limits) -> None:
    """A session that does a little of all."""
    async with session(server, limits) as mailbox:
        await mailbox.open(INBOX)
        await mailbox.search()
        async for _ in mailbox.fetch(5):
            pass
        await append(mailbox)
        await mailbox.wait(limits.idle)


async def append(mailbox: ImapMailbox) -> Placed | None:
    return await mailbox.append(INBOX, "Q1.0", pieces(LETTER), size=len(LETTER), received_at=NOW)


def text(
    content: bytes, *, uid: int = 5, size: int | None = None, offset: int = 0, announced: int | None = None
) -> bytes:
    """A FETCH response that carries a piece of a letter."""
    head = f"* 1 FETCH (UID {uid} RFC822.SIZE {len(content) if size is None else size} BODY[]<{offset}> "
    return f"{head}{{{len(content) if announced is None else announced}}}\r\n".encode() + content + b")\r\n"


async def fetched(*answers: Answer, limits: Limits = PATIENT_LIMITS) -> bytes:
    async with ScriptedImap({"UID FETCH": [*answers]}) as server, session(server, limits) as mailbox:
        await mailbox.open(INBOX)
        return b"".join([piece async for piece in mailbox.fetch(5)])


class TestNothingIsWaitedForInVain:
    @pytest.mark.parametrize("moment", MOMENTS)
    async def test_a_connection_that_closes_is_seen_at_once(self, moment: str) -> None:
        """At any moment; the limits are minutes away."""
        script = {"UID FETCH": text(LETTER) + OK} | {moment: CLOSE}
        async with ScriptedImap(script) as server:
            with pytest.raises(MailboxLost):
                await everything(server, PATIENT_LIMITS)

    @pytest.mark.parametrize("moment", MOMENTS)
    async def test_so_is_a_bye(self, moment: str) -> None:
        """Even where the connection then stays open."""
        script = {"UID FETCH": text(LETTER) + OK} | {moment: b"* BYE [UNAVAILABLE] restart\r\n"}
        async with ScriptedImap(script) as server:
            with pytest.raises(MailboxLost):
                await everything(server, PATIENT_LIMITS)

    @pytest.mark.parametrize("moment", [*MOMENTS, "DONE"])
    async def test_a_server_that_never_answers_is_given_up(self, moment: str) -> None:
        """At any moment; an IDLE that was dropped in silence is seen when it should end."""
        script = {"UID FETCH": text(LETTER) + OK} | {moment: SILENCE}
        async with ScriptedImap(script) as server:
            with pytest.raises(MailboxLost):
                await everything(server, BRISK)

    async def test_a_port_where_nobody_listens(self) -> None:
        """An error of ours."""
        async with ScriptedImap() as server:
            pass
        with pytest.raises(MailboxLost):
            await everything(server, PATIENT_LIMITS)

    async def test_a_server_that_stops_reading_a_letter(self) -> None:
        """It has asked for it, and no octet goes out any more."""

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65_536

        async with ScriptedImap({"LITERAL": DEAF}) as server, session(server, BRISK) as mailbox:
            with pytest.raises(MailboxLost):
                await mailbox.append(INBOX, "Q1.0", endless(), size=1 << 30, received_at=NOW)

    async def test_a_command_that_was_cancelled_ends_the_session(self) -> None:
        """Its answer may still come: the next one would be taken for it."""
        async with ScriptedImap({"UID SEARCH": SILENCE}) as server, session(server) as mailbox:
            await mailbox.open(INBOX)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await mailbox.search()
            with pytest.raises(MailboxLost):
                await mailbox.open(INBOX)


class TestLies:
    async def test_an_honest_letter(self) -> None:
        """Or the tests below could not fail."""
        assert await fetched(text(LETTER) + OK) == LETTER

    async def test_an_honest_letter_of_several_pieces(self) -> None:
        """Full ones, as fast as they come in clear."""
        piece = b"x" * PIECE
        answers = [text(piece, size=PIECE * 2 + 1, offset=offset) + OK for offset in (0, PIECE)]
        assert await fetched(*answers, text(b"y", size=PIECE * 2 + 1, offset=PIECE * 2) + OK) == piece * 2 + b"y"

    @pytest.mark.parametrize("announced", [4_294_967_296, 99_999_999_999, PIECE + 200_000])
    async def test_a_literal_larger_than_what_was_asked_for_is_refused_before_it_comes(self, announced: int) -> None:
        """Memory stays bounded."""
        with pytest.raises(MailboxLost):
            await fetched(text(LETTER, announced=announced))

    @pytest.mark.parametrize("announced", [1, 20, len(LETTER) - 1])
    async def test_a_literal_longer_than_announced(self, announced: int) -> None:
        """What overflows is no response."""
        with pytest.raises(MailboxLost):
            await fetched(text(LETTER, announced=announced) + OK)

    async def test_a_literal_shorter_than_announced(self) -> None:
        """It is waited for, but not for ever."""
        with pytest.raises(MailboxLost):
            await fetched(text(LETTER, announced=50_000) + OK, limits=BRISK)

    async def test_a_piece_larger_than_asked_for(self) -> None:
        """A server that ignores partial fetches, for one."""
        with pytest.raises(MailboxLost):
            await fetched(text(b"x" * (PIECE + 1)) + OK)

    async def test_braces_in_words_for_people_announce_nothing(self) -> None:
        """Not at the end of an OK, either."""
        assert await fetched(b"* OK you have {17}\r\n" + text(LETTER) + TAG + b" OK that was {9}\r\n") == LETTER

    async def test_a_text_of_another_message_is_not_taken(self) -> None:
        """Wrong UIDs: a letter for a letter of somebody else."""
        with pytest.raises(NoSuchMessage):
            await fetched(text(LETTER, uid=7) + OK)
        assert await fetched(text(b"Subject: autre\r\n", uid=7) + text(LETTER) + OK) == LETTER

    async def test_two_texts_for_one_message(self) -> None:
        """Which one would be the letter?"""
        with pytest.raises(MailboxLost):
            await fetched(text(LETTER) + text(b"Subject: autre\r\n") + OK)

    async def test_a_piece_from_elsewhere_in_the_letter(self) -> None:
        """It is not the piece that was asked for."""
        with pytest.raises(NoSuchMessage):
            await fetched(text(LETTER, offset=100) + OK)

    async def test_a_size_that_is_only_estimated(self) -> None:
        """As Exchange does: the letter ends where nothing follows."""
        end, there = text(b"", size=999, offset=len(LETTER)) + OK, text(b"S", size=999) + OK
        assert await fetched(text(LETTER, size=999) + OK, end, there) == LETTER
        assert await fetched(text(LETTER, size=3) + OK, end, there) == LETTER

    @pytest.mark.parametrize("size", [0, PIECE + 1, 999_999])
    @pytest.mark.parametrize("afterwards", [b"BODY[]<0> NIL", b'BODY[]<0> ""', b"FLAGS ()"])
    async def test_a_letter_that_is_removed_while_it_is_read(self, size: int, afterwards: bytes) -> None:
        """Dovecot says NIL, and OK, for the pieces that it has no more: what came before them is no whole letter."""
        gone = b"* 1 FETCH (UID 5 RFC822.SIZE %d BODY[]<%d> NIL)\r\n* 1 EXPUNGE\r\n" % (size, PIECE)
        answers = [text(b"x" * PIECE, size=PIECE + 1) + OK, gone + TAG + b" OK [EXPUNGEISSUED] gone\r\n"]
        with pytest.raises(NoSuchMessage):
            await fetched(*answers, b"* 1 FETCH (UID 5 " + afterwards + b")\r\n" + OK)

    @pytest.mark.parametrize("size", [0, 999])
    async def test_nor_is_one_that_was_removed_before_an_empty_letter(self, size: int) -> None:
        """With the size 0, as Dovecot says it of a Maildir."""
        with pytest.raises(NoSuchMessage):
            await fetched(b"* 1 FETCH (UID 5 RFC822.SIZE %d BODY[]<0> NIL)\r\n" % size + OK)
        assert await fetched(text(b"") + OK) == b""

    async def test_the_end_of_a_letter_may_be_nil(self) -> None:
        """Where its last piece is a full one, one more is asked for."""
        end = b"* 1 FETCH (UID 5 BODY[]<%d> NIL)\r\n" % PIECE + OK
        assert await fetched(text(b"x" * PIECE) + OK, end) == b"x" * PIECE

    async def test_a_letter_cut_short(self) -> None:
        """A part must never be taken for the whole: after a short piece, nothing may follow."""
        rest = text(b"la suite\r\n", size=999, offset=len(LETTER)) + OK
        with pytest.raises(MailboxLost):
            await fetched(text(LETTER, size=999) + OK, rest)

    @pytest.mark.parametrize("uids", [b"0", b"4294967296", b"-1", b"five", b"5 (6)", b"99999999999999999999999"])
    async def test_uids_that_cannot_be(self, uids: bytes) -> None:
        script: Script = {"UID SEARCH": b"* SEARCH " + uids + b"\r\n" + OK}
        async with ScriptedImap(script) as server, session(server) as mailbox:
            await mailbox.open(INBOX)
            with pytest.raises(MailboxLost):
                await mailbox.search()

    async def test_uids_that_were_not_asked_for(self) -> None:
        """The last message is in every range that ends with a star."""
        script: Script = {"UID SEARCH": b"* SEARCH 9 3 5 9\r\n* SEARCH 4\r\n" + OK}
        async with ScriptedImap(script) as server, session(server) as mailbox:
            await mailbox.open(INBOX)
            assert await mailbox.search(above=3) == [4, 5, 9]
            assert await mailbox.search(among=[5, 7]) == [5]

    async def test_a_folder_with_more_than_one_answer_holds_is_looked_through_in_parts(self) -> None:
        """Oldest first, and no further than one asks for; however large the UIDs."""
        full = b"* 25000 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 4294967295] .\r\n" + OK
        found: list[Answer] = [OK, b"* SEARCH 5 6\r\n" + OK, b"* SEARCH 9999999 5\r\n" + OK, OK]
        async with ScriptedImap({"SELECT": full, "UID SEARCH": found}) as server, session(server) as mailbox:
            await mailbox.open(INBOX)
            assert await mailbox.search(above=4, limit=3) == [5, 6, 9_999_999]
            assert await mailbox.search(above=4_294_940_000) == []
        assert [each.split()[3] for each in server.said("UID SEARCH")] == [
            "5:4294971",
            "4294972:8589938",
            "8589939:12884905",
            "4294940001:4294960000",
            "4294960001:*",
        ]

    @pytest.mark.parametrize("nothing", [b"* SEARCH\r\n" + OK, TAG + b" BAD HEADER?\r\n"])
    async def test_a_server_that_searches_no_header_fields_of_ours(self, nothing: bytes) -> None:
        """It says that there is none, where there is: what is put there would be put there at every attempt."""

        def described(letter_id: bytes) -> bytes:
            header = b"X-Mssgw-Id: " + letter_id + b"\r\n\r\n"
            items = b"UID 5 FLAGS () RFC822.SIZE 99 BODY[HEADER.FIELDS (X-Mssgw-Id)] {%d}\r\n" % len(header)
            return b"* 1 FETCH (" + items + header + b")\r\n" + OK

        script: Script = {"UID SEARCH SINCE": nothing, "UID FETCH": described(b"Q1.0")}
        async with ScriptedImap(script) as server, session(server) as mailbox:
            assert await mailbox.find([INBOX], "Q1.0", since=NOW) == Placed(uid_validity=7, uid=5)
            assert server.said("UID SEARCH")[-1] == "UID SEARCH UID 1:* SINCE 20-Nov-2026"
            assert await mailbox.find([INBOX], "Q2.0", since=NOW) is None
        # An index that lags behind: any of ours is found, but not the last one.
        script |= {"UID SEARCH SINCE": [nothing, b"* SEARCH 5 3\r\n" + OK, nothing]}
        async with ScriptedImap(script) as server, session(server) as mailbox:
            assert await mailbox.find([INBOX], "Q1.0", since=NOW) == Placed(uid_validity=7, uid=5)

    async def test_where_the_last_letter_of_ours_is_found_no_other_headers_are_read(self) -> None:
        """A mailbox may hold very many: the server's word is believed."""
        header = b"X-Mssgw-Id: Q1.0\r\n\r\n"
        items = b"UID 5 FLAGS () RFC822.SIZE 99 BODY[HEADER.FIELDS (X-Mssgw-Id)] {%d}\r\n" % len(header)
        script: Script = {
            "UID SEARCH SINCE": [b"* SEARCH\r\n" + OK, b"* SEARCH 3 5\r\n" + OK, b"* SEARCH 5\r\n" + OK],
            "UID FETCH": b"* 1 FETCH (" + items + header + b")\r\n" + OK,
        }
        async with ScriptedImap(script) as server, session(server) as mailbox:
            assert await mailbox.find([INBOX], "Q2.0", since=NOW) is None
        ours = 'UID SEARCH SINCE 20-Nov-2026 HEADER X-Mssgw-Id "{}"'
        assert server.said("UID SEARCH") == [ours.format(each) for each in ("Q2.0", "", "Q1.0")]

    async def test_a_folder_without_uid_validity(self) -> None:
        """Its UIDs would mean nothing tomorrow."""
        async with ScriptedImap({"SELECT": b"* 1 EXISTS\r\n" + OK}) as server, session(server) as mailbox:
            with pytest.raises(MailboxLost):
                await mailbox.open(INBOX)

    @pytest.mark.parametrize("answer", [b"A999 OK done\r\n", b"what?\r\n", b"\r\n", b"\x00\xff\r\n", b"* \r\n"])
    async def test_what_is_no_answer_at_all(self, answer: bytes) -> None:
        async with ScriptedImap({"SELECT": answer}) as server, session(server) as mailbox:
            with pytest.raises(MailboxLost):
                await mailbox.open(INBOX)


class TestFloods:
    async def test_three_thousand_lines_are_survived(self) -> None:
        """Somebody marked a whole folder as read."""
        lines = b"".join(b"* %d FETCH (FLAGS (\\Seen))\r\n" % n for n in range(1, 3_001))
        assert await fetched(lines + text(LETTER) + lines + OK) == LETTER

    @pytest.mark.parametrize(
        "octets", [b"* 1 FETCH (FLAGS ())\r\n" * 1_000, b"x" * 65_536, b"* 1 FETCH (" + b"(" * 50_000 + b"\r\n"]
    )
    @pytest.mark.parametrize("moment", ["GREETING", "CAPABILITY", "UID FETCH", "IDLE", "NOOP"])
    async def test_an_answer_without_end_is_cut(self, moment: str, octets: bytes) -> None:
        """Lines without end, or one line without end."""
        script = {"UID FETCH": text(LETTER) + OK} | {moment: Flood(octets)}
        async with ScriptedImap(script) as server:
            with pytest.raises(MailboxLost):
                await everything(server, PATIENT_LIMITS)


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (b" NO [OVERQUOTA] full\r\n", OverQuota),
            (b" NO [TOOBIG] too big\r\n", LetterTooBig),
            (b" NO [TRYCREATE] none\r\n", NoSuchFolder),
            (b" NO [LIMIT] later\r\n", MailboxRefused),
            (b" NO no\r\n", MailboxRefused),
            (b" BAD what?\r\n", MailboxRefused),
        ],
    )
    @pytest.mark.parametrize("moment", ["LITERAL", "APPEND"])
    async def test_a_letter_may_be_refused_before_or_after_it_went_out(
        self, moment: str, answer: bytes, error: type[GatewayError]
    ) -> None:
        """The session goes on."""
        async with ScriptedImap({moment: TAG + answer}) as server, session(server) as mailbox:
            with pytest.raises(error):
                await append(mailbox)
            assert (await mailbox.open(INBOX)).uid_validity == 7

    @pytest.mark.parametrize("name", [INBOX, "Archives"])
    async def test_a_folder_that_cannot_be_opened_now_is_not_taken_for_missing(self, name: str) -> None:
        """A busy Exchange says NO without a code: a letter that lies there would be put there a second time."""
        listed = b'* LIST (\\HasNoChildren) "/" "%s"\r\n' % name.encode() + OK
        busy: Script = {"SELECT": TAG + b" NO Server Unavailable. 15\r\n", "LIST": [listed, listed, OK]}
        async with ScriptedImap(busy) as server, session(server) as mailbox:
            with pytest.raises(MailboxRefused):
                await mailbox.open(name)
            with pytest.raises(MailboxRefused):
                await mailbox.find([name], "Q1.0", since=NOW)
            assert await mailbox.find([name], "Q1.0", since=NOW) is None  # there is none by now
            with pytest.raises(NoSuchFolder):
                await mailbox.open(name)

    async def test_no_word_of_the_server_gets_into_an_error(self) -> None:
        """It may quote a folder or a login, and that is an INS."""
        said = f" NO [{MATRICULES[0]}] no such mailbox: {PATIENT}\r\n".encode()
        script: Script = {"SELECT": TAG + said, "LITERAL": TAG + said}
        async with ScriptedImap(script) as server, session(server) as mailbox:
            for attempt in (mailbox.open(PATIENT), append(mailbox)):
                with pytest.raises(GatewayError) as refused:
                    await attempt
                assert MATRICULES[0] not in str(refused.value) + repr(refused.value)

    async def test_where_idle_is_missing_or_refused_the_server_is_asked(self) -> None:
        """By NOOP, which tells of new letters as well."""
        plain = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK
        for script in ({"CAPABILITY": plain}, {"IDLE": TAG + b" NO not now\r\n"}):
            noops: list[Answer] = [OK, OK, b"* 2 EXISTS\r\n" + OK]
            async with ScriptedImap({**script, "NOOP": noops}) as server, session(server, BRISK) as mailbox:
                await mailbox.open(INBOX)
                assert await mailbox.wait(10)

    async def test_a_number_of_letters_that_is_said_again_is_no_news(self) -> None:
        """Some say it in every answer: the folder would be looked at without a pause."""
        again, one_more = b"* 1 EXISTS\r\n", b"* 1 EXPUNGE\r\n* 1 EXISTS\r\n"
        for idle in (b"+ idling\r\n", TAG + b" NO not now\r\n"):
            script: Script = {"NOOP": again + OK, "IDLE": again + idle}
            async with ScriptedImap(script) as server, session(server, BRISK) as mailbox:
                await mailbox.open(INBOX)
                assert not await mailbox.wait(0.5)
                server.script["NOOP"] = one_more + OK
                assert await mailbox.wait(10)

    async def test_a_server_that_ends_every_idle_at_once_keeps_nobody_busy(self) -> None:
        """One that says OK before it was waited for is asked from time to time, as one without IDLE."""
        async with ScriptedImap({"IDLE": OK}) as server, session(server, BRISK) as mailbox:
            await mailbox.open(INBOX)
            assert not await mailbox.wait(1)
            assert server.said("IDLE") == ["IDLE"]

    async def test_without_move_and_uidplus_nobody_elses_letters_are_removed(self) -> None:
        """Moved letters stay marked; to delete is refused."""
        plain = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK
        async with ScriptedImap({"CAPABILITY": plain}) as server, session(server) as mailbox:
            await mailbox.open(INBOX)
            await mailbox.move([5], "Traites")
            with pytest.raises(MailboxRefused):
                await mailbox.delete([5])
        assert server.said("UID COPY") == ['UID COPY 5 "Traites"']
        assert server.said("UID STORE") == [r"UID STORE 5 +FLAGS.SILENT (\Deleted)"]
        assert not [command for command in server.commands if "EXPUNGE" in command]


async def test_an_answer_that_comes_as_its_asker_is_cancelled_breaks_nothing() -> None:
    """asyncio would log the failure, with what the server said."""
    async with ScriptedImap() as server, session(server) as mailbox:
        wire = mailbox._wire
        wire.begin("NOOP")
        assert wire._done is not None
        assert wire.pending_sync_command is not None
        wire._done.cancel()
        wire.data_received(f"{wire.pending_sync_command.tag} OK done\r\n".encode())


class TestLogin:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (b" NO [AUTHENTICATIONFAILED] no\r\n", LoginRefused),
            (b" NO no\r\n", LoginRefused),
            (b" BAD no\r\n", LoginRefused),
            (b" NO [UNAVAILABLE] the directory is down\r\n", MailboxLost),
        ],
    )
    async def test_a_refused_login_is_told_from_a_store_in_trouble(
        self, answer: bytes, error: type[GatewayError]
    ) -> None:
        """The first is an alarm and tried rarely; the second passes."""
        async with ScriptedImap({"AUTHENTICATE": TAG + answer}) as server:
            with pytest.raises(error) as refused:
                await everything(server, PATIENT_LIMITS)
        assert type(refused.value) is error

    @pytest.mark.parametrize("answer", [CLOSE, SILENCE, b"* BYE\r\n"])
    async def test_a_store_that_hangs_up_over_a_login_is_there_for_others(self, answer: Answer) -> None:
        """So Dovecot does where a master login opens a mailbox that does not exist: not a store that is down."""
        async with ScriptedImap({"AUTHENTICATE": answer}) as server:
            with pytest.raises(LoginBroken):
                await everything(server, BRISK)
        async with ScriptedImap({"GREETING": answer}) as server:
            with pytest.raises(MailboxLost) as lost:
                await everything(server, BRISK)
        assert type(lost.value) is MailboxLost

    async def test_without_plain_the_old_command_is_used_and_quoted(self) -> None:
        """Quotation marks and backslashes of a password are its own."""
        plain = b"* CAPABILITY IMAP4rev1\r\n" + OK
        async with ScriptedImap({"CAPABILITY": plain}) as server:
            account = account_of('a"b', server.port, TlsPolicy.NONE, host="127.0.0.1")
            mailboxes = ImapMailboxes(tls_contexts=lambda _: pytest.fail("no TLS here"))
            async with mailboxes.open(replace(account, password='c\\"d')):
                pass
            with pytest.raises(LoginRefused):  # no way to write an accent
                async with mailboxes.open(account):
                    pass
        assert server.said("LOGIN") == [r'LOGIN "a\"b" "c\\\"d"']

    async def test_a_server_that_takes_no_password_gets_none(self) -> None:
        disabled = b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n" + OK
        async with ScriptedImap({"CAPABILITY": disabled}) as server:
            with pytest.raises(LoginRefused):
                await everything(server, PATIENT_LIMITS)
        assert server.commands == ["CAPABILITY"]

    async def test_a_server_that_greets_us_as_logged_in(self) -> None:
        """As whom? We have not said who we are."""
        async with ScriptedImap({"GREETING": b"* PREAUTH welcome\r\n"}) as server:
            with pytest.raises(MailboxDistrusted):
                await everything(server, PATIENT_LIMITS)
        assert server.commands == []


async def test_nothing_of_a_session_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not at DEBUG, either: aioimaplib would log logins and letters."""
    caplog.set_level(0)
    letter = f"Subject: {MATRICULES[1]}\r\n\r\n".encode()
    script = {"UID FETCH": text(letter) + OK, "SELECT": f"* OK {PATIENT}\r\n".encode() + SELECTED, "NOOP": b"*\r\n"}
    async with ScriptedImap(script) as server, session(server) as mailbox:
        await mailbox.open(PATIENT)
        assert [piece async for piece in mailbox.fetch(5)] == [letter]
        await mailbox.mark([5], add=[SEEN])
        await append(mailbox)
        with pytest.raises(MailboxLost):
            await mailbox.search()
    assert "aioimaplib" not in caplog.text
    assert not [each for each in MATRICULES if each in caplog.text]

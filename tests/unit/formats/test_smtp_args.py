"""MAIL, RCPT and XCLIENT arguments: what is read, and with which reply the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.envelope import Notify
from mssgw.formats.smtp_args import BadArgument, parse_mail, parse_rcpt, parse_xclient

ALL_MAIL = "FROM:<a@b.fr> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>"


def test_mail_takes_every_parameter_that_ehlo_offers():
    mail = parse_mail(ALL_MAIL)
    assert mail.reverse_path is not None
    assert mail.reverse_path.text == "a@b.fr"
    assert (mail.size, mail.eight_bit, mail.smtputf8, mail.ret, mail.envid) == (10, True, True, "HDRS", "QQ+2B1")


def test_names_and_words_compare_without_case_and_a_space_may_follow_the_colon():
    mail = parse_mail("from: <a@b.fr> body=8bitmime ret=full")
    assert (mail.eight_bit, mail.ret) == (True, "FULL")
    assert parse_mail("FROM:<>").reverse_path is None


def test_rcpt_keeps_notify_and_orcpt():
    path = parse_rcpt("TO:<c@d.fr> NOTIFY=success,DELAY ORCPT=rfc822;c+2Bx@d.fr")
    assert path.notify == {Notify.SUCCESS, Notify.DELAY}
    assert path.orcpt == "rfc822;c+2Bx@d.fr"
    assert parse_rcpt("TO:<c@d.fr>").notify is None
    assert parse_rcpt("TO:<c@d.fr> NOTIFY=NEVER").notify == {Notify.NEVER}


def test_a_source_route_is_dropped():
    assert parse_rcpt("TO:<@relay.fr,@other.fr:c@d.fr>").address.text == "c@d.fr"


def test_a_quoted_local_part_may_hold_brackets_and_spaces():
    assert parse_rcpt('TO:<"a> b\\""@d.fr> NOTIFY=NEVER').address.text == '"a> b\\""@d.fr'


def test_a_bare_postmaster_is_the_one_of_this_host():
    assert parse_rcpt("TO:<PostMaster>", hostname="gw.example.fr").address.text == "PostMaster@gw.example.fr"


@pytest.mark.parametrize(
    ("argument", "code", "status"),
    [
        ("", 501, "5.5.4"),
        ("TO:<a@b.fr>", 501, "5.5.4"),
        ("FROM:a@b.fr", 501, "5.5.4"),
        ("FROM:<a@b.fr", 501, "5.5.4"),
        ("FROM:<a@b.fr>SIZE=1", 501, "5.5.4"),
        ('FROM:<"a@b.fr>', 501, "5.5.4"),
        ("FROM:<a@b..fr>", 553, "5.1.7"),
        ("FROM:<a b@b.fr>", 553, "5.1.7"),
        ("FROM:<\udce9@b.fr> SMTPUTF8", 553, "5.1.7"),
        ("FROM:<é@b.fr>", 553, "5.6.7"),
        ("FROM:<a@b.fr> SIZE=", 501, "5.5.4"),
        ("FROM:<a@b.fr> SIZE", 501, "5.5.4"),
        ("FROM:<a@b.fr> SIZE=-1", 501, "5.5.4"),
        ("FROM:<a@b.fr> SIZE=1 SIZE=1", 501, "5.5.4"),
        ("FROM:<a@b.fr> BODY=BINARYMIME", 501, "5.5.4"),
        ("FROM:<a@b.fr> SMTPUTF8=1", 501, "5.5.4"),
        ("FROM:<a@b.fr> RET=SOME", 501, "5.5.4"),
        ("FROM:<a@b.fr> ENVID=a+0D+0Ab", 501, "5.5.4"),
        ("FROM:<a@b.fr> ENVID=a+zz", 501, "5.5.4"),
        ("FROM:<a@b.fr> ENVID=" + "x" * 101, 501, "5.5.4"),
        ("FROM:<a@b.fr> MT-PRIORITY=1", 555, "5.5.4"),
    ],
)
def test_a_bad_mail_argument_is_refused(argument, code, status):
    with pytest.raises(BadArgument) as refused:
        parse_mail(argument)
    assert (refused.value.reply.code, refused.value.reply.status) == (code, status)


@pytest.mark.parametrize(
    ("argument", "code", "status"),
    [
        ("TO:<>", 553, "5.1.3"),
        ("TO:<@a.fr:>", 553, "5.1.3"),
        ("TO:<a@b.fr,c@d.fr>", 553, "5.1.3"),
        ("TO:<postmaster>", 553, "5.1.3"),
        ("TO:<é@b.fr>", 553, "5.6.7"),
        ("TO:<a@b.fr> NOTIFY=NEVER,DELAY", 501, "5.5.4"),
        ("TO:<a@b.fr> NOTIFY=SOMETIMES", 501, "5.5.4"),
        ("TO:<a@b.fr> NOTIFY=", 501, "5.5.4"),
        ("TO:<a@b.fr> ORCPT=a@b.fr", 501, "5.5.4"),
        ("TO:<a@b.fr> ORCPT=rfc822;a+0A@b.fr", 501, "5.5.4"),
        ("TO:<a@b.fr> SIZE=1", 555, "5.5.4"),
    ],
)
def test_a_bad_rcpt_argument_is_refused(argument, code, status):
    with pytest.raises(BadArgument) as refused:
        parse_rcpt(argument)
    assert (refused.value.reply.code, refused.value.reply.status) == (code, status)


def test_after_helo_no_parameter_is_allowed():
    assert parse_mail("FROM:<a@b.fr>", extended=False).size == 0
    with pytest.raises(BadArgument):
        parse_mail("FROM:<a@b.fr> SIZE=1", extended=False)


def test_xclient_takes_login_alone():
    assert parse_xclient("LOGIN=marie+20m") == "marie m"
    assert parse_xclient("LOGIN=[UNAVAILABLE]") is None
    for bad in ("NAME=x", "LOGIN=", "LOGIN", "LOGIN=a NAME=b", "LOGIN=a+0Ab"):
        with pytest.raises(BadArgument):
            parse_xclient(bad)


@given(st.sampled_from(["FROM:<", "TO:<", "LOGIN=", ""]), st.text(max_size=80))
def test_any_argument_is_read_or_refused_and_nothing_else(start, text):
    """No other exception escapes, and the refusal holds nothing of the text."""
    for parse in (parse_mail, parse_rcpt, parse_xclient):
        told = ""
        try:
            parse(start + text)
        except BadArgument as refused:
            told = str(refused) + refused.reply.text
        assert len(told) < 160
        assert len(text) < 12 or text not in told

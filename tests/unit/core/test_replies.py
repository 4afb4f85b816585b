"""SMTP replies: one line of printable ASCII, whatever a peer said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssgw.core.errors import GatewayError, MalformedAddress, StoreFull, StoreUnavailable
from mssgw.core.replies import DISK_FULL, INTERNAL_ERROR, Reply


@given(st.text(max_size=60))
def test_a_text_is_made_safe(text):
    """A CR or LF would be a second reply to the peer."""
    reply = Reply(550, "5.1.1", text)
    assert len(reply.text) == len(text)
    assert all(" " <= char <= "~" for char in reply.text)


@pytest.mark.parametrize("code", [0, 199, 600, -1])
def test_a_code_is_200_to_599(code):
    with pytest.raises(ValueError, match="200 to 599"):
        Reply(code, "", "")


@pytest.mark.parametrize(
    ("code", "ok", "transient", "permanent"),
    [(250, True, False, False), (354, True, False, False), (451, False, True, False), (550, False, False, True)],
)
def test_the_first_digit_says_what_to_do(code, ok, transient, permanent):
    reply = Reply(code, "", "x")
    assert (reply.ok, reply.transient, reply.permanent) == (ok, transient, permanent)


def test_a_reply_prints_as_it_goes_over_the_wire():
    assert str(Reply(550, "5.1.1", "No such user")) == "550 5.1.1 No such user"
    assert str(Reply(550, "", "No such user")) == "550 No such user"


def test_our_own_trouble_is_never_permanent():
    assert INTERNAL_ERROR.transient
    assert DISK_FULL.transient
    assert GatewayError().reply is INTERNAL_ERROR
    assert StoreUnavailable.reply.transient
    assert (StoreFull.reply.code, StoreFull.reply.status) == (452, "4.3.1")


def test_an_error_without_words_says_what_its_class_means():
    assert str(MalformedAddress()) == "The address does not follow RFC 5321 section 4.1.2."
    assert str(MalformedAddress("why")) == "why"

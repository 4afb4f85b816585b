"""A thing that lasts is told when it is news, and an alarm again each hour."""

from datetime import UTC, datetime, timedelta

from mssgw.core.reminders import AGAIN, Reminders

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_thing_is_told_once_and_again_after_an_hour() -> None:
    told = Reminders()
    moments = [NOW + each * MINUTE for each in (0, 1, 59, 60, 61, 119, 120)]
    assert [told.due("a", each) for each in moments] == [True, False, False, True, False, False, True]


def test_things_do_not_hide_each_other_and_another_text_is_news() -> None:
    told = Reminders()
    assert told.due("a", NOW, saying="x")
    assert told.due("b", NOW, saying="x")
    assert told.due("a", NOW, saying="y")
    assert not told.due("a", NOW, saying="y")


def test_what_is_no_alarm_is_never_repeated() -> None:
    told = Reminders()
    assert told.due("a", NOW, again=False)
    assert not told.due("a", NOW + 100 * AGAIN, again=False)


def test_what_is_over_is_news_the_next_time() -> None:
    told = Reminders()
    assert not told.over("a")
    assert told.due("a", NOW)
    assert told.over("a")
    assert told.due("a", NOW)


def test_a_clock_that_is_set_back_repeats_rather_than_hides() -> None:
    """By an hour or more; a small correction changes nothing."""
    told = Reminders()
    assert told.due("a", NOW)
    assert not told.due("a", NOW - MINUTE)
    assert told.due("a", NOW - AGAIN)

"""Sessions: one reset a day, also when clocks change; F29."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.rules.sessions import (
    DEFAULT_RESET,
    ResetOverride,
    is_known_timezone,
    last_reset_at,
    next_reset_at,
    next_session_at,
    next_week_open_at,
    trading_day,
)

CHICAGO = ZoneInfo("America/Chicago")
SECOND = dt.timedelta(seconds=1)


def chicago(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def in_zone(hour, minute, timezone):
    return ResetOverride(dt.time(hour, minute), timezone)


def resets(first, last, override=None):
    """Every reset after first and up to last, as the clock would meet them."""
    found = []
    now = utc(first)
    while (now := next_reset_at(now, override)) <= utc(last):
        found.append(now)
    return found


def test_the_default_reset_is_17_00_in_chicago():
    assert in_zone(17, 0, "America/Chicago") == DEFAULT_RESET


def test_the_instant_of_the_reset_belongs_to_the_new_session():
    reset = chicago("2026-03-04 17:00")
    day = dt.timedelta(days=1)
    assert [next_reset_at(now) for now in (reset - SECOND, reset, reset + SECOND)] == [reset, reset + day, reset + day]
    assert [last_reset_at(now) for now in (reset - SECOND, reset, reset + SECOND)] == [reset - day, reset, reset]
    assert [trading_day(now).day for now in (reset - SECOND, reset, reset + SECOND)] == [4, 5, 5]


def test_answers_are_in_utc():
    now = chicago("2026-03-04 12:00")
    for found in (next_reset_at(now), last_reset_at(now), next_week_open_at(now)):
        assert found.tzinfo is dt.UTC


@pytest.mark.parametrize("question", [next_reset_at, next_session_at, last_reset_at, trading_day, next_week_open_at])
def test_an_instant_without_a_timezone_is_refused(question):
    with pytest.raises(ValueError, match="without a timezone"):
        question(chicago("2026-03-04 12:00").replace(tzinfo=None))


def test_an_override_replaces_the_default():
    assert next_reset_at(utc("2026-01-07 12:00"), in_zone(16, 30, "Europe/London")) == utc("2026-01-07 16:30")


@pytest.mark.parametrize("timezone", ["", "Chicago", "America", "../etc/passwd", "UTC\0", "x" * 5000])
def test_case_70_an_override_without_a_known_timezone_is_refused(timezone):
    assert not is_known_timezone(timezone)
    with pytest.raises(ValueError, match="is not known"):
        ResetOverride(dt.time(0), timezone)


def test_f29_in_spring_the_chicago_reset_fires_once_and_an_hour_earlier_in_utc():
    assert resets("2026-03-07 00:00", "2026-03-10 00:00") == [
        utc("2026-03-07 23:00"),
        utc("2026-03-08 22:00"),
        utc("2026-03-09 22:00"),
    ]


def test_f29_in_autumn_the_chicago_reset_fires_once_and_an_hour_later_in_utc():
    assert resets("2026-10-31 00:00", "2026-11-03 00:00") == [
        utc("2026-10-31 22:00"),
        utc("2026-11-01 23:00"),
        utc("2026-11-02 23:00"),
    ]


def test_f29_a_reset_at_a_time_the_clock_skips_fires_once_that_day():
    skipped = in_zone(2, 30, "America/Chicago")
    assert resets("2026-03-07 12:00", "2026-03-10 00:00", skipped) == [utc("2026-03-08 08:30"), utc("2026-03-09 07:30")]


def test_f29_a_reset_at_a_time_the_clock_shows_twice_fires_the_first_time_only():
    twice = in_zone(1, 30, "America/Chicago")
    assert resets("2026-10-31 12:00", "2026-11-03 00:00", twice) == [utc("2026-11-01 06:30"), utc("2026-11-02 07:30")]


def test_a_second_showing_of_the_reset_time_is_told_apart_from_the_first():
    twice = in_zone(1, 30, "America/Chicago")
    second_showing = chicago("2026-11-01 01:30").replace(fold=1)
    assert last_reset_at(second_showing, twice) == utc("2026-11-01 06:30")
    assert next_reset_at(second_showing, twice) == utc("2026-11-02 07:30")


@pytest.mark.parametrize(
    ("day", "chicago_utc_hour", "london_utc_hour"),
    [
        ("2026-03-06", 23, 17),
        ("2026-03-11", 22, 17),
        ("2026-03-31", 22, 16),
        ("2026-10-23", 22, 16),
        ("2026-10-28", 22, 17),
        ("2026-11-04", 23, 17),
    ],
    ids=["winter", "spring mismatch", "summer", "summer, late", "autumn mismatch", "winter again"],
)
def test_f29_each_zone_keeps_its_own_clock_in_the_mismatch_weeks(day, chicago_utc_hour, london_utc_hour):
    noon = utc(f"{day} 12:00")
    assert next_reset_at(noon).hour == chicago_utc_hour
    assert next_reset_at(noon, in_zone(17, 0, "Europe/London")).hour == london_utc_hour


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-06 16:59:59", "2026-03-06"),
        ("2026-03-06 17:00", "2026-03-09"),
        ("2026-03-07 12:00", "2026-03-09"),
        ("2026-03-08 16:59:59", "2026-03-09"),
        ("2026-03-08 17:00", "2026-03-09"),
        ("2026-03-09 16:59:59", "2026-03-09"),
        ("2026-03-09 17:00", "2026-03-10"),
    ],
    ids=["Friday", "Friday after the close", "Saturday", "Sunday", "Sunday's open", "Monday", "Monday's evening"],
)
def test_sundays_session_is_mondays_and_weekend_days_roll_to_monday(now, expected):
    assert trading_day(chicago(now)) == dt.date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("reset_hour", "reset_minute", "expected"), [(0, 0, 4), (8, 0, 4), (11, 59, 4), (12, 0, 5), (12, 1, 5), (17, 0, 5)]
)
def test_a_session_is_named_for_the_day_that_holds_most_of_it(reset_hour, reset_minute, expected):
    reset = in_zone(reset_hour, reset_minute, "America/Chicago")
    opened = chicago(f"2026-03-04 {reset_hour:02}:{reset_minute:02}")
    assert trading_day(opened, reset).day == expected
    assert trading_day(opened + dt.timedelta(hours=23, minutes=59), reset).day == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-04 12:00", "2026-03-08 17:00"),
        ("2026-03-07 23:00", "2026-03-08 17:00"),
        ("2026-03-08 16:59:59", "2026-03-08 17:00"),
        ("2026-03-08 17:00", "2026-03-15 17:00"),
        ("2026-03-08 17:00:01", "2026-03-15 17:00"),
        ("2026-10-31 12:00", "2026-11-01 17:00"),
    ],
)
def test_the_week_opens_on_sunday_at_17_00_in_chicago(now, expected):
    assert next_week_open_at(chicago(now)) == chicago(expected)


def test_sunday_is_chicagos_sunday():
    assert next_week_open_at(utc("2026-03-09 03:00")) == chicago("2026-03-15 17:00")


ZONES = st.sampled_from(
    ["America/Chicago", "Europe/London", "Asia/Tokyo", "UTC", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]
)
INSTANTS = st.integers(0, 35 * 366 * 86_400).map(lambda seconds: utc("2005-01-01") + seconds * SECOND)
OVERRIDES = st.builds(ResetOverride, st.times(), ZONES)


@given(INSTANTS, OVERRIDES)
@example(utc("2011-12-31 03:00"), in_zone(17, 0, "Pacific/Apia"))  # the date line: 30 December did not happen
def test_resets_are_a_day_apart_and_enclose_the_instant(now, override):
    last, following = last_reset_at(now, override), next_reset_at(now, override)
    assert last <= now < following
    assert dt.timedelta(hours=22) <= following - last <= dt.timedelta(hours=26)
    assert next_reset_at(last, override) == following
    assert last_reset_at(following, override) == following


@given(INSTANTS, OVERRIDES)
def test_a_trading_day_is_a_weekday_and_never_runs_backwards(now, override):
    today = trading_day(now, override)
    assert today.weekday() < 5
    assert today <= trading_day(next_reset_at(now, override), override)


@given(INSTANTS)
def test_the_next_week_opens_within_a_week(now):
    opened = next_week_open_at(now)
    assert now < opened <= now + dt.timedelta(days=7, hours=1)
    assert opened.astimezone(CHICAGO).strftime("%a %H:%M") == "Sun 17:00"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-20 16:59:59", "2026-11-20 17:00"),
        ("2026-11-20 17:00", "2026-11-23 17:00"),
        ("2026-11-20 17:00:01", "2026-11-23 17:00"),
        ("2026-11-21 17:00", "2026-11-23 17:00"),
        ("2026-11-22 17:00", "2026-11-23 17:00"),
        ("2026-11-23 16:59:59", "2026-11-23 17:00"),
        ("2026-11-23 17:00", "2026-11-24 17:00"),
    ],
)
def test_what_opens_on_friday_evening_is_mondays_session_and_lasts_until_its_end(now, expected):
    assert next_session_at(chicago(now)) == chicago(expected)


@given(INSTANTS, OVERRIDES)
@example(utc("2011-12-31 03:00"), in_zone(17, 0, "Pacific/Apia"))
def test_the_next_session_begins_where_the_trading_day_changes_and_nowhere_before(now, override):
    opens_at = next_session_at(now, override)
    assert trading_day(opens_at, override) != trading_day(now, override)
    assert trading_day(opens_at - dt.timedelta(microseconds=1), override) == trading_day(now, override)
    assert dt.timedelta(0) < opens_at - now <= dt.timedelta(days=4)

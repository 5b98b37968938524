"""Sessions: when positions reset, which trading day an instant belongs to, when the week opens."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ONE_DAY = dt.timedelta(days=1)
_SUNDAY = 6
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ResetOverride:
    """One reset time for an account, in place of the default.

    Attributes:
        time: Wall-clock time of the reset.
        timezone: IANA name, for example Europe/London.

    Raises:
        ValueError: the timezone is empty or not known.
    """

    time: dt.time
    timezone: str

    def __post_init__(self) -> None:
        if not is_known_timezone(self.timezone):
            raise ValueError(f"timezone {self.timezone!r} is not known; use an IANA name such as America/Chicago")


def is_known_timezone(name: str) -> bool:
    """Return whether the name is an IANA timezone this system can compute with.

    Example:
        >>> is_known_timezone("America/Chicago"), is_known_timezone("America"), is_known_timezone("")
        (True, False, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError: empty, or a way out of the zone folder. OSError: a folder of zones, not a zone.
        return False
    return True


DEFAULT_RESET = ResetOverride(dt.time(17, 0), "America/Chicago")


def next_reset_at(now: dt.datetime, override: ResetOverride | None = None) -> dt.datetime:
    """Return the first reset after this instant; a reset at this very instant does not count.

    Each date has one reset, also when the clock is changed: a time the clock skips is taken as far after the change
    as it would have been, a time the clock shows twice is taken the first time.

    Args:
        now: Any timezone.
        override: The account's own reset; None is 17:00 in Chicago.

    Returns:
        In UTC.

    Raises:
        ValueError: now has no timezone.

    Example:
        >>> next_reset_at(dt.datetime(2026, 3, 6, 22, 0, tzinfo=dt.UTC)).isoformat()
        '2026-03-06T23:00:00+00:00'
    """
    return min(reset_at for reset_at, _ in _resets_around(now, override or DEFAULT_RESET) if reset_at > now)


def next_session_at(now: dt.datetime, override: ResetOverride | None = None) -> dt.datetime:
    """Return the first instant after this one that belongs to another trading day, in UTC.

    A reset within the weekend opens no session: what opens on Friday evening is Monday's and lasts until its end.

    Raises:
        ValueError: now has no timezone.

    Example:
        >>> next_session_at(dt.datetime(2026, 11, 20, 23, 0, tzinfo=dt.UTC)).strftime("%A %d %H:%M")
        'Monday 23 23:00'
    """
    day = trading_day(now, override)
    opens_at = next_reset_at(now, override)
    while trading_day(opens_at, override) == day:
        opens_at = next_reset_at(opens_at, override)
    return opens_at


def last_reset_at(now: dt.datetime, override: ResetOverride | None = None) -> dt.datetime:
    """Return the latest reset at or before this instant, in UTC; the session began then.

    Raises:
        ValueError: now has no timezone.
    """
    return _last_reset(now, override or DEFAULT_RESET)[0]


def trading_day(now: dt.datetime, override: ResetOverride | None = None) -> dt.date:
    """Return the date the session at this instant is booked under.

    A session that opens at noon or later belongs to the next date, an earlier one to its own: to the date that holds
    most of it. Saturday and Sunday become Monday. Holidays are not known here.

    Args:
        now: Any timezone.
        override: The account's own reset; None is 17:00 in Chicago.

    Raises:
        ValueError: now has no timezone.

    Example:
        >>> trading_day(dt.datetime(2026, 3, 8, 22, 0, tzinfo=dt.UTC)).strftime("%A %d")
        'Monday 09'
    """
    reset = override or DEFAULT_RESET
    day = _last_reset(now, reset)[1]
    if reset.time >= dt.time(12, 0):
        day += _ONE_DAY
    while day.weekday() >= _SATURDAY:
        day += _ONE_DAY
    return day


def next_week_open_at(now: dt.datetime) -> dt.datetime:
    """Return the next Sunday 17:00 in Chicago after this instant, in UTC.

    Raises:
        ValueError: now has no timezone.
    """
    _require_aware(now)
    today = now.astimezone(ZoneInfo(DEFAULT_RESET.timezone)).date()
    sunday = today + (_SUNDAY - today.weekday()) * _ONE_DAY
    this_week = _reset_on(sunday, DEFAULT_RESET)
    return this_week if this_week > now else _reset_on(sunday + 7 * _ONE_DAY, DEFAULT_RESET)


def _last_reset(now: dt.datetime, reset: ResetOverride) -> tuple[dt.datetime, dt.date]:
    return max(found for found in _resets_around(now, reset) if found[0] <= now)


def _resets_around(now: dt.datetime, reset: ResetOverride) -> list[tuple[dt.datetime, dt.date]]:
    _require_aware(now)
    today = now.astimezone(ZoneInfo(reset.timezone)).date()
    # Two days either way: a zone that crosses the date line skips a whole date.
    days = [today + offset * _ONE_DAY for offset in range(-2, 3)]
    return [(_reset_on(day, reset), day) for day in days]


def _reset_on(day: dt.date, reset: ResetOverride) -> dt.datetime:
    local = dt.datetime.combine(day, reset.time.replace(fold=0), tzinfo=ZoneInfo(reset.timezone))
    return local.astimezone(dt.UTC)


def _require_aware(now: dt.datetime) -> None:
    if now.utcoffset() is None:
        raise ValueError("an instant without a timezone belongs to no session")

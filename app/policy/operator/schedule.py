"""Parses schedules and durations like Kubernetes does.

Kubernetes parses CronJobs with robfig/cron's `ParseStandard` and durations with Go's
`time.ParseDuration`. Both accept less than the libraries used here, so that the grammar is checked
first.
"""

import re
from datetime import UTC, datetime, timedelta

import durationpy
from cronsim import CronSim, CronSimError

from app.policy.operator.field_checks import close_to

_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_FIVE_FIELDS = (
    "write minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC and day of week "
    "0-6 or SUN-SAT (Sunday is 0), such as 0 0 * * *"
)
_MAX_DURATION_TEXT = 100
_LONGEST = timedelta(microseconds=(2**63 - 1) // 1000)
_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_START = datetime(2000, 1, 1, tzinfo=UTC)


def _field(value: str) -> re.Pattern[str]:
    """A comma-separated list of values, ranges and stars, each with an optional step."""
    term = rf"(?:[*?]|{value}(?:-{value})?)(?:/[0-9]{{1,9}})?"
    return re.compile(rf"{term}(?:,{term})*", re.IGNORECASE | re.ASCII)


_NUMBER = "[0-9]{1,9}"
_FIELDS = {
    "minute": _field(_NUMBER),
    "hour": _field(_NUMBER),
    "day of month": _field(_NUMBER),
    "month": _field(rf"(?:{_NUMBER}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"),
    "day of week": _field("(?:[0-6]|sun|mon|tue|wed|thu|fri|sat)"),
}


class ScheduleError(ValueError):
    """Why a schedule is refused, and how to correct it."""

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(problem)
        self.next_step = next_step


def parse_duration(text: str) -> timedelta | None:
    """A Go duration such as `1h30m`; None for other text, or beyond 292 years."""
    if len(text) > _MAX_DURATION_TEXT or not _DURATION.fullmatch(text):
        return None
    try:
        duration: timedelta = durationpy.from_str(text)
    except durationpy.DurationError:
        return None
    return duration if abs(duration) <= _LONGEST else None


def check_schedule(schedule: str) -> None:
    """Raises ScheduleError for a schedule that no CronJob accepts, or that never runs."""
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        raise ScheduleError(
            "a CronJob takes no time zone in its schedule",
            "remove it, and write the schedule in the time zone of kube-controller-manager",
        )
    if schedule.startswith("@"):
        _check_descriptor(schedule)
    else:
        _check_cron(schedule)


def _check_descriptor(descriptor: str) -> None:
    if descriptor.startswith(_EVERY):
        interval = parse_duration(descriptor.removeprefix(_EVERY))
        if interval is None or interval <= timedelta():
            raise ScheduleError(
                "@every needs a duration above 0", "write one with h, m and s, such as @every 12h"
            )
    elif descriptor not in _DESCRIPTORS:
        close = close_to(descriptor, _DESCRIPTORS)
        raise ScheduleError(
            f"it is not one of {', '.join(_DESCRIPTORS)} or @every <duration>",
            f"write {close or 'one of them, or five fields'}",
        )


def _check_cron(schedule: str) -> None:
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"it has {len(fields)} fields, not 5", _FIVE_FIELDS)
    for (name, pattern), field in zip(_FIELDS.items(), fields, strict=True):
        if not pattern.fullmatch(field):
            raise ScheduleError(f"its {name} is malformed", _FIVE_FIELDS)
    minute, hour, day, month, weekday = (field.replace("?", "*") for field in fields)
    # Each field alone: together, a day that no month has looks like a malformed field.
    for expression in (f"{minute} {hour} {day} * {weekday}", f"* * * {month} *"):
        try:
            CronSim(expression, _START)
        except CronSimError as error:
            raise ScheduleError(f"it has a {str(error).lower()}", _FIVE_FIELDS) from None
    # For a CronJob a star with a step is a restriction, for cronsim it is a star.
    weekday = weekday.replace("*/", "0-6/")
    if not _ever_fires(f"{minute} {hour} {day} {month} {weekday}"):
        raise ScheduleError(
            "it never comes: none of its months has that day", "choose a day that its months have"
        )


def _ever_fires(expression: str) -> bool:
    try:
        return next(CronSim(expression, _START), None) is not None
    except CronSimError:
        return False

"""Checks of ImagePruner/cluster: its schedule, and the images that it keeps."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.registry import ImagePruner
from app.policy.operator import image_pruner
from app.policy.operator.schedule import parse_duration
from app.policy.verdict import Verdict
from tests.unit.registry_configs import reasons

FIVE_FIELDS = (
    "write minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC and day of week "
    "0-6 or SUN-SAT (Sunday is 0), such as 0 0 * * *"
)
DESCRIPTORS = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"


def check(**spec: object) -> Verdict:
    return check_named("cluster", spec)


def check_named(name: str, spec: dict[str, object]) -> Verdict:
    return image_pruner.check(
        ImagePruner.model_validate(
            {"kind": "ImagePruner", "metadata": {"name": name}, "spec": spec}
        )
    )


def test_defaults_and_ordinary_values_are_allowed() -> None:
    assert check() == Verdict()
    assert check(schedule=None, suspend=None, keepTagRevisions=None) == Verdict()
    assert (
        check(
            schedule="0 0 * * *",
            suspend=False,
            keepTagRevisions=3,
            keepYoungerThanDuration="60m",
            successfulJobsHistoryLimit=0,
            failedJobsHistoryLimit=3,
            logLevel="Normal",
            resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
        )
        == Verdict()
    )


def test_the_only_pruner_is_cluster() -> None:
    [violation] = check_named("nightly", {}).violations
    assert violation.reason == "WrongName"
    assert str(violation) == (
        'metadata.name is "nightly", and the operator reads only ImagePruner cluster; '
        "set metadata.name to cluster"
    )


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "0 0 * * *",
        "*/15 0-6,22 1,15 jan-MAR mon-FRI",
        "0 0 ? * SUN",
        "  5\t4 * * 0  ",
        "30 2/3 * * 1-5/2",
        "0 0 29 2 *",
        "0 0 31 1-12/2 ?",
        "0 0 30 2 MON",
        "0 0 30 2 */2",
        "*/90 * * * *",
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
        "@every 1h30m",
        "@every 0.5h",
    ],
)
def test_cron_job_schedules_are_accepted(schedule: str) -> None:
    assert check(schedule=schedule) == Verdict()


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("0 0 30 2 *", "it never comes"),
        ("0 0 31 2,4,6,9,11 ?", "it never comes"),
        ("   ", "it has 0 fields, not 5"),
        ("0 0 * *", "it has 4 fields, not 5"),
        ("0 0 0 * * *", "it has 6 fields, not 5"),
        ("60 0 * * *", "it has a bad minute"),
        ("0 24 * * *", "it has a bad hour"),
        ("0 0 0 * *", "it has a bad day-of-month"),
        ("0 0 32 * *", "it has a bad day-of-month"),
        ("0 0 * 13 *", "it has a bad month"),
        ("0 5-2 * * *", "it has a bad hour"),
        ("*/0 * * * *", "it has a bad minute"),
        ("0 0 * * 7", "its day of week is malformed"),
        ("0 0 * * 5-7", "its day of week is malformed"),
        ("0 0 * * SUNDAY", "its day of week is malformed"),
        ("0 0 * * 5L", "its day of week is malformed"),
        ("0 0 * * MON#2", "its day of week is malformed"),
        ("0 0 * * ſUN", "its day of week is malformed"),
        ("0 0 L * *", "its day of month is malformed"),
        ("0 0 LW * *", "its day of month is malformed"),
        ("0 0 1, * *", "its day of month is malformed"),
        ("0 -1 * * *", "its hour is malformed"),
        ("1/2/3 * * * *", "its minute is malformed"),
        ("H * * * *", "its minute is malformed"),
        (f"{'9' * 5000} * * * *", "its minute is malformed"),
        ("TZ=UTC 0 0 * * *", "a CronJob takes no time zone in its schedule"),
        ("CRON_TZ=UTC 0 0 * * *", "a CronJob takes no time zone in its schedule"),
        ("@Daily", "it is not one of @yearly"),
        ("@reboot", "it is not one of @yearly"),
        ("@daily ", "it is not one of @yearly"),
        ("@every", "it is not one of @yearly"),
        ("@every 1d", "@every needs a duration above 0"),
        ("@every 0s", "@every needs a duration above 0"),
        ("@every -1h", "@every needs a duration above 0"),
    ],
)
def test_any_other_schedule_is_refused(schedule: str, problem: str) -> None:
    [violation] = check(schedule=schedule).violations
    assert violation.reason == "InvalidSchedule"
    assert violation.message.startswith('spec.schedule is "')
    assert f'": {problem}' in violation.message


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("0 0 * *", f"it has 4 fields, not 5; {FIVE_FIELDS}"),
        ("H * * * *", f"its minute is malformed; {FIVE_FIELDS}"),
        ("60 0 * * *", f"it has a bad minute; {FIVE_FIELDS}"),
        ("0 0 30 2 *", "it never comes: none of its months has that day; choose a day that its "
         "months have"),
        ("TZ=UTC 0 0 * * *", "a CronJob takes no time zone in its schedule; remove it, and write "
         "the schedule in the time zone of kube-controller-manager"),
        ("@every 0s", "@every needs a duration above 0; write one with h, m and s, such as "
         "@every 12h"),
        ("@reboot", f"it is not one of {DESCRIPTORS} or @every <duration>; write one of them, or "
         "five fields"),
        ("@dayly", f"it is not one of {DESCRIPTORS} or @every <duration>; write @daily"),
    ],
)  # fmt: skip
def test_refused_schedule_suggests_a_valid_one(schedule: str, told: str) -> None:
    [violation] = check(schedule=schedule).violations
    assert str(violation) == f'spec.schedule is "{schedule}": {told}'


@given(
    st.text()
    | st.text("0123456789*/,-?LW# JANSU@every", max_size=30)
    | st.lists(st.text("0123456789*/,-?", min_size=1, max_size=5), min_size=5, max_size=5).map(
        " ".join
    )
)
def test_any_schedule_text_is_accepted_or_refused(text: str) -> None:
    assert reasons(check(schedule=text)) in ([], ["InvalidSchedule"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60m", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        (".5m", timedelta(seconds=30)),
        ("+2s", timedelta(seconds=2)),
        ("-2s", timedelta(seconds=-2)),
        ("250ms", timedelta(milliseconds=250)),
        ("3us", timedelta(microseconds=3)),
        ("3µs", timedelta(microseconds=3)),
        ("4000ns", timedelta(microseconds=4)),
        ("0", timedelta()),
        ("2562047h", timedelta(hours=2562047)),
        ("2562048h", None),
        ("9" * 99 + "h", None),
        ("0" * 98 + "1h", timedelta(hours=1)),
        ("0" * 99 + "1h", None),
        ("-2562048h", None),
        ("", None),
        ("60", None),
        ("h", None),
        ("1d", None),
        ("2w", None),
        ("1y", None),
        ("1h 30m", None),
        ("1h junk 30m", None),
        ("1.2.3h", None),
        ("1H", None),
        ("1h-30m", None),
        ("٣h", None),
        ("1h\n", None),
    ],
)
def test_go_durations_are_accepted(text: str, expected: timedelta | None) -> None:
    assert parse_duration(text) == expected


@given(st.text() | st.text("0123456789.+-hmsnuµ ", max_size=20))
def test_any_duration_text_is_accepted_or_refused(text: str) -> None:
    assert isinstance(parse_duration(text), timedelta | None)


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"keepTagRevisions": -1}, "InvalidKeepTagRevisions", "spec.keepTagRevisions is -1"),
        ({"keepYoungerThan": -1}, "InvalidKeepYoungerThan", "spec.keepYoungerThan is -1"),
        (
            {"keepYoungerThanDuration": "4d"},
            "InvalidKeepYoungerThan",
            'spec.keepYoungerThanDuration is "4d", not a duration; write it with h, m and s, such '
            "as 60m, or 96h for four days",
        ),
        (
            {"keepYoungerThanDuration": "-60m"},
            "InvalidKeepYoungerThan",
            'spec.keepYoungerThanDuration is "-60m", below 0; set spec.keepYoungerThanDuration to '
            "0s or more",
        ),
        (
            {"successfulJobsHistoryLimit": -1},
            "InvalidHistoryLimit",
            "spec.successfulJobsHistoryLimit is -1",
        ),
        (
            {"failedJobsHistoryLimit": -3},
            "InvalidHistoryLimit",
            "spec.failedJobsHistoryLimit is -3",
        ),
        ({"logLevel": "debug"}, "UnknownLogLevel", 'spec.logLevel is "debug"'),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
            "RequestAboveLimit",
            "spec.resources.requests.memory is 2Gi",
        ),
    ],
    ids=str,
)
def test_meaningless_values_are_refused(spec: dict[str, object], reason: str, message: str) -> None:
    verdict = check(**spec)
    assert reasons(verdict) == [reason]
    assert str(verdict.violations[0]).startswith(message)


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({"suspend": True}, "spec.suspend is true: nothing is pruned until it is false"),
        (
            {"keepTagRevisions": 0},
            "spec.keepTagRevisions is 0: the next run removes the history of every tag",
        ),
        (
            {"keepYoungerThan": 0, "keepYoungerThanDuration": "60m"},
            "spec.keepYoungerThan is ignored, since spec.keepYoungerThanDuration is set",
        ),
        ({"schedule": "<schedule>"}, "replace the placeholder <schedule> in spec.schedule"),
        (
            {"keepYoungerThanDuration": "<age>"},
            "replace the placeholder <age> in spec.keepYoungerThanDuration",
        ),
    ],
    ids=str,
)
def test_surprising_values_are_warned_about(spec: dict[str, object], warning: str) -> None:
    assert check(**spec) == Verdict(warnings=[warning])


@pytest.mark.parametrize(
    "spec",
    [
        {"keepYoungerThan": 3_600_000_000_000},
        {"keepYoungerThan": 0},
        {"keepYoungerThanDuration": "0s"},
        {"keepTagRevisions": 1},
    ],
    ids=str,
)
def test_unchanged_values_are_allowed(spec: dict[str, object]) -> None:
    assert check(**spec) == Verdict()

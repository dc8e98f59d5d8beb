"""Checks of ImagePruner/cluster: when images are pruned, and which are kept."""

from datetime import timedelta

from app.model.registry import ImagePruner, ImagePrunerSpec
from app.policy.names import placeholders
from app.policy.operator import placement, resources
from app.policy.operator.field_checks import (
    LOG_LEVELS,
    check_at_least_zero,
    check_choice,
    check_name,
    check_placeholders,
    shown,
)
from app.policy.operator.schedule import ScheduleError, check_schedule, parse_duration
from app.policy.verdict import Verdict

_DURATION = "spec.keepYoungerThanDuration"


def check(pruner: ImagePruner) -> Verdict:
    """Refuse what no CronJob can run, and warn if too few images are kept."""
    verdict = Verdict()
    spec = pruner.spec
    check_name(verdict, pruner)
    check_placeholders(verdict, spec)
    check_choice(verdict, "UnknownLogLevel", "spec.logLevel", spec.log_level, LOG_LEVELS)
    _check_schedule(verdict, spec)
    _check_revisions(verdict, spec)
    _check_age(verdict, spec)
    for path, limit in (
        ("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        check_at_least_zero(verdict, "InvalidHistoryLimit", path, limit)
    resources.check(verdict, spec.resources)
    placement.check(verdict, spec)
    return verdict


def _check_schedule(verdict: Verdict, spec: ImagePrunerSpec) -> None:
    if spec.suspend:
        verdict.warn("spec.suspend is true: nothing is pruned until it is false")
    if not spec.schedule or placeholders(spec.schedule):
        return
    try:
        check_schedule(spec.schedule)
    except ScheduleError as error:
        problem = f"spec.schedule is {shown(spec.schedule)}: {error}"
        verdict.deny("InvalidSchedule", problem, error.next_step)


def _check_revisions(verdict: Verdict, spec: ImagePrunerSpec) -> None:
    revisions = spec.keep_tag_revisions
    check_at_least_zero(verdict, "InvalidKeepTagRevisions", "spec.keepTagRevisions", revisions)
    if revisions == 0:
        verdict.warn("spec.keepTagRevisions is 0: the next run removes the history of every tag")


def _check_age(verdict: Verdict, spec: ImagePrunerSpec) -> None:
    nanoseconds, text = spec.keep_younger_than, spec.keep_younger_than_duration
    check_at_least_zero(verdict, "InvalidKeepYoungerThan", "spec.keepYoungerThan", nanoseconds)
    if text and nanoseconds is not None:
        verdict.warn(f"spec.keepYoungerThan is ignored, since {_DURATION} is set")
    if not text or placeholders(text):
        return
    duration = parse_duration(text)
    if duration is None:
        verdict.deny(
            "InvalidKeepYoungerThan",
            f"{_DURATION} is {shown(text)}, not a duration",
            "write it with h, m and s, such as 60m, or 96h for four days",
        )
    elif duration < timedelta():
        verdict.deny(
            "InvalidKeepYoungerThan",
            f"{_DURATION} is {shown(text)}, below 0",
            f"set {_DURATION} to 0s or more",
        )

"""The size of an answer is bounded for requests of any size."""

from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import ValidationError

from app.admission.review import (
    AdmissionRequest,
    Outcome,
    invalid,
    of_verdict,
    overloaded,
    unavailable,
)
from app.policy.verdict import Verdict, Violation

TITLE = "ImageStream team-a/app"


def refused(count: int, length: int = 10) -> Outcome:
    verdict = Verdict()
    for number in range(count):
        verdict.deny("Reason", f"{number} " + "x" * length, "do this")
    return of_verdict(TITLE, verdict)


def test_a_refusal_tells_some_dozens_of_reasons_and_counts_the_others() -> None:
    message = refused(18_000).message

    assert message.startswith(f"{TITLE}: 0 x")
    assert message.endswith("\n… and 17968 more")


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(refused(10, length=10**6), id="long reasons"),
        pytest.param(invalid("x" * 10**6, ["spec: wrong"]), id="a long name"),
    ],
)
def test_a_message_is_a_few_kibibytes(outcome: Outcome) -> None:
    assert len(outcome.message) == 16 * 1024
    assert outcome.message.endswith("…")


def test_a_field_that_cannot_be_read_comes_with_a_next_step() -> None:
    assert invalid(TITLE, ["spec.tags: must be a list"]).message == (
        f"{TITLE} is invalid: spec.tags: must be a list; correct what is named and send it again"
    )


def test_of_many_fields_that_are_wrong_some_dozens_are_named() -> None:
    message = invalid(TITLE, [f"spec.tags.{number}: wrong" for number in range(5000)]).message

    assert "spec.tags.31: wrong; and 4968 more" in message


def test_of_32_fields_that_are_wrong_none_is_left_out() -> None:
    assert (
        " more"
        not in invalid(TITLE, [f"spec.tags.{number}: wrong" for number in range(32)]).message
    )


@pytest.mark.parametrize(
    ("warnings", "told"),
    [
        (["a", "b", "a"], ["a", "b"]),
        (["a\nb"], ["a b"]),
        ([str(number) for number in range(12)], [str(number) for number in range(12)]),
        (
            [str(number) for number in range(13)],
            [*(str(number) for number in range(11)), "… and 2 more warnings"],
        ),
    ],
    ids=["repeated", "two lines", "twelve", "thirteen"],
)
def test_at_most_twelve_different_warnings_of_one_line_are_told(
    warnings: list[str], told: list[str]
) -> None:
    assert Outcome(warnings=warnings).response("1")["response"]["warnings"] == told


def denied(exact: str) -> Verdict:
    verdict = Verdict()
    verdict.deny("Reason", "no", "do this", exact)
    return verdict


TOLERATED = (Violation("too large", "make it smaller", "ImageTooLarge"),)
DENIED = {"verdict": "denied", "reasons": "Reason"}
ALLOWED = {"verdict": "allowed", "would-refuse": "ImageTooLarge"}


@pytest.mark.parametrize(
    ("verdict", "annotations"),
    [
        (denied("2 > 1 bytes"), {**DENIED, "exact": "2 > 1 bytes"}),
        (denied(""), DENIED),
        (Verdict(tolerated=[*TOLERATED], exemption="user a"), {**ALLOWED, "exempt": "user a"}),
        (Verdict(tolerated=[*TOLERATED]), ALLOWED),
        (Verdict(), {"verdict": "allowed"}),
    ],
    ids=["rounded numbers", "no numbers", "exempt", "not enforced", "allowed"],
)
def test_audit_annotations_have_no_empty_text(
    verdict: Verdict, annotations: dict[str, str]
) -> None:
    assert of_verdict(TITLE, verdict).response("1")["response"]["auditAnnotations"] == annotations


@pytest.mark.parametrize(
    ("outcome", "details"),
    [
        (unavailable(TITLE, "the watch is late", 3), {"retryAfterSeconds": 3}),
        (overloaded(TITLE, 0), {"retryAfterSeconds": 0}),
        (refused(1), None),
        (invalid(TITLE, ["spec: wrong"]), None),
    ],
    ids=["unavailable", "overloaded", "refused", "invalid"],
)
def test_status_names_the_time_of_a_retry_only_where_a_retry_helps(
    outcome: Outcome, details: dict[str, int] | None
) -> None:
    status = outcome.response("1")["response"]["status"]
    regular = {"status", "code", "reason", "message"}

    assert status.get("details") == details
    assert status.keys() == (regular if details is None else {*regular, "details"})


def test_a_refused_request_has_the_causes_of_the_refusal_as_reasons() -> None:
    allowed = Outcome(tolerated=TOLERATED)
    refusal = Outcome(allowed=False, causes=("Incomplete",), tolerated=TOLERATED)

    assert (allowed.reasons, allowed.would_be_refused) == (("ImageTooLarge",), True)
    assert (refusal.reasons, refusal.would_be_refused) == (("Incomplete",), False)


def test_an_audit_annotation_is_a_few_kibibytes() -> None:
    outcome = Outcome(audit={"follows": "x" * 10**6, "verdict": "allowed"})

    annotations = outcome.response("1")["response"]["auditAnnotations"]
    assert len(annotations["follows"]) == 4 * 1024
    assert annotations["verdict"] == "allowed"


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("app", {"metadata": {"name": "app"}}, "ImageStream team-a/app"),
        ("", {"metadata": {"generateName": "app-", "name": "app-x1"}}, "ImageStream team-a/app-x1"),
        ("", {"metadata": {"generateName": "app-"}}, "ImageStream team-a/app-*"),
        ("", {"metadata": {"generateName": "app-", "name": ""}}, "ImageStream team-a/app-*"),
        ("", {"metadata": {"name": None, "generateName": 7}}, "ImageStream team-a/*"),
        ("", {"metadata": []}, "ImageStream team-a/*"),
        ("", None, "ImageStream team-a/*"),
    ],
    ids=str,
)
def test_a_title_names_an_object_with_a_generated_name(
    name: str, content: dict[str, Any] | None, title: str
) -> None:
    request = AdmissionRequest.model_validate(
        {
            "uid": "u",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStream"},
            "operation": "CREATE",
            "namespace": "team-a",
            "name": name,
            "object": content,
        }
    )
    assert request.title == title


def test_a_title_has_the_name_of_the_request_first() -> None:
    assert _update({"metadata": {"name": "other"}}, {}).title == "ImageStream team-a/app"


@pytest.mark.parametrize("timestamp", ["2026-01-01T00:00:00Z", None])
def test_an_object_with_a_deletion_timestamp_is_being_deleted(timestamp: str | None) -> None:
    request = _update({"metadata": {"deletionTimestamp": timestamp}}, {})
    assert request.is_being_deleted is (timestamp is not None)


@pytest.mark.parametrize(
    ("new", "old", "unchanged"),
    [
        ({"spec": 1, "metadata": {"a": 1}, "status": 1}, {"spec": 1}, True),
        ({"spec": 1}, {"spec": 1, "metadata": {"a": 1}, "status": 1}, True),
        ({"spec": 1}, {"spec": 2}, False),
        ({"spec": 1}, {}, False),
        ({"data": 1}, {"data": 1, "spec": 1}, False),
    ],
    ids=str,
)
def test_only_metadata_and_status_may_differ_in_an_unchanged_object(
    new: dict[str, Any], old: dict[str, Any], unchanged: bool
) -> None:
    assert _update(new, old).is_unchanged is unchanged
    assert not _update(new, old).model_copy(update={"operation": "CREATE"}).is_unchanged
    assert not _update(new, None).is_unchanged


@pytest.mark.parametrize(("length", "valid"), [(0, False), (1, True), (128, True), (129, False)])
def test_the_uid_of_a_review_has_a_bounded_length(length: int, valid: bool) -> None:
    content = {"uid": "x" * length, "kind": {}, "operation": "CREATE"}
    with nullcontext() if valid else pytest.raises(ValidationError):
        AdmissionRequest.model_validate(content)


def _update(new: dict[str, Any], old: dict[str, Any] | None) -> AdmissionRequest:
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"kind": "ImageStream"},
            "operation": "UPDATE",
            "namespace": "team-a",
            "name": "app",
            "object": new,
            "oldObject": old,
        }
    )


def test_a_title_names_each_object_of_a_deleted_collection() -> None:
    request = AdmissionRequest.model_validate(
        {
            "uid": "u",
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "operation": "DELETE",
            "namespace": "image-registry-system",
            "oldObject": {"metadata": {"name": "images"}},
        }
    )
    assert request.title == "PersistentVolumeClaim image-registry-system/images"

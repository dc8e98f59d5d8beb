"""Checks of the Secret with the user's storage credentials. No message contains a value."""

import base64
import re
from typing import Any

import pytest
from pydantic import ValidationError

from app.model.credentials import (
    S3_ACCESS_KEY,
    S3_SECRET_KEY,
    CredentialsSecret,
    create_command,
    patch_command,
)
from app.policy.operator import storage_credentials
from app.policy.verdict import Verdict
from tests import page
from tests.unit.registry_configs import reasons

NAMESPACE = "image-registry-system"
VALUE = "Xq7unguessable"
GOOD = {S3_ACCESS_KEY: VALUE, S3_SECRET_KEY: VALUE}


def encoded(values: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def check(**content: Any) -> Verdict:
    secret = CredentialsSecret.model_validate({"kind": "Secret", **content})
    verdict = storage_credentials.check(secret, NAMESPACE)
    told = [*map(str, verdict.violations), *verdict.warnings, repr(secret), str(secret)]
    assert VALUE not in " ".join(told), "a value is told"
    return verdict


def check_values(values: dict[str, str]) -> Verdict:
    """The verdict is the same for `data` and `stringData`."""
    as_text, as_data = check(stringData=values), check(data=encoded(values))
    assert as_text == as_data
    return as_text


@pytest.mark.parametrize(
    "values",
    [
        GOOD,
        {S3_ACCESS_KEY: "minioadmin", S3_SECRET_KEY: "minioadmin"},
        {S3_ACCESS_KEY: "AKIA", S3_SECRET_KEY: "a/b+c=="},
        {"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "any\n"},
        {"REGISTRY_STORAGE_OSS_ACCESSKEYID": "a", "REGISTRY_STORAGE_OSS_ACCESSKEYSECRET": "b"},
        {**GOOD, "REGISTRY_STORAGE_SWIFT_PASSWORD": ""},
    ],
    ids=["page", "equal", "symbols", "azure", "oss", "s3 and swift"],
)
def test_usable_credentials_pass(values: dict[str, str]) -> None:
    assert check_values(values) == Verdict()


@pytest.mark.parametrize("present", GOOD)
def test_half_of_a_key_pair_is_refused(present: str) -> None:
    [violation] = check_values({present: VALUE}).violations

    [missing] = GOOD.keys() - {present}
    assert violation.reason == "IncompleteCredentials"
    assert str(violation) == (
        f"{present} is set, and {missing} is not; set both: {create_command(NAMESPACE)}"
    )


@pytest.mark.parametrize("content", [{}, {"data": None}, {"data": {}, "stringData": {}}], ids=str)
def test_an_empty_secret_is_warned_about(content: dict[str, Any]) -> None:
    verdict = check(**content)

    assert verdict.allowed
    assert [text.partition(";")[0] for text in verdict.warnings] == ["there are no keys in it"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (f"{VALUE}\n", "ends with a line break"),
        (f"{VALUE}\r\n", "ends with a line break"),
        (f" {VALUE}", "begins or ends with white space"),
        (f"{VALUE}\t", "begins or ends with white space"),
        (f"{VALUE}\u00a0", "begins or ends with white space"),
        (f"{VALUE}\n{VALUE}", "has white space or control characters in it"),
        (f"{VALUE} {VALUE}", "has white space or control characters in it"),
        (f"{VALUE}\x00", "has white space or control characters in it"),
        (f"\ufeff{VALUE}", "has white space or control characters in it"),
    ],
)
@pytest.mark.parametrize("key", GOOD)
def test_invalid_credential_value_is_refused(key: str, value: str, problem: str) -> None:
    [violation] = check_values({**GOOD, key: value}).violations

    assert violation.reason == "InvalidCredentials"
    assert violation.message == f"{key} {problem}"


def test_every_broken_value_is_named() -> None:
    verdict = check_values({S3_ACCESS_KEY: "", S3_SECRET_KEY: f"{VALUE}\n"})

    assert [one.message for one in verdict.violations] == [
        f"{S3_ACCESS_KEY} is empty",
        f"{S3_SECRET_KEY} ends with a line break",
    ]


def test_stored_empty_value_reads_as_null() -> None:
    verdict = check(data={**encoded(GOOD), S3_ACCESS_KEY: None})

    assert [one.message for one in verdict.violations] == [f"{S3_ACCESS_KEY} is empty"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (VALUE, "base64"),
        ("a b=", "base64"),
        ("YWJ", "base64"),
        (base64.b64encode(b"\xff\xfe").decode(), "text"),
    ],
)
def test_data_is_base64_of_text(text: str, problem: str) -> None:
    [violation] = check(data={**encoded(GOOD), S3_SECRET_KEY: text}).violations

    assert violation.reason == "InvalidCredentials"
    assert violation.message == f"data.{S3_SECRET_KEY} is not {problem}"


def test_line_breaks_in_base64_are_ignored() -> None:
    wrapped = re.sub("(.{4})", r"\1\n", encoded(GOOD)[S3_ACCESS_KEY])

    assert check(data={**encoded(GOOD), S3_ACCESS_KEY: wrapped}) == Verdict()


def test_string_data_wins_over_data() -> None:
    broken = encoded({**GOOD, S3_ACCESS_KEY: "\n"})

    assert check(data=broken, stringData={S3_ACCESS_KEY: VALUE}) == Verdict()


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("REGISTRY_STORAGE_S3_ACCESS_KEY", S3_ACCESS_KEY),
        ("REGISTRY_STORAGE_S3_ACCESSKEYID", S3_ACCESS_KEY),
        ("REGISTRY_STORAGE_S3_ACESSKEY", S3_ACCESS_KEY),
        ("registry_storage_s3_accesskey", S3_ACCESS_KEY),
        ("AWS_ACCESS_KEY_ID", S3_ACCESS_KEY),
        ("accesskey", S3_ACCESS_KEY),
        ("REGISTRY_STORAGE_S3_SECRET_KEY", S3_SECRET_KEY),
        ("REGISTRY_STORAGE_S3_SECERTKEY", S3_SECRET_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3_SECRET_KEY),
        ("secretKey", S3_SECRET_KEY),
    ],
)
def test_a_misspelled_key_is_refused_with_the_right_one(key: str, meant: str) -> None:
    others = {known: VALUE for known in GOOD if known != meant}

    for values in ({**others, key: VALUE}, {key: VALUE}):
        verdict = check_values(values)
        violation = verdict.violations[0]
        assert violation.reason == "MisspelledKey"
        assert str(violation) == f"the registry does not read the key {key}; did you mean {meant}?"
    assert reasons(check_values({**others, key: VALUE})) == ["MisspelledKey"]


def test_second_name_of_a_present_key_is_allowed() -> None:
    verdict = check_values({**GOOD, "AWS_ACCESS_KEY_ID": VALUE})

    assert verdict.allowed
    assert verdict.warnings[0].startswith("keys that the registry does not read: 1;")


def test_value_in_place_of_a_key_is_not_shown() -> None:
    verdict = check_values({**GOOD, VALUE: "x"})

    assert verdict.allowed
    assert len(verdict.warnings) == 1


def test_unfilled_command_of_the_page_gets_a_warning() -> None:
    verdict = check_values({S3_ACCESS_KEY: "<access-key-id>", S3_SECRET_KEY: "<secret-access-key>"})

    assert verdict == Verdict(warnings=[f"replace the placeholder of {key}" for key in GOOD])


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_malformed_object_is_named_without_its_content(field: str) -> None:
    for content in ({S3_ACCESS_KEY: [VALUE]}, VALUE):
        with pytest.raises(ValidationError) as caught:
            CredentialsSecret.model_validate({field: content})
        assert VALUE not in str(caught.value)


def test_suggested_command_is_the_pages() -> None:
    [printed] = page.commands("create secret")

    assert create_command(NAMESPACE) == printed


def test_the_patch_sets_both_keys() -> None:
    assert patch_command("x") == (
        "kubectl -n x patch secret image-registry-private-configuration-user -p "
        '\'{"stringData":{"REGISTRY_STORAGE_S3_ACCESSKEY":"<access-key-id>",'
        '"REGISTRY_STORAGE_S3_SECRETKEY":"<secret-access-key>"}}\''
    )

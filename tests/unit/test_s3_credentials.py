"""The user's credentials that are merged into the private configuration."""

import base64
from typing import Any

import pytest

from app.controllers.s3_credentials.decision import (
    MANAGER,
    NO_CHANGE,
    Merge,
    PrivateConfiguration,
    claim_on,
    decide,
)
from app.model.registry import Config
from tests.unit.controlled import config, managed

ACCESS, SECRET = "REGISTRY_STORAGE_S3_ACCESSKEY", "REGISTRY_STORAGE_S3_SECRETKEY"


def encoded(**data: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


USER = encoded(**{ACCESS: "id", SECRET: "key"})


def target(
    data: dict[str, str], ours: tuple[str, ...] = (), *others: tuple[str, str], **metadata: Any
) -> PrivateConfiguration:
    """`others` are pairs of a field manager and a key."""
    fields = [managed(MANAGER, "Apply", **{"f:data": {f"f:{key}": {} for key in ours}})]
    fields += [managed(name, "Update", **{"f:data": {f"f:{key}": {}}}) for name, key in others]
    content = {
        "metadata": {
            "namespace": "image-registry-system",
            "resourceVersion": "5",
            "managedFields": fields,
            **metadata,
        },
        "data": data,
    }
    return PrivateConfiguration.of(content, "imageregistry.operator.alauda.io")


MERGED = target(USER, (ACCESS, SECRET))
BESIDE = target({**USER, "OTHER": "eA=="}, (ACCESS, SECRET), ("kubectl", "OTHER"))


@pytest.mark.parametrize(
    ("given", "user", "present", "merge"),
    [
        (None, USER, None, NO_CHANGE),
        (config("Unmanaged"), USER, None, NO_CHANGE),
        (config("Unmanaged"), None, MERGED, NO_CHANGE),
        (config(), None, None, NO_CHANGE),
        (config(), USER, None, Merge(USER)),
        (config(), USER, target({ACCESS: "b2xk"}, (), ("kubectl", ACCESS)), Merge(USER)),
        (config(), USER, MERGED, NO_CHANGE),
        (config(), USER, target({ACCESS: USER[ACCESS]}, (ACCESS,)), Merge(USER)),
        (config(), USER, target({**USER, SECRET: "eA=="}, (ACCESS, SECRET)), Merge(USER)),
        (config(), None, MERGED, Merge({}, delete="5")),
        (config(), None, BESIDE, Merge({})),
        (config("Removed"), USER, BESIDE, Merge({})),
        (config(), None, target({"OTHER": "eA=="}, (), ("kubectl", "OTHER")), NO_CHANGE),
    ],
    ids=[
        "no Config", "unmanaged", "unmanaged, user's gone", "nothing", "new", "user's win",
        "merged", "a key gone", "a key changed", "only ours left", "others stay",
        "registry removed", "never merged",
    ],
)  # fmt: skip
def test_keys_that_are_merged(
    given: Config | None,
    user: dict[str, str] | None,
    present: PrivateConfiguration | None,
    merge: Merge,
) -> None:
    assert decide(given, user, present, "registry") == merge


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        (encoded(**{ACCESS: "id"}), f"{ACCESS} is set, and {SECRET} is not"),
        (encoded(**{SECRET: "key"}), f"{SECRET} is set, and {ACCESS} is not"),
        (encoded(**{ACCESS: "id", SECRET: ""}), f"{SECRET} is empty"),
        (encoded(**{ACCESS: "hidden-id\n", SECRET: "key"}), f"{ACCESS} ends with a line break"),
        ({**USER, SECRET: "%%"}, f"data.{SECRET} is not base64"),
    ],
    ids=["half", "other half", "empty", "newline", "no text"],
)
def test_unusable_credentials_replace_nothing(user: dict[str, str], problem: str) -> None:
    merge = decide(config(), user, MERGED, "registry")

    assert merge.keys is None
    assert problem in merge.problem
    assert "hidden" not in merge.problem


@pytest.mark.parametrize(
    ("present", "claim"),
    [
        (None, ""),
        (MERGED, ""),
        (BESIDE, ""),
        (target({ACCESS: "eA=="}, (), ("kubectl-create", ACCESS)), ""),
        (target({"OTHER": "eA=="}, (), ("operator", "OTHER")), ""),
        (target({ACCESS: "eA=="}, (), ("operator", ACCESS)), f"field manager operator on {ACCESS}"),
        (
            target({}, annotations={"imageregistry.operator.alauda.io/checksum": "x"}),
            "annotation imageregistry.operator.alauda.io/checksum",
        ),
        (target({}, annotations={"kubectl.kubernetes.io/last-applied-configuration": "x"}), ""),
    ],
    ids=["absent", "ours", "beside", "by hand", "operator's other key", "operator's", "checksum",
         "applied by hand"],
)  # fmt: skip
def test_keys_of_another_controller_are_kept(
    present: PrivateConfiguration | None, claim: str
) -> None:
    found = claim_on(present, USER)

    assert (found.mark if found else "") == claim

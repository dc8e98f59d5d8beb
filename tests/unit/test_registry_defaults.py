"""Defaults of Config/cluster: they fill in missing fields and never change set ones."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.registry_configs import check, config, example, reasons, with_defaults

RESOURCES = {
    "requests": {"cpu": "500m", "memory": "500Mi"},
    "limits": {"cpu": "500m", "memory": "500Mi"},
}
PULL_SECRET = {"managementState": "Managed", "ignoreSystemNamespaces": True}
NO_STORAGE = {
    "managementState": "Managed",
    "replicas": 1,
    "disableRedirect": False,
    "rolloutStrategy": "RollingUpdate",
    "logLevel": "Normal",
    "imagePullSecret": PULL_SECRET,
    "resources": RESOURCES,
}
FIELDS = [
    "spec", "metadata", "managementState", "replicas", "disableRedirect", "rolloutStrategy",
    "logLevel", "resources", "requests", "imagePullSecret", "ignoreSystemNamespaces", "storage",
    "emptyDir", "pvc", "claim", "s3", "bucket", "regionEndpoint", "trustedCA", "name", "other",
]  # fmt: skip

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "Managed", "cluster", "https://minio.storage.svc", "<region>"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
    ),
    max_leaves=25,
)
storages: list[Any] = [
    None,
    {},
    "wrong",
    ["wrong"],
    {"emptyDir": {}},
    {"emptyDir": None, "pvc": {"claim": "x"}},
    {"pvc": {}},
    {"managementState": None, "s3": {"bucket": "images"}},
    {"managementState": "Managed", "gcs": {}},
]
specs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "managementState": st.sampled_from([None, "Removed", "odd"]),
        "replicas": st.sampled_from([None, 0, 1, 3, -1]),
        "disableRedirect": st.sampled_from([None, True, False]),
        "rolloutStrategy": st.sampled_from([None, "Recreate", "RollingUpdate"]),
        "resources": st.sampled_from([None, {}, {"limits": {"cpu": "2"}}]),
        "imagePullSecret": st.sampled_from([None, {}, {"managementState": "Removed"}]),
        "storage": st.sampled_from(storages),
    },
)
configs = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4) | specs.map(config)


def spec_of(spec: object) -> Any:
    return with_defaults(config(spec))["spec"]


@pytest.mark.parametrize("content", [{}, {"spec": None}, {"spec": {}}], ids=str)
def test_a_config_without_a_spec_gets_every_default_but_storage(content: dict[str, Any]) -> None:
    assert with_defaults(content) == {"spec": NO_STORAGE}


def test_okd_gets_no_default_that_its_operator_does_not_know() -> None:
    known = {key: NO_STORAGE[key] for key in NO_STORAGE.keys() - {"imagePullSecret", "resources"}}
    assert with_defaults({}, "openshift.io") == {"spec": known}
    own = {"imagePullSecret": {"managementState": "Managed"}, "resources": {"limits": {}}}
    assert with_defaults({"spec": own}, "openshift.io") == {"spec": known | own}


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("emptyDir", {"rolloutStrategy": "Recreate", "disableRedirect": False}),
        ("pvc", {"rolloutStrategy": "Recreate", "disableRedirect": False}),
        ("s3", {"rolloutStrategy": "RollingUpdate", "resources": RESOURCES}),
        (
            "imagePullSecret",
            {
                "rolloutStrategy": "RollingUpdate",
                "disableRedirect": False,
                "replicas": 1,
                "resources": RESOURCES,
            },
        ),
    ],
)
def test_examples_get_defaults_for_missing_fields(name: str, added: dict[str, Any]) -> None:
    printed = example(name)
    expected = copy.deepcopy(printed)
    expected["spec"] |= {"logLevel": "Normal", **added}
    expected["spec"].setdefault("imagePullSecret", PULL_SECRET)
    if name == "emptyDir":
        expected["spec"]["storage"]["managementState"] = "Managed"
    assert with_defaults(printed) == expected


@pytest.mark.parametrize(
    ("storage", "state"),
    [
        ({"emptyDir": {}}, "Managed"),
        ({"pvc": {"claim": "images"}}, "Unmanaged"),
        ({"pvc": {}}, "Managed"),
        ({"pvc": {"claim": None}}, "Managed"),
        ({"s3": {"bucket": "images"}}, "Unmanaged"),
        ({"s3": {"region": "eu-1"}}, "Managed"),
        ({"gcs": {"bucket": "images"}}, "Managed"),
        ({"managementState": None, "pvc": {"claim": "images"}}, "Unmanaged"),
        ({"managementState": "Managed", "pvc": {"claim": "images"}}, "Managed"),
    ],
    ids=str,
)
def test_storage_of_the_user_is_unmanaged(storage: dict[str, Any], state: str) -> None:
    assert spec_of({"storage": storage})["storage"] == {**storage, "managementState": state}


@pytest.mark.parametrize("storage", [None, {}, {"emptyDir": None}], ids=str)
def test_missing_storage_gets_no_default(storage: object) -> None:
    assert spec_of({"storage": storage}) == {**NO_STORAGE, "storage": storage}


@pytest.mark.parametrize(
    ("spec", "strategy"),
    [
        ({"storage": {"emptyDir": {}}}, "Recreate"),
        ({"storage": {"pvc": {"claim": "x"}}, "replicas": 0}, "Recreate"),
        ({"storage": {"pvc": {"claim": "x"}}, "replicas": 1}, "Recreate"),
        ({"storage": {"pvc": {"claim": "x"}}, "replicas": 2}, "RollingUpdate"),
        ({"storage": {"s3": {"bucket": "images"}}, "replicas": 1}, "RollingUpdate"),
    ],
    ids=str,
)
def test_single_pod_with_its_own_volume_is_recreated(spec: dict[str, Any], strategy: str) -> None:
    assert spec_of(spec)["rolloutStrategy"] == strategy


@pytest.mark.parametrize(
    ("endpoint", "through_the_registry"),
    [
        ("http://minio.storage.svc:9000", True),
        ("https://minio.storage.svc.cluster.local", True),
        ("https://minio.storage.svc.example.internal/", True),
        ("https://minio.cluster.local", True),
        ("http://minio:9000", True),
        ("http://LOCALHOST", True),
        ("http://127.0.0.1:9000", True),
        ("http://10.1.2.3", True),
        ("http://172.31.0.1", True),
        ("http://192.168.0.1", True),
        ("http://169.254.0.1", True),
        ("http://[::1]:9000", True),
        ("http://[fd00::1]", True),
        ("http://[fe80::1]", True),
        ("https://s3.example.com", False),
        ("https://svc.example.com", False),
        ("http://172.32.0.1", False),
        ("http://203.0.113.7", False),
        ("http://[2001:db8::1]", False),
        ("no address", False),
        ("", False),
    ],
)
def test_unreachable_storage_disables_redirects(endpoint: str, through_the_registry: bool) -> None:
    s3 = {"bucket": "images", "regionEndpoint": endpoint}
    assert spec_of({"storage": {"s3": s3}})["disableRedirect"] is through_the_registry


@pytest.mark.parametrize(
    ("trusted_ca", "through_the_registry"),
    [({"name": "ca"}, True), ({"name": ""}, False), ({}, False), (None, False)],
    ids=str,
)
def test_untrusted_storage_disables_redirects(
    trusted_ca: object, through_the_registry: bool
) -> None:
    s3 = {"bucket": "b-1", "regionEndpoint": "https://s3.example.com", "trustedCA": trusted_ca}
    assert spec_of({"storage": {"s3": s3}})["disableRedirect"] is through_the_registry


@pytest.mark.parametrize(
    "resources", [{}, {"requests": {"cpu": "1"}}, {"limits": {}}, {"claims": []}], ids=str
)
def test_given_resources_are_not_changed(resources: dict[str, Any]) -> None:
    assert spec_of({"resources": resources})["resources"] == resources


def test_a_pull_secret_is_completed_field_by_field() -> None:
    completed = spec_of({"imagePullSecret": {"managementState": "Removed", "x": [1]}})
    assert completed["imagePullSecret"] == {
        "managementState": "Removed",
        "x": [1],
        "ignoreSystemNamespaces": True,
    }


@pytest.mark.parametrize(
    "content",
    [
        {"spec": "text"},
        {"spec": []},
        {"spec": {"storage": "pvc"}},
        {"spec": {"storage": {"pvc": "claim"}}},
        {"spec": {"storage": {"s3": {"regionEndpoint": 5}}}},
        {"spec": {"replicas": "many"}},
        {"spec": {"imagePullSecret": [None]}},
        {"metadata": 3},
    ],
    ids=str,
)
def test_a_wrong_shape_is_left_for_validation_to_report(content: dict[str, Any]) -> None:
    assert with_defaults(content) == content


@given(configs)
def test_given_values_are_not_changed(content: dict[str, Any]) -> None:
    original = copy.deepcopy(content)
    _assert_keeps(original, with_defaults(content))
    assert content == original


@given(configs)
def test_defaulting_is_idempotent(content: dict[str, Any]) -> None:
    once = with_defaults(content)
    assert with_defaults(once) == once


@given(configs)
def test_the_difference_is_a_json_patch_that_only_adds_or_replaces_null(
    content: dict[str, Any],
) -> None:
    defaulted = with_defaults(content)
    patch = jsonpatch.make_patch(content, defaulted)
    assert patch.apply(content) == defaulted
    assert {operation["op"] for operation in patch} <= {"add", "replace"}


@given(configs)
def test_defaults_keep_an_allowed_config_allowed(content: dict[str, Any]) -> None:
    try:
        before, after = check(content), check(with_defaults(content))
    except ValidationError:
        return
    assert reasons(after) == reasons(before)


def _assert_keeps(before: Any, after: Any) -> None:
    if isinstance(before, dict):
        assert isinstance(after, dict)
        for name, value in before.items():
            _assert_keeps(value, after[name])
    elif before is not None:
        assert (type(after), after) == (type(before), before)

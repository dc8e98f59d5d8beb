"""The Secret with the storage's credentials, on a real API server."""

import pytest

from app.model.credentials import SECRET
from tests import page

from .cluster import Cluster
from .domain import REGISTRY
from .replicas import Replicas
from .storage import ACCESS, CONFIDENTIAL, IN_REGISTRY, created, created_by, s3, tried

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("no_storage_left")]


def test_the_command_of_the_page_passes(cluster: Cluster, warns: Replicas) -> None:
    [command] = page.commands("create secret")

    answer = cluster.kubectl(*created_by(command))

    assert answer.stderr == ""
    assert answer.stdout == f"secret/{SECRET} created\n"


@pytest.mark.parametrize(
    ("literals", "problem"),
    [
        ({"S3_ACCESSKEY": ACCESS}, "REGISTRY_STORAGE_S3_SECRETKEY is not; set both: kubectl -n"),
        ({"S3_ACCESSKEY": ACCESS, "S3_SECRETKEY": ""}, "REGISTRY_STORAGE_S3_SECRETKEY is empty"),
        ({"S3_ACCESSKEY": f"{ACCESS}\n", "S3_SECRETKEY": CONFIDENTIAL},
         "REGISTRY_STORAGE_S3_ACCESSKEY ends with a line break"),
        ({"S3_ACCESSKEY": ACCESS, "S3_SECRETKEY": f" {CONFIDENTIAL}"},
         "REGISTRY_STORAGE_S3_SECRETKEY begins or ends with white space"),
        ({"S3_ACCESSKEYID": ACCESS, "S3_SECRETKEY": CONFIDENTIAL},
         "did you mean REGISTRY_STORAGE_S3_ACCESSKEY?"),
    ],
)  # fmt: skip
def test_broken_credentials_are_refused_and_not_shown(
    cluster: Cluster, warns: Replicas, literals: dict[str, str], problem: str
) -> None:
    values = [f"--from-literal=REGISTRY_STORAGE_{key}={value}" for key, value in literals.items()]

    refused = cluster.kubectl(
        "create", "secret", "generic", SECRET, IN_REGISTRY, *values, check=False
    )

    assert refused.returncode == 1
    assert f"Secret {REGISTRY}/{SECRET}: " in refused.stderr
    assert problem in refused.stderr
    metrics = warns.running[0].metrics()
    assert 'kind="Secret"' in metrics
    for told in (refused.stderr, warns.running[0].log(), metrics):
        assert ACCESS not in told
        assert CONFIDENTIAL not in told


def test_stored_credentials_can_be_labelled_but_not_broken(
    cluster: Cluster, warns: Replicas
) -> None:
    [command] = page.commands("create secret")
    cluster.kubectl(*created_by(command))
    emptied = '{"data":{"REGISTRY_STORAGE_S3_SECRETKEY":null}}'

    labelled = cluster.kubectl("label", "secret", SECRET, IN_REGISTRY, "of=test")
    refused = cluster.kubectl(
        "patch", "secret", SECRET, IN_REGISTRY, f"--patch={emptied}", check=False
    )

    assert labelled.stderr == ""
    assert "REGISTRY_STORAGE_S3_SECRETKEY is not; set both" in refused.stderr


def test_s3_without_credentials_gets_a_warning_with_the_command(
    cluster: Cluster, warns: Replicas
) -> None:
    code, [what, how] = tried(cluster, s3())
    assert code == 0
    assert what == f"Warning: spec.storage.s3 needs Secret {SECRET}, which does not exist"

    cluster.kubectl(*created_by(how.removeprefix("Warning: create it: ")))

    assert tried(cluster, s3()) == (0, [])


def test_credentials_of_another_storage_get_a_command(cluster: Cluster, warns: Replicas) -> None:
    created(cluster, "Secret", SECRET, stringData={"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "any"})

    _, [what, how] = tried(cluster, s3())
    assert "with REGISTRY_STORAGE_S3_ACCESSKEY and REGISTRY_STORAGE_S3_SECRETKEY" in what
    cluster.kubectl(*created_by(how.removeprefix("Warning: add to it: ")))

    assert tried(cluster, s3()) == (0, [])

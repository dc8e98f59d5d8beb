"""`audit -o policyreport --apply` writes its reports to the cluster."""

import pytest

from app.cli import policy_reports
from app.cluster.api import ApiError, Content, KubeApi, NotFoundError, Query
from app.config.settings import Settings
from tests.unit.listed_cluster import find


class Cluster(KubeApi):
    """Refuses reports of some namespaces, with these messages."""

    def __init__(self, **refused: str) -> None:
        self._refused = refused
        self.has_reports = True

    async def get(self, path: str, query: Query | None = None) -> Content:
        if not self.has_reports:
            raise NotFoundError(404, f"GET {path}: not found")
        return {}

    async def apply(self, path: str, content: Content, manager: str, **_options: bool) -> Content:
        message = self._refused.get(content["metadata"]["namespace"])
        if message:
            raise ApiError(403, message)
        return content


def report(namespace: str) -> Content:
    return {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "limits", "namespace": namespace},
    }


async def write(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    find(cluster, monkeypatch)
    await policy_reports.write(Settings(), [report("a"), report("b")])


@pytest.mark.parametrize(
    "message",
    ["forbidden: because it is being terminated", 'PATCH /apis/x: namespaces "a" not found'],
)
async def test_namespace_that_is_deleted_needs_no_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], message: str
) -> None:
    await write(Cluster(a=message), monkeypatch)

    assert capsys.readouterr().err == "1 of 2 PolicyReports applied.\n"


async def test_report_that_is_refused_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        await write(Cluster(b="quota"), monkeypatch)

    assert end.value.code == 3
    assert capsys.readouterr().err == (
        "Failed: PolicyReport b/limits: quota\n1 of 2 PolicyReports applied.\n"
    )


async def test_cluster_without_the_kind_is_told_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster()
    cluster.has_reports = False

    with pytest.raises(ApiError, match="the cluster has no PolicyReports"):
        await write(cluster, monkeypatch)

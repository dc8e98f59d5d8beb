"""The image lacks the generated modules of kubernetes_asyncio, and the used ones work."""

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_asyncio
import pytest

from image.leave_out import leave_out

LIBRARY = Path(kubernetes_asyncio.__file__).parent
TRIAL = """
import kubernetes_asyncio
from app.cluster import api, connection, leader
from kubernetes_asyncio.client import ApiClient, Configuration, models
from tests.unit.test_image_leave_out import LEASE

print(kubernetes_asyncio.__file__)
lease = ApiClient.__new__(ApiClient)._ApiClient__deserialize(LEASE, "V1Lease")
print(lease.metadata.owner_references[0].name, lease.metadata.managed_fields[0].manager)
print(lease.spec.holder_identity, lease.spec.renew_time.year)
print(sorted(name for name in vars(models) if name.startswith("V1")))
"""
LEASE = {
    "metadata": {
        "name": "registry-admission",
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": "owner", "uid": "u", "controller": True}
        ],
        "managedFields": [{"manager": "somebody", "time": "2026-01-01T00:00:00Z"}],
    },
    "spec": {"holderIdentity": "pod-1", "renewTime": "2026-01-02T03:04:05.000000Z"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(LIBRARY, folder / LIBRARY.name)
    leave_out(folder)
    return folder


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_leader_election_and_connections_work_with_the_remaining_modules(site: Path) -> None:
    environment = {"PYTHONPATH": f"{site}:{Path(__file__).parents[2]}"}
    done = subprocess.run(
        [sys.executable, "-c", TRIAL], env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(site / "kubernetes_asyncio" / "__init__.py"),
        "owner somebody",
        "pod-1 2026",
        "['V1Lease', 'V1LeaseSpec', 'V1ManagedFieldsEntry', 'V1ObjectMeta', 'V1OwnerReference']",
    ]


def test_most_of_the_library_is_left_out(site: Path) -> None:
    assert size(site) < 4 * 2**20 < size(LIBRARY) / 10


def test_bytecode_of_the_remaining_modules_is_current(site: Path) -> None:
    """The disk of a container is read-only: missing bytecode would be compiled at each start."""
    check = "import sys; from pathlib import Path; import kubernetes_asyncio.client"
    done = subprocess.run(
        [sys.executable, "-v", "-B", "-c", check],
        env={"PYTHONPATH": str(site)}, capture_output=True, text=True,
    )  # fmt: skip

    assert f"code object from {str(site)!r}" not in done.stderr
    compiled = [line for line in done.stderr.splitlines() if "client/__init__" in line]
    assert any("matches" in line for line in compiled), compiled


def test_a_library_without_the_kept_modules_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kubernetes_asyncio" / "client" / "api").mkdir(parents=True)

    with pytest.raises(FileNotFoundError):
        leave_out(tmp_path)

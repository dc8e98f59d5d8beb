"""The commands of the documentation that need a cluster work as printed, on a real API server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.config.shared_settings import ENV_PREFIX
from tests.docs.blocks import DOCS, PAGES, blocks
from tests.docs.reader import Reader

from .cluster import Cluster, build_tools
from .overlays import MANIFESTS, NAMESPACE

pytestmark = pytest.mark.e2e

MARK = "needs a cluster"
NEEDING = [page for page in PAGES if any(one.mark.startswith(MARK) for one in blocks(page))]
INSTALLS = "install"
"""The page that creates the service's namespace. The other pages need it to exist."""
NAMESPACES = ("cpaas-system", "image-registry-system", "openshift-image-registry", "team-a")
WORDS = {
    "HOST/registry-admission:TAG": "registry.example.com/registry-admission:1",
    "SERVICEACCOUNT": "default",
    "NAMESPACE": "team-a",
    "FILE": "kubeconfig",
}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with Registry v2, OKD's registry, and the legacy gateway of convert.md."""
    with Cluster(build_tools(), tmp_path) as running:
        running.start_controller_manager()
        for domain in ("alauda.io", "openshift.io"):
            running.install_crds(domain)
        for name in NAMESPACES:
            running.kubectl("create", "namespace", name)
        [legacy] = [
            block.content
            for block in blocks(DOCS / "how-to" / "convert.md")
            if block.title == "gateway.yaml"
        ]
        running.kubectl("create", "--filename=-", input=legacy)
        running.kubectl("wait", "--for=create", "serviceaccount/default", "--namespace=team-a")
        yield running


@pytest.fixture
def reader(fresh: Cluster, tmp_path: Path) -> Iterator[Reader]:
    """A reader with the manifests, the registry's CA and a kubeconfig of two contexts."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "manifests").symlink_to(MANIFESTS)
    (folder / "ca.crt").write_bytes(fresh.ca_file.read_bytes())
    kubeconfig = yaml.safe_load(fresh.kubeconfig.read_text())
    kubeconfig["contexts"].append({**kubeconfig["contexts"][0], "name": "staging"})
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment = {
        **outside,
        "PATH": f"{fresh.tools}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(folder / "kubeconfig"),
        f"{ENV_PREFIX}PORT": "0",
    }
    running = Reader(folder, MARK, environment, WORDS)
    yield running
    running.leave()


@pytest.mark.parametrize("page", NEEDING, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_on_a_cluster(
    page: Path, fresh: Cluster, reader: Reader
) -> None:
    if page.stem != INSTALLS:
        fresh.kubectl("create", "namespace", NAMESPACE)
    for block in blocks(page):
        if f"namespace {NAMESPACE}" in block.content and block.mark.startswith(MARK):
            # This installs the service in another way, so the previous installation is removed.
            reader.run("registry-admission uninstall --yes --delete-namespace")
            fresh.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=120s")
        reader.follow(block)

"""The distribution spec's conformance suite has the same results with and without the gateway."""

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from .programs import Registry, distribution, gateway, memory_registry, registry, run

_STRICTER = {
    "OCI Conformance Test/invalid-digest-format/manifest-put": (["failure"], ["passed"]),
}
"""The gateway refuses an invalid digest as the spec demands. The registries do not."""

Results = dict[str, list[str]]


@pytest.mark.parametrize("serve", [registry, distribution, memory_registry])
async def test_conformance_results_are_the_same_with_the_gateway(
    tools: Path,
    tmp_path: Path,
    serve: Callable[[Path, Path], AbstractAsyncContextManager[Registry]],
) -> None:
    for name in ("direct", "behind", "limits"):
        (tmp_path / name).mkdir()
    async with (
        serve(tools, tmp_path / "direct") as direct,
        serve(tools, tmp_path / "behind") as behind,
        gateway(tmp_path, behind.url) as gate,
    ):
        expected = await conformance(tools, direct.host, tmp_path / "direct")
        found = await conformance(tools, gate.host, tmp_path / "behind")

    differences = {
        test: (expected.get(test), found.get(test))
        for test in expected.keys() | found.keys()
        if expected.get(test) != found.get(test)
    }
    assert differences == _STRICTER
    assert sum(results.count("passed") for results in expected.values()) > 500


async def conformance(tools: Path, host: str, folder: Path) -> Results:
    """The results of each test. Several tests may have one name."""
    await run(
        tools / "conformance",
        OCI_REGISTRY=host,
        OCI_TLS="disabled",
        OCI_VERSION="1.1",
        OCI_RESULTS_DIR=str(folder),
        OCI_API_BLOBS_UPLOAD_CANCEL="true",
    )
    results: Results = defaultdict(list)
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        results[case.get("name", "")].append(case.get("status", ""))
    return {test: sorted(ends) for test, ends in results.items()}

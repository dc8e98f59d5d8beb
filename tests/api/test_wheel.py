"""The wheel has what the documentation names, and works without the source tree."""

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "certs" / "README.md"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "files")
    return folder / "files"


def test_every_manifest_that_the_documentation_names_is_in_it(unpacked: Path) -> None:
    named = {
        path.rstrip(".")
        for page in PAGES
        for path in re.findall(r"(?<![\w/])manifests/[a-z0-9/.-]+", page.read_text())
    }
    assert len(named) > 5
    assert [path for path in sorted(named) if not (unpacked / "app" / path).exists()] == []


def test_metadata_names_license_and_types(unpacked: Path) -> None:
    [information] = unpacked.glob("*.dist-info")
    metadata = message_from_string((information / "METADATA").read_text())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert (information / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert (unpacked / "app" / "py.typed").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["install", "--image", "i:1", "--api-domain", "openshift.io"],
        [
            "install",
            "--image",
            "i:1",
            "--controllers",
            "pull-secrets",
            "--controllers",
            "s3-credentials",
        ],
    ],
)
def test_commands_find_their_files(unpacked: Path, tmp_path: Path, command: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "kind: ValidatingWebhookConfiguration" in done.stdout

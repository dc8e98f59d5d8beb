"""The Dockerfile: labels, base images and pinned downloads."""

import re
from pathlib import Path

from app.version import VERSION

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text()


def test_the_image_is_labelled_with_the_version_of_the_project() -> None:
    assert re.findall(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE) == [VERSION]


def test_every_stage_has_the_base_that_the_builder_chooses() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert bases == ["${BASE}", "${BASE}"]


def test_everything_that_is_fetched_for_the_image_is_pinned_with_a_hash() -> None:
    fetching = [
        command
        for line in DOCKERFILE.replace("\\\n", " ").splitlines()
        for command in line.split("&&")
        if "pip install" in command or "pip wheel" in command
    ]

    assert len(fetching) == 4
    for command in fetching:
        assert "--require-hashes" in command or (
            "--no-deps" in command and ("--no-build-isolation" in command or "/wheels/" in command)
        ), command

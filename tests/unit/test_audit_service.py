"""`make audit` fails if its service knows no vulnerabilities, instead of reporting none."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("said", "code", "knows"),
    [
        pytest.param("Found 3 known vulnerabilities in 1 package", 1, True, id="PyPI"),
        pytest.param(
            "ERROR: jinja2: Dependency not found on PyPI and could not be audited", 1, False,
            id="a mirror without the service",
        ),
        pytest.param("No known vulnerabilities found", 0, False, id="a mirror that knows of none"),
        pytest.param("ConnectionError: Failed to resolve", 1, False, id="nobody"),
    ],
)  # fmt: skip
def test_vulnerability_service_without_a_known_vulnerability_is_not_trusted(
    tmp_path: Path, said: str, code: int, knows: bool
) -> None:
    pip_audit = tmp_path / "pip-audit"
    pip_audit.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{said}' >&2\nexit {code}\n")
    pip_audit.chmod(0o755)

    asked = subprocess.run(
        ["make", "--silent", "--old-file=.venv/.hardening", "audit-service", f"BIN={tmp_path}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
    )

    assert (asked.returncode == 0) == knows

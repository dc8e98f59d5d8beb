"""promtool and amtool, as the tests run them."""

import subprocess
from pathlib import Path


def folder() -> Path:
    """The folder of both programs."""
    build = Path(__file__).parent / "tools" / "build"
    built = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip())


def run(*command: str | Path) -> str:
    """The output of a program. A failure raises an error."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout

"""Finds the project's examples: a state folder, and payloads to send."""

from pathlib import Path

_APP = Path(__file__).parents[1]


def state_folder() -> Path:
    """The folder of example manifests."""
    return _first(_APP / "manifests" / "examples", _APP.parent / "manifests" / "examples")


def payload(name: str) -> Path:
    """The file of one example AdmissionReview."""
    folder = _first(_APP / "examples" / "payloads", _APP.parent / "tests" / "payloads")
    return folder / name


def _first(installed: Path, source: Path) -> Path:
    """The folder in an installed package, else the folder in the source tree."""
    return installed if installed.is_dir() else source

"""The examples that come with the project: a state to try, and payloads to send."""

from pathlib import Path

_HERE = Path(__file__).parent


def state_folder() -> Path:
    """The example manifests."""
    return _first(_HERE / "examples" / "state", _HERE.parent / "manifests" / "examples")


def payload(name: str) -> Path:
    """One AdmissionReview to post."""
    folder = _first(_HERE / "examples" / "payloads", _HERE.parent / "tests" / "payloads")
    return folder / name


def _first(installed: Path, source: Path) -> Path:
    """An installed package carries the examples inside, a clone has them beside."""
    return installed if installed.is_dir() else source

"""The examples that come with the project: a state to try, and payloads to send."""

from pathlib import Path

_APP = Path(__file__).parents[1]


def state_folder() -> Path:
    """The example manifests."""
    return _first(_APP / "examples" / "state", _APP.parent / "manifests" / "examples")


def payload(name: str) -> Path:
    """One AdmissionReview to post."""
    folder = _first(_APP / "examples" / "payloads", _APP.parent / "tests" / "payloads")
    return folder / name


def _first(installed: Path, source: Path) -> Path:
    """An installed package carries the examples inside, a clone has them beside."""
    return installed if installed.is_dir() else source

"""AdmissionReviews in the shape that an API server sends them, one file per case."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """The AdmissionReview of one file."""
    review: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return review


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))

"""Pictures of pages, and the texts on a page that are cut or reach into their neighbours."""

from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "build" / "screenshots"
OVERFLOWING = """[...document.querySelectorAll("tbody th, td, thead th, .tabs a, .cards li")]
    .filter(each => {
        const range = document.createRange(), style = getComputedStyle(each)
        range.selectNodeContents(each)
        const box = each.getBoundingClientRect(), text = range.getBoundingClientRect()
        return box.width > 1 && text.right > box.right - parseFloat(style.paddingRight) + 1
    })
    .map(each => `${each.className}: ${each.innerText}`)"""
"""The texts that reach out of their cells, tiles and cards."""


def pictures() -> Path:
    """The folder for pictures to look at."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    return _FOLDER

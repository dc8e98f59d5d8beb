"""Stand-ins for the part of watchfiles that asks the operating system."""

from typing import NoReturn, Self

PROBLEM = "error in underlying watcher"


class BreaksLater:
    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watch(self, *_: object) -> NoReturn:
        raise RuntimeError(PROBLEM)


class NoFilesLeft:
    def __init__(self, *_: object) -> None:
        raise OSError(PROBLEM)


class Unsupported:
    def __init__(self, *_: object) -> None:
        raise RuntimeError(PROBLEM)


BROKEN = (BreaksLater, NoFilesLeft, Unsupported)

"""A state folder is read again when it changes or is replaced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.cluster.embedded import EmbeddedState
from app.model.quantity import Quantity
from tests.patience import PATIENCE
from tests.unit.test_embedded_state import LIMITS, state


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[EmbeddedState]:
    async with watching(state(folder)) as read:
        yield read


@asynccontextmanager
async def watching(read: EmbeddedState) -> AsyncIterator[EmbeddedState]:
    task = asyncio.create_task(read.watch())
    try:
        async with asyncio.timeout(PATIENCE):
            yield read
    finally:
        task.cancel()


async def test_change_that_comes_before_the_watch_is_found(tmp_path: Path) -> None:
    read = state(tmp_path)
    (tmp_path / "limits.yaml").write_text(LIMITS)

    async with watching(read):
        while not read.limits("default").limits_members:
            await asyncio.sleep(0.05)


async def test_change_is_found_without_a_file_event(tmp_path: Path) -> None:
    async with watched(tmp_path) as read:
        while not read.limits("default").limits_members:
            (tmp_path / "limits.yaml").write_text(LIMITS)
            await asyncio.sleep(0.2)


@pytest.mark.usefixtures("files_cannot_be_watched")
async def test_change_is_found_without_inotify_and_the_cause_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(tmp_path) as read:
        for quota in ("first", "second"):
            (tmp_path / "limits.yaml").write_text(LIMITS.replace("name: quota", f"name: {quota}"))
            while [one.metadata.name for one in read.quotas("default")] != [quota]:
                await asyncio.sleep(0.2)

    causes = [vars(record).get("problem", "") for record in caplog.records]
    assert causes.count(f"cannot watch {tmp_path}: error in underlying watcher") == 1


async def test_a_folder_that_is_replaced_is_followed(tmp_path: Path) -> None:
    folder, new = tmp_path / "state", tmp_path / "new"
    folder.mkdir()
    new.mkdir()
    (folder / "limits.yaml").write_text(LIMITS)
    (new / "limits.yaml").write_text(LIMITS.replace("alauda.io/images: 5", "alauda.io/images: 9"))

    async with watched(folder) as read:
        folder.rename(tmp_path / "old")
        while read.broken is None:
            await asyncio.sleep(0.05)
        assert read.limits("default").quotas[0].images == Quantity("5")
        new.rename(folder)
        while read.broken is not None:
            await asyncio.sleep(0.05)

    assert read.limits("default").quotas[0].images == Quantity("9")

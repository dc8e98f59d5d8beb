"""A change of the certificate files is noticed for every kind of mount."""

import asyncio
import shutil
from pathlib import Path

import pytest

from app.certs import files
from app.certs.reload import ServingContext
from tests.api.tls import (
    SOON,
    by_events,
    by_looking,
    ca,
    mount,
    present,
    presented,
    put,
    serving,
    wait_until_presented,
)
from tests.patience import PATIENCE
from tests.unit.certificates import serial_of

NAMES = ["localhost", "127.0.0.1"]


async def wait_until_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if text in caplog.text:
                return
            await asyncio.sleep(SOON)


async def test_the_watcher_outlives_a_broken_replacement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = files.make(tmp_path, NAMES)

    async with serving(tmp_path, by_events) as server:
        (tmp_path / files.CERTIFICATE).write_text("no certificate")
        await wait_until_logged("the old one stays", caplog)
        assert await presented(server.port, ca(tmp_path)) == serial_of(old)

        new = files.make(tmp_path, NAMES)
        await wait_until_presented(serial_of(new), server.port, ca(tmp_path))


async def test_a_mounted_secret_is_followed(tmp_path: Path) -> None:
    source, volume = tmp_path / "source", tmp_path / "volume"
    mount(volume, "..2030_01_01", files.make(source, NAMES))

    async with serving(volume, by_events) as server:
        for version in ("..2030_01_02", "..2030_01_03"):
            new = files.make(source, NAMES)
            mount(volume, version, new)
            await wait_until_presented(serial_of(new), server.port, ca(source))


async def test_change_without_an_event_is_found_by_polling(tmp_path: Path) -> None:
    """The folder itself is a link. A change of the link causes no event in the folder."""
    authorities, current = tmp_path / "ca", tmp_path / "current"
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        put(tmp_path / version, files.make(authorities, NAMES))
    current.symlink_to("v1")

    async with serving(current, by_looking) as server:
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").replace(current)

        new = present(current)
        await wait_until_presented(serial_of(new), server.port, ca(authorities))


async def test_unwatchable_folder_is_polled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, folder = tmp_path / "source", tmp_path / "tls"
    old = files.make(source, NAMES)
    shutil.copytree(source, folder)

    async def removed_before_watching(certificates: ServingContext) -> None:
        shutil.rmtree(folder)
        await certificates.watch(poll=SOON)

    async with serving(folder, removed_before_watching) as server:
        await wait_until_logged("cannot watch", caplog)
        assert await presented(server.port, ca(source)) == serial_of(old)

        new = files.make(source, NAMES)
        shutil.copytree(source, folder)
        await wait_until_presented(serial_of(new), server.port, ca(source))


@pytest.mark.usefixtures("files_cannot_be_watched")
async def test_changes_are_polled_without_inotify_and_the_cause_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files.make(tmp_path, NAMES)

    async with serving(tmp_path, by_looking) as server:
        for _ in range(2):
            new = files.make(tmp_path, NAMES)
            await wait_until_presented(serial_of(new), server.port, ca(tmp_path))

    assert caplog.text.count("cannot watch") == 1


async def test_the_watcher_stops_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)

    async with asyncio.timeout(PATIENCE), serving(tmp_path, by_events):
        pass

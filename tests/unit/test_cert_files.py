"""A folder of certificates keeps its CA, and files of other origin are not replaced."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.certs import authority, files
from app.certs.files import CertificateError
from tests.unit.certificates import serial_of, verify

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
NAMES = ["registry-admission.registry-admission.svc", "localhost", "127.0.0.1"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_key_is_private_before_its_first_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, write = list[int](), Path.write_bytes

    def noted(path: Path, content: bytes) -> int:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", noted)
    files.make(tmp_path, NAMES, NOW)

    assert modes == [0o600] * 4


@pytest.mark.usefixtures("open_umask")
def test_certificate_files_are_named_like_a_tls_secret_and_keys_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tls"
    made = files.make(folder, NAMES, NOW)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    assert files.read(folder / "tls.crt", folder / "tls.key") == made
    verify(made.certificate, (folder / "ca.crt").read_bytes(), "localhost", NOW)


def test_next_serving_certificate_is_signed_by_the_same_ca(tmp_path: Path) -> None:
    first = files.make(tmp_path, NAMES, NOW)
    ca = {name: (tmp_path / name).read_bytes() for name in ("ca.crt", "ca.key")}
    (tmp_path / "ca.key").chmod(0o400)

    second = files.make(tmp_path, ["other.example"], NOW + timedelta(days=1))

    assert serial_of(second) != serial_of(first)
    assert {name: (tmp_path / name).read_bytes() for name in ca} == ca
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o400
    verify(second.certificate, ca["ca.crt"], "other.example", NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        pytest.param(authority.AUTHORITY_LIFETIME, "expired at 2040-01-02", id="expired"),
        pytest.param(timedelta(days=-4000), "was made at 2030-01-01", id="made by a wrong clock"),
    ],
)
def test_ca_that_is_not_valid_now_is_replaced_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, later: timedelta, problem: str
) -> None:
    files.make(tmp_path, NAMES, NOW)
    old = (tmp_path / "ca.crt").read_bytes()
    now = NOW + later

    made = files.make(tmp_path, NAMES, now)

    new = (tmp_path / "ca.crt").read_bytes()
    assert new != old
    verify(made.certificate, new, "localhost", now)
    assert f"{tmp_path / 'ca.crt'} {problem}" in caplog.text


@pytest.mark.parametrize(
    ("present", "problem"),
    [
        pytest.param({"ca.crt"}, "ca.key is missing", id="a CA without its key"),
        pytest.param({"ca.key", "tls.crt", "tls.key"}, "ca.crt is missing", id="only a CA's key"),
        pytest.param({"tls.crt", "tls.key"}, "tls.crt was not made by a CA", id="no CA"),
        pytest.param({"tls.key"}, "tls.key was not made by a CA", id="a serving key alone"),
    ],
)
def test_files_that_cannot_be_replaced_are_kept(
    tmp_path: Path, present: set[str], problem: str
) -> None:
    files.make(tmp_path, NAMES, NOW)
    for path in tmp_path.iterdir():
        if path.name not in present:
            path.unlink()
    before = contents(tmp_path)

    with pytest.raises(CertificateError, match=rf"^{tmp_path}/{problem}.*; .*remove"):
        files.make(tmp_path, NAMES, NOW)

    assert contents(tmp_path) == before


def test_half_written_key_pair_is_made_again(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "tls.crt").unlink()

    made = files.make(tmp_path, NAMES, NOW)

    assert files.read(tmp_path / "tls.crt", tmp_path / "tls.key") == made


def test_ca_with_a_foreign_key_is_an_error(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "ca.key").write_bytes(authority.make_authority(NOW).key)

    with pytest.raises(CertificateError, match=f"{tmp_path}/ca.crt with {tmp_path}/ca.key: the pr"):
        files.make(tmp_path, NAMES, NOW)


def test_wrong_name_writes_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "tls"

    with pytest.raises(CertificateError, match=f"no certificate made in {folder}: 'a b' is neith"):
        files.make(folder, ["localhost", "a b"], NOW)

    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "tls"

    with pytest.raises(CertificateError, match=rf"cannot write certificates to {folder}: .*; choo"):
        files.make(folder, NAMES, NOW)


def test_a_failed_replacement_leaves_no_key_behind(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)
    (tmp_path / "tls.key").unlink()
    (tmp_path / "tls.key").mkdir()

    with pytest.raises(CertificateError, match=f"cannot write certificates to {tmp_path}"):
        files.make(tmp_path, NAMES, NOW)

    assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES, NOW)

    with pytest.raises(CertificateError, match=f"cannot read {tmp_path}: .*; give this user"):
        files.read(tmp_path / "tls.crt", tmp_path)

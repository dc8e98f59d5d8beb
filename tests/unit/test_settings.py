"""Settings: their sources, and refused values."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config.settings import Settings, load


def test_flags_win_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1\nunknown_size: allow\nlog_level: debug\n")
    monkeypatch.setenv("REGISTRY_ADMISSION_PORT", "2")
    monkeypatch.setenv("REGISTRY_ADMISSION_UNKNOWN_SIZE", "warn")

    settings = load({"port": "3"}, file, Settings)

    assert (settings.port, settings.unknown_size, settings.log_level) == (3, "warn", "debug")
    assert settings.max_body_bytes == 8 * 2**20


def test_keys_of_a_file_are_spelled_as_flags_or_as_variables(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("watch-lag: 7s\nclock_skew: 3s\n")

    settings = load({}, file, Settings)

    assert (settings.watch_lag, settings.clock_skew) == (7, 3)


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        ({"port": "http"}, "port"),
        ({"port": "70000"}, "port"),
        ({"unknown_size": "maybe"}, "unknown_size"),
        ({"legacy_modes": "*=perhaps"}, "legacy_modes"),
        ({"legacy_modes": "enforce"}, "legacy_modes"),
        ({"max_body_bytes": "0"}, "max_body_bytes"),
        ({"request_timeout": "0"}, "request_timeout"),
        ({"clock_skew": "0.5"}, "clock_skew"),
        ({"no_such_setting": "1"}, "no_such_setting"),
        ({"registry_hosts": "https://registry.example.com"}, "registry_hosts"),
        ({"registry_url": "registry.example.com"}, "registry_url"),
        ({"registry_url": "https://registry.example.com/v2"}, "registry_url"),
        ({"registry_url": "https://user:secret@registry.example.com"}, "registry_url"),
        ({"controllers": "pull-secrets,others"}, "controllers"),
        ({"pull_secret_life": "599"}, "pull_secret_life"),
        ({"pull_secret_refresh": "1"}, "pull_secret_refresh"),
        ({"controller_rate": "0"}, "controller_rate"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        load(flags, None, Settings)

    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_ADMISSION_LEGACY_NAMESPACES", "cpaas-*, legacy")

    assert load({}, None, Settings).legacy_namespaces == ["cpaas-*", "legacy"]


@pytest.mark.parametrize(
    ("namespace", "mode"),
    [("cpaas-system", "off"), ("cpaas-legacy", "warn"), ("team-a", "enforce")],
)
def test_first_matching_legacy_pattern_decides(namespace: str, mode: str) -> None:
    settings = Settings(legacy_modes=["cpaas-system=off", "cpaas-*=warn"])

    assert settings.legacy_mode(namespace) == mode


def test_internal_registry_has_service_and_configured_names() -> None:
    settings = Settings(registry_hosts=["registry.example.com"])

    assert settings.internal_hosts == {
        "registry.example.com",
        "image-registry.image-registry-system",
        "image-registry.image-registry-system:5000",
        "image-registry.image-registry-system.svc",
        "image-registry.image-registry-system.svc:5000",
        "image-registry.image-registry-system.svc.cluster.local",
        "image-registry.image-registry-system.svc.cluster.local:5000",
    }


def test_reservation_outlasts_storage_time_and_clock_skew() -> None:
    timing = Settings(request_timeout=60, watch_lag=5, clock_skew=2).timing

    assert (timing.expiry, timing.lag, timing.skew) == (69, 5, 4)


def test_internal_registry_of_okd_is_in_its_operators_namespace() -> None:
    assert load({"api_domain": "openshift.io"}, None, Settings).internal_hosts >= {
        "image-registry.openshift-image-registry.svc:5000"
    }
    elsewhere = {"api_domain": "openshift.io", "registry_namespace": "mine"}
    assert load(elsewhere, None, Settings).internal_hosts >= {"image-registry.mine.svc:5000"}

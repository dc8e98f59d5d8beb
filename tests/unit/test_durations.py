"""Durations are parsed and printed."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.config import durations
from app.config.settings import Settings, load
from app.config.shared_settings import SharedSettings
from app.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1m", 60),
        ("1m30s", 90),
        ("1h1m1s", 3661),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("1.5s", 1.5),
        ("0.25h", 900),
        ("0s", 0),
        ("7", 7),
        ("0.5", 0.5),
        ("150.0", 150),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "s", "5 s", "5S", "-5s", "+5s", "5d", "5us", "1e3", "5s1", "1,5s", ".5s", "inf", "nan",
        "٥s", "9" * 13,
    ],
)  # fmt: skip
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 5s, 1m30s or 500ms"):
        durations.seconds(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (5.0, "5s"),
        (0.5, "500ms"),
        (0.0015, "1.5ms"),
        (1.5, "1.5s"),
        (59.9999999, "1m"),
        (60, "1m"),
        (90.25, "1m30.25s"),
        (3600, "1h"),
        (28_800, "8h"),
        (3_605, "1h5s"),
    ],
)
def test_durations_are_written_with_their_unit(seconds: float, text: str) -> None:
    assert durations.text(seconds) == text


@given(st.integers(0, 10**13))
def test_a_printed_duration_is_parsed_to_the_same_value(micros: int) -> None:
    seconds = micros / 1e6

    assert durations.seconds(durations.text(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("given", ["90", "90s", "1m30s", 90])
def test_settings_take_durations_from_flags_and_files(tmp_path: Path, given: str | int) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"watch_lag": given, "shutdown_timeout": given}))

    assert load({"watch_lag": given}, None, Settings).watch_lag == 90
    assert load({}, file, Settings).watch_lag == 90
    assert load({}, file, Settings).shutdown_timeout == 90


def test_settings_take_durations_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_ADMISSION_IDLE_TIMEOUT", "1m")

    assert load({"upstream": "http://localhost"}, None, GatewaySettings).idle_timeout == 60


@pytest.mark.parametrize(
    ("setting", "given", "problem"),
    [
        ("watch_lag", "5 seconds", "'5 seconds' is not a duration"),
        ("watch_lag", "-1s", "'-1s' is not a duration"),
        ("watch_lag", "0s", "greater than 0"),
        ("watch_lag", float("inf"), "finite number"),
        ("clock_skew", "900ms", "greater than 1"),
        ("shutdown_timeout", "1500ms", "valid integer"),
        ("pull_secret_life", "9m", "greater than or equal to 600"),
    ],
)
def test_wrong_durations_are_refused(setting: str, given: str | float, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        load({setting: given}, None, Settings)


@pytest.mark.parametrize("model", [Settings, GatewaySettings])
def test_every_setting_that_is_a_time_has_a_unit(model: type[SharedSettings]) -> None:
    """A default as a plain number of seconds would be printed without a unit."""
    named = ("timeout", "lag", "skew", "silence", "delay", "life", "grace", "interval", "wait")
    required = {"upstream": "http://localhost"} if model is GatewaySettings else {}
    printed = load(required, None, model).model_dump(mode="json")
    times = [name for name in printed if name.rpartition("_")[2] in named]

    assert len(times) > 5
    assert [name for name in times if not isinstance(printed[name], str)] == []

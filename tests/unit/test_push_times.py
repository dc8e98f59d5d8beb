"""The time of the last push to each tag, if its stream has it."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from app.model.stream import ImageStream, TagReference
from app.quota.push_times import PushTimes
from app.quota.usage import NamespaceUsage, StreamUsage

KEY = ("ns", "app")


def stream(**created: str) -> ImageStream:
    tags: list[dict[str, Any]] = [
        {"tag": tag, "items": [{"created": time, "image": "d1"}]} for tag, time in created.items()
    ]
    return ImageStream.model_validate({"status": {"tags": tags}})


def stored(obj: ImageStream) -> tuple[PushTimes, NamespaceUsage]:
    times, usage = PushTimes(), NamespaceUsage()
    usage.put("app", StreamUsage.of(obj))
    times.put(KEY, obj, usage.streams["app"])
    return times, usage


@pytest.mark.parametrize(
    ("text", "pushed"),
    [
        pytest.param("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), id="UTC"),
        pytest.param(
            "2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC), id="a zone"
        ),
        pytest.param(
            "2100-01-01T00:00:00Z", datetime(2100, 1, 1, tzinfo=UTC), id="more than 31 bits"
        ),
        pytest.param(
            "9999-01-01T00:00:00Z",
            datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC),
            id="more than 32 bits: the latest there is",
        ),
        pytest.param("1960-01-01T00:00:00Z", None, id="before the epoch"),
        pytest.param("yesterday", None, id="no time"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_time_of_a_tag(text: str, pushed: datetime | None) -> None:
    times, usage = stored(stream(v1=text))

    assert times.of("ns", usage) == ({} if pushed is None else {("app", "v1"): pushed})


def test_time_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        times, usage = stored(stream(v1="2026-01-02T03:04:05"))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert times.of("ns", usage) == {("app", "v1"): datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}


def test_tag_time_comes_from_its_history() -> None:
    obj = stream(v2="2026-01-02T00:00:00Z", v1="2026-01-01T00:00:00Z")
    obj.spec.tags.append(TagReference(name="a"))
    times, usage = stored(obj)

    assert times.of("ns", usage) == {
        ("app", "v1"): datetime(2026, 1, 1, tzinfo=UTC),
        ("app", "v2"): datetime(2026, 1, 2, tzinfo=UTC),
    }


def test_unknown_stream_has_no_times() -> None:
    times, usage = stored(stream(v1="2026-01-01T00:00:00Z"))
    times.remove(KEY)
    times.remove(KEY)

    assert times.of("ns", usage) == {}

"""What passes its limits, by how much, and what to look at first."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from app.cli.main import main
from app.cli.printing import readable
from app.model.limits import NamespaceLimits
from app.model.quantity import Quantity
from app.policy import fullness
from app.policy.audit import NamespaceAudit, OldTag, audit
from app.policy.fullness import Level
from app.policy.images import LargeImage
from app.quota.members import StreamTag
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota

DIGESTS = {name: "sha256:" + name * 64 for name in "abcdef"}
JANUARY, MARCH = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def usage(**streams: dict[str, str]) -> NamespaceUsage:
    """Streams with their tags; the letters of a tag are its images, newest first."""
    built = NamespaceUsage()
    for name, tags in streams.items():
        digests = {tag: tuple(DIGESTS[char] for char in text) for tag, text in tags.items()}
        built.put(name, StreamUsage(digests))
    return built


def run_audit(
    used: NamespaceUsage,
    limits: NamespaceLimits,
    *,
    sizes: dict[str, int] | None = None,
    pushed: dict[StreamTag, datetime] | None = None,
    top: int = 5,
) -> NamespaceAudit:
    known = {DIGESTS[name]: size for name, size in (sizes or {}).items()}
    return audit("team-a", used, limits, sizes=known, pushed=pushed or {}, domain=DOMAIN, top=top)


TWO = usage(app={"v1": "a", "v2": "ba"}, web={"v1": "c"})


@pytest.mark.parametrize(
    ("limits", "over"),
    [
        pytest.param(NamespaceLimits(), [], id="no limits"),
        pytest.param(
            NamespaceLimits(
                stream_images=limit("2"),
                stream_tags=limit("2"),
                quotas=(quota(imagestreams=2, images=3, image_tags=3),),
            ),
            [],
            id="full is not over",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(imagestreams=1, images=1, image_tags=2),)),
            [("Namespace team-a", "images", 2), ("Namespace team-a", "imagestreams", 1),
             ("Namespace team-a", "image-tags", 1)],
            id="quotas, the worst first",
        ),
        pytest.param(
            NamespaceLimits(stream_images=limit("1"), stream_tags=limit("0")),
            [("ImageStream app", "image-tags", 2), ("ImageStream web", "image-tags", 1),
             ("ImageStream app", "images", 1)],
            id="streams, zero is passed without end",
        ),
        pytest.param(
            NamespaceLimits(image_size=limit("1Ki")),
            [(f"Image {DIGESTS['b']}", "storage", 1)],
            id="an image that is one byte too large",
        ),
    ],
)  # fmt: skip
def test_what_is_over_its_limit(limits: NamespaceLimits, over: list[tuple[str, str, int]]) -> None:
    found = run_audit(TWO, limits, sizes={"a": 1024, "b": 1025, "c": 1}).over
    assert [
        (f"{level.kind} {level.name}", level.resource.removeprefix("alauda.io/"), level.over)
        for level in found
    ] == over


def test_largest_images_with_the_tags_that_hold_them() -> None:
    found = run_audit(TWO, NamespaceLimits(), sizes={"a": 5, "b": 7, "c": 7}, top=2)
    assert found.largest == (
        LargeImage(DIGESTS["b"], 7, ("app:v2",)),
        LargeImage(DIGESTS["c"], 7, ("web:v1",)),
    )
    everything = run_audit(TWO, NamespaceLimits(), sizes={"a": 5, "b": 7, "c": 7})
    assert everything.largest[2] == LargeImage(DIGESTS["a"], 5, ("app:v1", "app:v2"))


@pytest.mark.parametrize(("limits", "unknown"), [(None, 0), (limit("1Gi"), 2)])
def test_unknown_sizes_matter_where_sizes_are_limited(limits: Any, unknown: int) -> None:
    found = run_audit(TWO, NamespaceLimits(image_size=limits), sizes={"a": 1})
    assert found.unknown_sizes == unknown
    assert found.over == ()


PUSHED = {("app", "v1"): MARCH, ("web", "v1"): JANUARY}


@pytest.mark.parametrize(
    ("limits", "oldest"),
    [
        pytest.param(NamespaceLimits(), (), id="nothing is over"),
        pytest.param(NamespaceLimits(image_size=limit("1")), (), id="an image is too large"),
        pytest.param(
            NamespaceLimits(stream_tags=limit("1")),
            (OldTag("app:v1", MARCH), OldTag("app:v2", None)),
            id="one stream: its tags, unknown times last",
        ),
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=1),)),
            (OldTag("web:v1", JANUARY), OldTag("app:v1", MARCH), OldTag("app:v2", None)),
            id="the namespace: all tags",
        ),
        pytest.param(NamespaceLimits(quotas=(quota(imagestreams=1),)), (), id="too many streams"),
    ],
)
def test_the_oldest_tags_of_what_is_too_full(
    limits: NamespaceLimits, oldest: tuple[OldTag, ...]
) -> None:
    assert run_audit(TWO, limits, sizes={"a": 2}, pushed=PUSHED).oldest == oldest
    assert run_audit(TWO, limits, sizes={"a": 2}, pushed=PUSHED, top=1).oldest == oldest[:1]


def test_a_namespace_without_limits_is_said_to_have_none() -> None:
    assert run_audit(TWO, NamespaceLimits()).unlimited
    assert not run_audit(TWO, NamespaceLimits(image_size=limit("1"))).unlimited
    assert not run_audit(TWO, NamespaceLimits(stream_tags=limit("9"))).unlimited


@pytest.mark.parametrize(
    ("used", "hard", "left", "over", "percent"),
    [
        (0, "10", 10, 0, 0),
        (3, "4", 1, 0, 75),
        (4, "4", 0, 0, 100),
        (6, "4", -2, 2, 150),
        (1, "2500m", 1, 0, 50),
        (0, "0", 0, 0, 100),
        (1, "0", -1, 1, 100),
        (5, None, None, 0, None),
    ],
)
def test_how_full_a_limit_is(
    used: int, hard: str | None, left: int | None, over: int, percent: int | None
) -> None:
    level = Level("Namespace", "team-a", "x", used, Quantity(hard) if hard else None)
    assert (level.left, level.over, level.percent) == (left, over, percent)


def test_every_quota_counts_by_itself_and_what_is_not_limited_is_shown() -> None:
    limits = NamespaceLimits(quotas=(quota(images=5), quota(images=3, image_tags=9)))
    found = fullness.of_namespace("team-a", TWO, limits, DOMAIN)
    assert [(level.resource, level.used, level.left) for level in found] == [
        ("alauda.io/images", 3, 2),
        ("alauda.io/images", 3, 0),
        ("alauda.io/image-tags", 3, 6),
        ("alauda.io/imagestreams", 2, None),
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536 * 2**20, "1.5 GiB"),
     (2**30 + 2**29 + 2**25, "1.53 GiB"), (2**62, "4096 PiB")],
)  # fmt: skip
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable(size) == text


HOSTILE = "<script>alert(1)</script>"


def stream(name: str, **tags: str) -> dict[str, Any]:
    history = [
        {
            "tag": tag,
            "items": [{"image": DIGESTS[char], "created": f"2026-0{number}-02T03:04:05Z"}],
        }
        for number, (tag, char) in enumerate(tags.items(), 1)
    ]
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": name, "namespace": "team-a"},
        "status": {"tags": history},
    }


def image(char: str, size: int) -> dict[str, Any]:
    return {
        "apiVersion": "image.alauda.io/v1",
        "kind": "Image",
        "metadata": {"name": DIGESTS[char]},
        "dockerImageMetadata": {"Size": size},
    }


def limit_range(storage: str, tags: str) -> dict[str, Any]:
    items = [
        {"type": "alauda.io/Image", "max": {"storage": storage}},
        {"type": "alauda.io/ImageStream", "max": {"alauda.io/image-tags": tags}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": "team-a"},
        "spec": {"limits": items},
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    objects = [stream("app", v1="a", v2="b"), stream(HOSTILE, v1="c"), image("a", 3 * 2**20)]
    (folder / "state.yaml").write_text(yaml.safe_dump_all([*objects, limit_range("4Mi", "2")]))
    return folder


@pytest.fixture
def proposed(tmp_path: Path) -> Path:
    folder = tmp_path / "proposed"
    folder.mkdir()
    (folder / "team-a.yaml").write_text(yaml.safe_dump(limit_range("2Mi", "1")))
    other = limit_range("1", "1")
    other["metadata"]["namespace"] = "team-b"
    (folder / "team-b.yaml").write_text(yaml.safe_dump(other))
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["audit", *map(str, arguments)])


def test_within_present_limits_the_exit_code_is_0(state: Path) -> None:
    answer = run("--state", state)
    assert answer.exit_code == 0
    assert "1 namespaces: 0 over a limit." in answer.output


def test_proposed_limits_that_are_passed_end_with_1(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed)
    assert answer.exit_code == 1
    for words in (
        r"team-a .* ImageStream app .* alauda.io/image-tags .* 2 .* 1 .* 1 .* LimitRange image-reg",
        r"team-a .* Image sha256:a{64} .* storage .* 3 MiB .* 2 MiB .* 1 MiB",
        r"team-a: 3 MiB sha256:a{64} \(app:v1\)",
        r"team-a: app:v1 was last pushed 2026-01-02\n.*app:v2 was last pushed 2026-02-02",
        r"team-a: images of unknown size: 2",
        r"2 namespaces: 1 over a limit.",
    ):
        assert re.search(words, answer.output), words


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_report_for_scripts(
    state: Path, proposed: Path, output: str, load: Callable[[str], Any]
) -> None:
    answer = run("--state", state, "--proposed", proposed / "team-a.yaml", "-o", output)
    source = "LimitRange image-registry-limits"
    [report] = load(answer.output)
    assert report == {
        "namespace": "team-a",
        "over": [
            {
                "kind": "ImageStream", "name": "app", "resource": "alauda.io/image-tags",
                "used": 2, "hard": "1", "over": 1, "source": source,
            },
            {
                "kind": "Image", "name": DIGESTS["a"], "resource": "storage",
                "used": 3 * 2**20, "hard": "2Mi", "over": 2**20, "source": source,
            },
        ],
        "unlimited": False,
        "unknown_sizes": 2,
        "largest": [{"digest": DIGESTS["a"], "size": 3 * 2**20, "tags": ["app:v1"]}],
        "oldest": [
            {"tag": "app:v1", "pushed": "2026-01-02T03:04:05+00:00"},
            {"tag": "app:v2", "pushed": "2026-02-02T03:04:05+00:00"},
        ],
    }  # fmt: skip


def test_one_namespace_is_asked_for(state: Path, proposed: Path) -> None:
    answer = run("--state", state, "--proposed", proposed, "-n", "team-b", "-o", "json")
    assert [item["namespace"] for item in json.loads(answer.output)] == ["team-b"]
    assert answer.exit_code == 0


def test_the_page_is_one_file_and_trusts_no_name(state: Path, proposed: Path) -> None:
    strict = yaml.safe_dump(limit_range("1", "0"))
    (proposed / "team-a.yaml").write_text(strict)
    page = run("--state", state, "--proposed", proposed, "-o", "html").output
    assert "<script" not in page
    assert "ImageStream &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert "prefers-color-scheme: dark" in page
    assert "1 of 2 namespaces are over a limit." in page
    assert "<li>team-b" in page


def test_a_file_that_cannot_be_read_ends_with_2(state: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    answer = run("--state", state, "--proposed", tmp_path / "bad.yaml")
    assert answer.exit_code == 2
    assert f"{tmp_path / 'bad.yaml'}:1: " in answer.output

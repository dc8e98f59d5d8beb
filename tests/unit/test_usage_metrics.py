"""`used` and `hard` on /metrics, of the fullest namespaces only."""

from app.api.metrics import Metrics
from app.model.limits import NamespaceLimits
from app.wiring.usage_metrics import UsageMetrics
from tests.unit.stores import DOMAIN, FakeState, quota

DIGEST = "sha256:" + "a" * 64


async def lines(most: int) -> list[str]:
    """The metrics of three namespaces with 1, 2 and 3 tags, with limits of 4 and 8."""
    limits = NamespaceLimits(quotas=(quota(image_tags=4), quota(image_tags=8, imagestreams=2)))
    state = FakeState(limits)
    for number in (1, 2, 3):
        tags: dict[str, tuple[str, ...]] = {f"v{tag}": (DIGEST,) for tag in range(number)}
        state.store(f"team-{number}", "app", tags)
    usage, metrics = UsageMetrics(state, DOMAIN, most), Metrics()
    metrics.collect(usage)
    await usage.refresh()
    found = metrics.render().decode().splitlines()
    return [
        line
        for line in found
        if line.startswith(("registry_admission_used{", "registry_admission_hard{"))
    ]


async def test_the_fullest_namespaces_have_their_counts_and_tightest_limits() -> None:
    assert await lines(1) == [
        'registry_admission_used{namespace="team-3",resource="alauda.io/image-tags"} 3.0',
        'registry_admission_used{namespace="team-3",resource="alauda.io/imagestreams"} 1.0',
        'registry_admission_hard{namespace="team-3",resource="alauda.io/image-tags"} 4.0',
        'registry_admission_hard{namespace="team-3",resource="alauda.io/imagestreams"} 2.0',
    ]


async def test_a_namespace_is_as_full_as_its_fullest_resource() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(image_tags=100, imagestreams=4),)))
    for team, streams, tags in (("many-tags", 1, 50), ("many-streams", 3, 1)):
        for number in range(streams):
            state.store(team, f"app-{number}", {f"v{tag}": (DIGEST,) for tag in range(tags)})
    usage = UsageMetrics(state, DOMAIN, 1)
    await usage.refresh()

    [used, _] = usage.collect()
    assert {sample.labels["namespace"] for sample in used.samples} == {"many-streams"}


async def test_the_number_of_series_is_bounded() -> None:
    assert len(await lines(2)) == 8
    assert len(await lines(10)) == 12

"""Random requests that bring images: the service decides what a plain model decides."""

import uuid

import pytest

from app.admission.review import AdmissionRequest
from app.model.limits import Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.quota.usage import StreamUsage
from tests.unit.image_api_model import LIMITED, SIZES, SOURCE, Limits, Namespace, reasons
from tests.unit.image_api_requests import World
from tests.unit.pushes import Pushes
from tests.unit.reviews import causes, review
from tests.unit.stores import quota

WALKS, STEPS = 20, 60


def namespace_limits(limits: Limits) -> NamespaceLimits:
    def limit(count: int | None) -> Limit | None:
        return None if count is None else Limit("limits", Quantity.of_count(count))

    return NamespaceLimits(
        limit(limits.size),
        limit(limits.images_of_stream),
        limit(limits.tags_of_stream),
        (quota(imagestreams=limits.streams, images=limits.images, image_tags=limits.tags),),
    )


def show(pushes: Pushes, namespace: str, streams: Namespace) -> None:
    """What is stored, as the service sees it some minutes later."""
    state = pushes.state
    for name in list(state.usage(namespace).streams):
        state.index.put(namespace, name, None)
    for name, stream in streams.items():
        tags = {tag: tuple(stream.status.get(tag, ())) for tag in stream.tags}
        state.index.put(namespace, name, StreamUsage(tags))
    state.position += 1
    state.now += 600


@pytest.mark.parametrize("seed", range(WALKS))
async def test_a_request_is_decided_as_the_model_decides(seed: int) -> None:
    world = World(seed)
    pushes = Pushes(namespace_limits(world.limits))
    pushes.state.sizes = dict(SIZES)
    show(pushes, SOURCE, world.sources)
    for step in range(STEPS):
        if step % 7 == 0:
            world.delete()
        show(pushes, LIMITED, world.streams)
        request = world.request()
        expected = reasons(request, world.streams, world.limits)
        verdict = await review(
            pushes,
            AdmissionRequest.model_validate(
                {
                    "uid": str(uuid.UUID(int=step)),
                    "kind": {"group": "image.alauda.io", "version": "v1", "kind": request.kind},
                    "operation": "UPDATE" if request.old else "CREATE",
                    "subResource": request.sub_resource,
                    "namespace": LIMITED,
                    "object": request.content,
                    "oldObject": request.old,
                    "dryRun": world.random.random() < 0.2,
                }
            ),
        )
        assert set(causes(verdict)) == expected, (step, request, world.limits, world.streams)
        if verdict.allowed:
            world.streams = request.stored

"""Random requests that bring images: the service decides as a simple model does."""

import uuid
from typing import Any

import pytest

from app.admission.review import AdmissionRequest
from app.model.limits import LimitRange, NamespaceLimits, ResourceQuota, namespace_limits
from app.quota.usage import StreamUsage
from tests.unit.image_api_model import LIMITED, SIZES, SOURCE, Limit, Namespace, reasons
from tests.unit.image_api_requests import World
from tests.unit.pushes import Pushes
from tests.unit.reviews import causes, review
from tests.unit.stores import DOMAIN

WALKS, STEPS = 25, 60


def objects(world: World) -> NamespaceLimits:
    """Each limit in an object of its own, and each number in one of its spellings."""
    ranges, quotas = [], []
    for number, limit in enumerate(world.limits):
        spellings = [f"{limit.number}", f"{limit.number}000m", f"{limit.number}e0"]
        spellings += ["1Ki"] if limit.number == 1024 else []
        text = world.random.choice(spellings)
        metadata: dict[str, Any] = {"name": f"limit-{number}"}
        if limit.mode != "enforce" or world.random.random() < 0.5:
            metadata["annotations"] = {DOMAIN.mode_annotation: limit.mode}
        if limit.what == "storage" or limit.of_stream:
            kind = DOMAIN.image_type if limit.what == "storage" else DOMAIN.stream_type
            name = limit.what if limit.what == "storage" else f"alauda.io/{limit.what}"
            spec: dict[str, Any] = {"limits": [{"type": kind, "max": {name: text}}]}
            ranges.append(LimitRange.model_validate({"metadata": metadata, "spec": spec}))
        else:
            spec = {"hard": {f"alauda.io/{limit.what}": text}}
            quotas.append(ResourceQuota.model_validate({"metadata": metadata, "spec": spec}))
    return namespace_limits(DOMAIN, ranges, quotas)


def show(pushes: Pushes, namespace: str, streams: Namespace) -> None:
    """The stored objects, as the service sees them some minutes later."""
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
    pushes = Pushes(objects(world))
    pushes.state.sizes = dict(SIZES)
    for step in range(STEPS):
        if step % 7 == 0:
            world.change_by_others()
            show(pushes, SOURCE, world.sources)
        if step % 11 == 10:
            world.change_limits()
            pushes.state.set_limits(objects(world))
        show(pushes, LIMITED, world.streams)
        request = world.request()
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

        def expected(*modes: str, request: Any = request) -> set[str]:
            limits: list[Limit] = [limit for limit in world.limits if limit.mode in modes]
            return reasons(request, world.streams, limits)

        where = (step, request, world.limits, world.streams)
        assert set(causes(verdict)) == expected("enforce"), where
        assert {found.reason for found in verdict.tolerated} == expected("warn", "audit"), where
        if verdict.allowed:
            world.streams = request.stored

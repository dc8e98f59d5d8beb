"""Uploads at once are limited, and namespaces get free slots in turn."""

import asyncio

import pytest

from app.gateway.slots import Slots
from app.registry.errors import RegistryError


async def test_namespaces_get_slots_in_turn() -> None:
    slots, order = Slots(1, 10, "uploads are running"), list[str]()
    here = asyncio.Event()

    async def upload(namespace: str) -> None:
        async with slots.one(namespace):
            order.append(namespace)
            await here.wait()

    running = [
        asyncio.create_task(upload(namespace)) for namespace in ("first", *"aaaa", "b", *"cc")
    ]
    await asyncio.sleep(0)
    here.set()
    await asyncio.gather(*running)

    assert order == ["first", "a", "b", "c", "a", "c", "a", "a"]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_upload_that_waits_too_long_gets_429() -> None:
    slots = Slots(1, 0.01, "uploads are running")
    async with slots.one("a"):
        with pytest.raises(
            RegistryError, match=r"1 uploads are running for more than 0\.01 s"
        ) as refusal:
            async with slots.one("b"):
                pass

    assert (refusal.value.code, refusal.value.retry_after) == ("TOOMANYREQUESTS", 5)
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_cancelled_upload_leaves_the_queue() -> None:
    slots = Slots(1, 10, "uploads are running")

    async def upload() -> None:
        async with slots.one("b"):
            pass

    async with slots.one("a"):
        leaving, staying = (asyncio.create_task(upload()) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        assert slots.waiting == 1
    await staying

    assert (slots.taken, slots.waiting) == (0, 0)


async def test_slot_of_a_cancelled_upload_goes_to_the_next() -> None:
    slots = Slots(1, 10, "uploads are running")
    done: list[int] = []

    async def upload(number: int) -> None:
        async with slots.one("b"):
            done.append(number)

    async with slots.one("a"):
        waiting = [asyncio.create_task(upload(number)) for number in range(2)]
        await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert done == [1]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_full_queue_refuses_the_latest_of_the_namespace_with_the_most_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.gateway.slots._WAITING", 4)
    slots, done, refused = Slots(1, 10, "uploads are running"), list[str](), list[str]()
    here = asyncio.Event()

    async def upload(namespace: str, number: int) -> None:
        try:
            async with slots.one(namespace):
                await here.wait()
                done.append(f"{namespace}{number}")
        except RegistryError:
            refused.append(f"{namespace}{number}")

    running = [
        asyncio.create_task(upload(namespace, number))
        for number, namespace in enumerate("aaaaabacb")
    ]
    for _ in range(3):
        await asyncio.sleep(0)
    assert slots.waiting == 4
    here.set()
    await asyncio.gather(*running)

    assert refused == ["a6", "b8", "a4", "a3"]
    assert done == ["a0", "a1", "b5", "c7", "a2"]
    assert (slots.taken, slots.waiting) == (0, 0)

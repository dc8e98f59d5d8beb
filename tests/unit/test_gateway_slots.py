"""Uploads at once are limited, and clients get free slots in turn."""

import asyncio

import pytest

from app.gateway.slots import Slots
from app.registry.errors import RegistryError


async def test_clients_get_slots_in_turn() -> None:
    slots, order = Slots(1, wait=10), list[str]()
    here = asyncio.Event()

    async def upload(client: str) -> None:
        async with slots.one(client):
            order.append(client)
            await here.wait()

    running = [asyncio.create_task(upload(client)) for client in ("first", *"aaaa", "b", *"cc")]
    await asyncio.sleep(0)
    here.set()
    await asyncio.gather(*running)

    assert order == ["first", "a", "b", "c", "a", "c", "a", "a"]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_upload_that_waits_too_long_gets_429() -> None:
    slots = Slots(1, wait=0.01)
    async with slots.one("a"):
        with pytest.raises(RegistryError, match="1 uploads are running") as refusal:
            async with slots.one("b"):
                pass

    assert (refusal.value.code, refusal.value.retry_after) == ("TOOMANYREQUESTS", 5)
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_cancelled_upload_leaves_the_queue() -> None:
    slots = Slots(1, wait=10)

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
    slots = Slots(1, wait=10)
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

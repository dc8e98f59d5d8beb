"""c: the cost of a decision in a growing cluster, and the memory of the usage index."""

import asyncio
import gc
import hashlib
import statistics
import time
from pathlib import Path

from app.admission.decision import Sight, take_escrow
from app.admission.enforcer import Enforcer
from app.model.domain import ApiDomain
from app.model.image import ImageClaim
from app.model.limits import HardLimits, Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.model.stream import ImageStream
from app.quota.ledger import Ledger
from app.quota.members import Claims, Members
from app.quota.state import view_of
from app.quota.store import MemoryLedgers
from app.quota.usage import NamespaceUsage, StreamUsage, UsageIndex
from app.quota.view import Timing, View

_TAGS = 10
_DECISIONS = 2000
_ROUNDS = 9


class State:
    """A state with a number of streams, and a quota that is never reached."""

    def __init__(self) -> None:
        self.index = UsageIndex()
        many = Quantity.of_count(10**9)
        self._limits = NamespaceLimits(quotas=(HardLimits("quota", many, many, many),))

    def problems(self) -> list[str]:
        return []

    def view(self) -> View:
        return View(0, time.time())

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._limits

    def limited_namespaces(self) -> list[str]:
        return list(self.index)

    def usage(self, namespace: str) -> NamespaceUsage:
        return self.index[namespace]

    def holds_images(self) -> bool:
        return True

    async def image(self, digest: str) -> ImageClaim | None:
        return None

    def fill(self, namespaces: int, streams: int) -> None:
        for namespace in range(namespaces):
            for stream in range(streams):
                usage = StreamUsage.of(ImageStream.model_validate(_stream(namespace, stream)))
                self.index.put(f"ns-{namespace}", f"stream-{stream}", usage)


def _stream(namespace: int, stream: int) -> dict[str, object]:
    return {"status": {"tags": [_tag(namespace, stream, tag) for tag in range(_TAGS)]}}


def _tag(namespace: int, stream: int, tag: int) -> dict[str, object]:
    name = f"{namespace}/{stream}:{tag}"
    digest = "sha256:" + hashlib.sha256(name.encode()).hexdigest()
    return {"tag": f"v{tag}", "items": [{"image": digest}]}


async def decision_seconds(state: State, round_number: int) -> float:
    """The median time of a decision that claims a new tag and image and is then cancelled."""
    enforcer = Enforcer(state, MemoryLedgers(), ApiDomain(), Timing())
    times = []
    for number in range(_DECISIONS):
        tag, digest = f"new-{round_number}-{number}", f"sha256:{number:064x}"
        claims = Claims(
            "ns-0",
            Members(
                frozenset({"stream-0"}),
                frozenset({("stream-0", digest)}),
                frozenset({("stream-0", tag)}),
            ),
        )
        started = time.perf_counter()
        view = view_of(state, "ns-0")
        await enforcer.decide(claims, view, holder="benchmark")
        times.append(time.perf_counter() - started)
        await enforcer.cancel("ns-0", "benchmark")
    return statistics.median(times)


def escrow_seconds(state: State) -> float:
    """The median time to take an escrow where streams have limits."""
    limits = NamespaceLimits(stream_tags=Limit("limits", Quantity.of_count(10**9)))
    sight = Sight(state.usage("ns-0"), state.view(), time.time(), limits, Timing(), ApiDomain())
    times = []
    for number in range(_DECISIONS):
        ledger = Ledger()
        started = time.perf_counter()
        take_escrow(ledger, str(number), 64, 3.0, sight)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


async def compare(title: str, small: State, large: State) -> None:
    """Measure both in turns, so that changes of the machine's speed affect both."""
    seconds: dict[str, list[float]] = {"small": [], "large": []}
    for number in range(_ROUNDS):
        seconds["small"].append(await decision_seconds(small, number))
        seconds["large"].append(await decision_seconds(large, number))
    before, after = (statistics.median(times) for times in seconds.values())
    print(f"{title}: {before * 1e6:.0f} µs and {after * 1e6:.0f} µs, ratio {after / before:.2f}")


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def main() -> None:
    gc.collect()
    before = resident_megabytes()
    started = time.perf_counter()
    large = State()
    large.fill(1, 100_000)
    seconds = time.perf_counter() - started
    print(
        f"100,000 streams with {_TAGS} tags: read in {seconds:.1f} s, "
        f"{resident_megabytes() - before:.0f} MB, process {resident_megabytes():.0f} MB"
    )
    gc.freeze()
    small = State()
    small.fill(1, 10)
    await compare("a decision in a namespace of 10 and of 100,000 streams", small, large)
    few, many = escrow_seconds(small) * 1e6, escrow_seconds(large) * 1e6
    print(f"an escrow in a namespace of 10 and of 100,000 streams: {few:.1f} µs and {many:.1f} µs")
    wide = State()
    wide.fill(10_000, 1)
    one = State()
    one.fill(1, 1)
    await compare("a decision in a cluster of 1 and of 10,000 namespaces", one, wide)


if __name__ == "__main__":
    asyncio.run(main())

"""b: a review against a webhook that decides nothing, on the same stack, in turns.

Several runs, because the figures scatter.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from app.config import examples
from benchmarks.load import Client, Timing
from benchmarks.processes import certificates, serving

_RUNS = 3
_ROUNDS = 7
_REQUESTS = 2000


async def main() -> None:
    body = examples.payload("push-allowed.json").read_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        tls = certificates(Path(temporary) / "tls")
        serve = ("-m", "app", "serve", "--port", "0", "--tls-dir", str(tls))
        async with (
            serving("-m", "benchmarks.noop", str(tls)) as noop,
            serving(*serve) as ours,
        ):
            clients = {
                "no-op": Client(noop, tls / "ca.crt", "/validate", body),
                "ours": Client(ours, tls / "ca.crt", "/validate", body),
            }
            for _ in range(_RUNS):
                for connections in (1, 8):
                    await _compare(clients, connections)


async def _compare(clients: dict[str, Client], connections: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in clients}
    elapsed = dict.fromkeys(clients, 0.0)
    for client in clients.values():
        await client.run(connections, 400)
    for _ in range(_ROUNDS):
        for name, client in clients.items():
            started = time.perf_counter()
            times[name] += await client.run(connections, _REQUESTS)
            elapsed[name] += time.perf_counter() - started
    results = {name: Timing.of(times[name], elapsed[name]) for name in clients}
    for name, timing in results.items():
        print(
            f"{connections:2} connections  {name:6} p50 {timing.p50 * 1e3:6.2f} ms  "
            f"p99 {timing.p99 * 1e3:6.2f} ms  {timing.per_second:7.0f}/s"
        )
    ratio = results["ours"].p99 / results["no-op"].p99
    middle = results["ours"].p50 / results["no-op"].p50
    print(f"{connections:2} connections  ours / no-op: p50 {middle:.2f}, p99 {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main())

"""Harms replicas and the API server while pushes are in flight."""

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field

from .cluster import Cluster
from .replicas import Replicas

_NOTICED = 1.0
"""Seconds after which a frozen replica gets no new connections, as with a readiness probe."""


@dataclass
class Harm:
    cluster: Cluster
    replicas: Replicas
    done: Counter[str] = field(default_factory=Counter)

    async def kill(self, index: int) -> None:
        """Kill a replica, and start a new process in its place."""
        await asyncio.to_thread(self.replicas.running[index].kill)
        await asyncio.to_thread(self.replicas.start, index)
        self.done["replicas killed"] += 1

    async def freeze(self, index: int, seconds: float) -> None:
        """Stop a replica with SIGSTOP, and continue it after a number of seconds."""
        replica = self.replicas.running[index]
        replica.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(_NOTICED)
            self.replicas.unready.add(replica.port)
            self.replicas.cut()
            await asyncio.sleep(seconds - _NOTICED)
        finally:
            replica.process.send_signal(signal.SIGCONT)
            self.replicas.unready.discard(replica.port)
        self.done[f"replicas frozen for {seconds:g} s"] += 1

    async def cut(self) -> None:
        """Cut every connection of the replicas to the API server, again and again."""
        for _ in range(5):
            self.replicas.way.cut()
            await asyncio.sleep(0.4)
        self.done["watches cut"] += 5

    async def lose_the_api_server(self, seconds: float) -> None:
        """Kill the API server, and start it again after a number of seconds."""
        await asyncio.to_thread(self.cluster.kill, "kube-apiserver")
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.cluster.revive_apiserver)
        self.done[f"API server away for {seconds:g} s"] += 1

"""The cost of `usage` and `audit` in a cluster of 5,000 namespaces, 100,000 streams and a million
images. This process simulates the API server."""

import asyncio
import gc
import hashlib
import time
from collections import Counter
from datetime import UTC, datetime

from app.cli import audit_page
from app.cluster.api import Content, KubeApi, Query
from app.cluster.limit_files import LimitFiles
from app.model.domain import ApiDomain
from app.reporting import auditing
from app.reporting.usage_collector import UsageCollector
from benchmarks.scale import resident_megabytes

NAMESPACES = 5_000
_GROUP = "/apis/image.alauda.io/v1"


class Cluster(KubeApi):
    """An API server that generates its lists on request."""

    def __init__(self, streams: int = 20, tags: int = 10) -> None:
        """Streams of each namespace, tags of each stream; each tag has an image of its own."""
        self.requests: Counter[str] = Counter()
        self._streams, self._tags = streams, tags

    async def get(self, path: str, query: Query | None = None) -> Content:
        self.requests[path] += 1
        streams = NAMESPACES * self._streams
        parent, _, namespace = path.partition("/namespaces/")
        namespace, _, kind = namespace.partition("/")
        if namespace and not kind:
            return {"metadata": {"name": namespace}}
        lists = {
            f"{_GROUP}/imagestreams": (self._stream, streams),
            f"{_GROUP}/images": (_image, streams * self._tags),
            "/api/v1/limitranges": (_limit_range, NAMESPACES),
            "/api/v1/namespaces": (_namespace, NAMESPACES),
        }
        make, total = lists.get(f"{parent}/{kind}" if kind else path, (_namespace, 0))
        first = 0
        if kind and total:
            each = total // NAMESPACES
            first, total = int(namespace.removeprefix("ns-")) * each, each
        if path.startswith(f"{_GROUP}/images/"):
            return {
                "metadata": {"name": path.rpartition("/")[2]},
                "dockerImageMetadata": {"Size": 1},
            }
        start, limit = int((query or {}).get("continue", 0)), int((query or {})["limit"])
        metadata = {"resourceVersion": "1"}
        if start + limit < total:
            metadata["continue"] = str(start + limit)
        numbers = range(first + start, first + min(total, start + limit))
        items = [make(number) for number in numbers]
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}

    def _stream(self, number: int) -> Content:
        namespace, place = divmod(number, self._streams)
        metadata = {"namespace": f"ns-{namespace:05}", "name": f"stream-{place}"}
        created = "2026-01-02T03:04:05Z"
        images = (_digest(number * self._tags + tag) for tag in range(self._tags))
        tags = [
            {"tag": f"v{tag}", "items": [{"image": image, "created": created}]}
            for tag, image in enumerate(images)
        ]
        return {"metadata": metadata, "status": {"tags": tags}}


def _namespace(number: int) -> Content:
    metadata = {"name": f"ns-{number:05}"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _digest(number: int) -> str:
    return "sha256:" + hashlib.sha256(str(number).encode()).hexdigest()


def _image(number: int) -> Content:
    size = number * 7919 % 2**30
    return {"metadata": {"name": _digest(number)}, "dockerImageMetadata": {"Size": size}}


def _limit_range(number: int) -> Content:
    limits = [
        {"type": "alauda.io/Image", "max": {"storage": "1000Mi"}},
        {"type": "alauda.io/ImageStream", "max": {"alauda.io/image-tags": str(9 + number % 5)}},
    ]
    metadata = {"namespace": f"ns-{number:05}", "name": "image-registry-limits"}
    return {"metadata": metadata, "spec": {"limits": limits}}


async def main() -> None:
    cluster, domain = Cluster(), ApiDomain()
    gc.collect()
    before = started = 0.0

    def note(title: str) -> None:
        nonlocal started
        seconds, megabytes = time.perf_counter() - started, resident_megabytes() - before
        count = cluster.requests.total()
        print(f"{title}: {seconds:.1f} s, {megabytes:.0f} MB in all, {count} requests in all")
        started = time.perf_counter()

    before, started = resident_megabytes(), time.perf_counter()
    collector = UsageCollector(cluster, domain, service_namespace="registry-admission")
    await collector.read()
    note("100,000 streams read")
    rows = await auditing.fullness_of(collector, domain)
    note(f"usage of {len(rows)} namespaces")
    audits = await auditing.audit_all(collector, domain, proposed=LimitFiles(domain), top=5)
    note(f"audit, {sum(bool(item.over) for item in audits)} over a limit")
    page = audit_page.render(audits, now=datetime.now(UTC), proposed=False)
    note(f"its page, {len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    asyncio.run(main())

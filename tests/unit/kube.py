"""An API server in memory for single objects."""

from app.cluster.api import ConflictError, Content, NotFoundError, Query
from app.cluster.clock import ServerClock
from tests.unit.cluster_certs import FakeApi


class FakeKube(FakeApi):
    """An API server that also patches and deletes objects, and has a clock."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.objects.clear()
        self.clock = ServerClock()
        self.clock.observe(now, sent=now, received=now)

    async def merge(self, path: str, patch: Content, query: Query | None = None) -> Content:
        await self._request_of("PATCH", path)
        if path not in self.objects:
            raise NotFoundError(404, f"{path} not found")
        present, wanted = self.objects[path], merged(self.objects[path], patch)
        # A patch without a change is no write: there is no new version and no event.
        return present if wanted == present else self._put(path, wanted)

    async def delete(self, path: str, content: Content | None = None) -> None:
        await self._request_of("DELETE", path)
        if path not in self.objects:
            raise NotFoundError(404, f"{path} not found")
        wanted = (content or {}).get("preconditions", {}).get("resourceVersion")
        if wanted not in (None, self.objects[path]["metadata"]["resourceVersion"]):
            raise ConflictError(409, f"{path} has been modified")
        del self.objects[path]


def merged(content: Content, patch: Content) -> Content:
    result = dict(content)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result

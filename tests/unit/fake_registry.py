"""A fake registry with several repositories."""

from collections import Counter
from dataclasses import dataclass, field

import httpx

from app.model.manifest import OCI_INDEX, OCI_MANIFEST
from tests.unit.pushes import digest_of


@dataclass
class FakeRegistry:
    """Serves the catalog, tag lists and manifests; use it as `httpx.MockTransport(registry)`."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """The tags of each repository, and the manifest of each tag."""
    untagged: dict[str, bytes] = field(default_factory=dict)
    """Manifests by digest, in every repository."""
    answers: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    """Answers that replace the regular one, by path."""
    largest_page: int = 1000
    link: str = '<{path}?{query}>; rel="next"'
    """The `Link` header of a page."""
    names_digests: bool = True
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked[path] += 1
        if instead := self.answers.get(path):
            if isinstance(instead, Exception):
                raise instead
            return instead
        if path == "/v2/_catalog":
            return self._page(request, "repositories", sorted(self.repositories))
        name, _, reference = path.removeprefix("/v2/").rpartition("/")
        if reference == "list":
            tags = self.repositories.get(name.removesuffix("/tags"))
            if tags is None:
                return httpx.Response(404)
            return self._page(request, "tags", sorted(tags))
        return self._manifest(name.removesuffix("/manifests"), reference)

    def _page(self, request: httpx.Request, what: str, names: list[str]) -> httpx.Response:
        size = int(request.url.params.get("n", self.largest_page))
        if size > self.largest_page:
            return httpx.Response(400)
        rest = [name for name in names if name > request.url.params.get("last", "")]
        headers = {}
        if len(rest) > size:
            query = f"n={size}&last={rest[size - 1]}"
            headers["Link"] = self.link.format(path=request.url.path, query=query)
        return httpx.Response(200, json={what: rest[:size] or None}, headers=headers)

    def _manifest(self, repository: str, reference: str) -> httpx.Response:
        tags = self.repositories.get(repository, {})
        stored = {**self.untagged, **{digest_of(content): content for content in tags.values()}}
        content = {**stored, **tags}.get(reference)
        if content is None:
            return httpx.Response(404)
        headers = {"Content-Type": OCI_INDEX if b'"manifests"' in content else OCI_MANIFEST}
        if self.names_digests:
            headers["Docker-Content-Digest"] = digest_of(content)
        return httpx.Response(200, content=content, headers=headers)

"""A gateway with a fake registry behind it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.proxy import Gateway
from app.gateway.questions import Questioner
from app.gateway.reader import Reader
from app.gateway.traffic import Traffic, Turns
from app.gateway.transport import UpstreamError
from app.gateway.upstream import Upstream
from app.gateway.usage_store import UsageStore
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_MANIFEST
from app.policy.choices import UnknownSize
from app.registry.client import RegistryClient
from tests.patience import PATIENCE
from tests.unit.pushes import Pushes, digest_of
from tests.unit.transports import FakeTransport

ORIGIN = "http://registry.svc:5000"
STORAGE = "storage.example.com"
UPLOADS = "/v2/team-a/app/blobs/uploads/"
MANIFESTS = "/v2/team-a/app/manifests/"
LAYER = b"a layer of some bytes"

Handler = Callable[[httpx.Request], httpx.Response]


class FakeRegistry:
    """Accepts every push and records the requests. `answers` replaces the answer to some kinds of
    request."""

    def __init__(self, **answers: Handler) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.queries: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        self.queries.append(request.url.query.decode())
        return self.answers.get(self._kind(request), _accept)(request)

    def _kind(self, request: httpx.Request) -> str:
        if request.url.host == STORAGE:
            return "storage"
        place = "manifest" if "/manifests/" in request.url.path else "upload"
        return {"GET": "get", "HEAD": "head"}.get(request.method, f"{request.method}_{place}")


def _accept(request: httpx.Request) -> httpx.Response:
    if request.method in ("POST", "PATCH"):
        return httpx.Response(202, headers={"Location": f"{ORIGIN}{UPLOADS}1?_state=x"})
    return httpx.Response(201 if request.method == "PUT" else 404)


def gateway(
    registry: FakeRegistry,
    limits: NamespaceLimits,
    unknown_size: UnknownSize = "deny",
    storage: tuple[str, ...] = (),
    store: UsageStore | None = None,
) -> httpx.AsyncClient:
    """A client of a gateway with this usage store, or with constant ImageStreams."""
    upstream = Upstream(
        ORIGIN,
        None,
        idle_timeout=PATIENCE,
        answer_timeout=PATIENCE,
        storage_hosts=storage,
        transport=FakeTransport(registry),
    )
    pushes = Pushes(limits)
    if store is not None:
        pushes.state.index = store.inventory.usage
    subject = Gateway(
        upstream,
        pushes.checks,
        store,
        unknown_size=unknown_size,
        max_uploads=8,
        upload_wait=PATIENCE,
        idle_timeout=PATIENCE,
        manifest_timeout=PATIENCE,
    )
    app = Starlette(routes=[Route("/v2/{path:path}", subject)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gate")


async def push(
    client: httpx.AsyncClient, reference: str, content: bytes, media_type: str = OCI_MANIFEST
) -> httpx.Response:
    return await client.put(
        MANIFESTS + reference, content=content, headers={"Content-Type": media_type}
    )


def layered(size: int) -> bytes:
    """A manifest that declares this size for its one layer."""
    layer = f'{{"mediaType": "x/y", "digest": "{digest_of(LAYER)}", "size": {size}}}'
    config = f'{{"mediaType": "x/y", "digest": "{digest_of(b"c")}", "size": 50}}'
    return f'{{"schemaVersion": 2, "config": {config}, "layers": [{layer}]}}'.encode()


def broken(error: BaseException) -> Handler:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    return handler


NEVER_SENT = broken(UpstreamError("refused", maybe_done=False))
NO_ANSWER = broken(UpstreamError("late", maybe_done=True))


def head_of(size: int) -> Handler:
    return lambda _: httpx.Response(200, headers={"Content-Length": str(size)})


def to_storage(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(307, headers={"Location": f"https://{STORAGE}/blob?signature=x"})


@contextmanager
def usage_store(folder: Path, grace: float = 900) -> Iterator[UsageStore]:
    """The usage store of an empty registry."""
    database, coverage = Database(folder / "gateway.db", ORIGIN), Coverage()
    nothing = httpx.MockTransport(lambda _: httpx.Response(404))
    questioner = Questioner(RegistryClient("http://10.1.2.3", transport=nothing), Turns(Traffic()))
    coverage.listed([])
    inventory = Inventory(database, questioner, coverage, grace=grace)
    yield UsageStore(inventory, Reader(inventory, coverage))
    database.close()

"""Runs the gateway until a signal ends it."""

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.admission.enforcer import Enforcer
from app.admission.image_kinds import ImageAdmission
from app.admission.references import References
from app.api.health import HealthApi
from app.api.metrics import RESERVATIONS, UNREAD, UNREADABLE_MANIFESTS, UNTAGGED, UPLOADS, Metrics
from app.api.server import Server, listen
from app.certs import files
from app.certs.reload import ServingContext
from app.cluster import connection
from app.cluster.embedded import EmbeddedState
from app.gateway.addresses import Origin
from app.gateway.catalog import Catalog, read_names
from app.gateway.client_transport import ClientTransport
from app.gateway.coverage import Coverage
from app.gateway.database import Database
from app.gateway.inventory import Inventory
from app.gateway.proxy import Gateway
from app.gateway.questions import Questioner
from app.gateway.reader import Reader
from app.gateway.reconciler import InventoryReconciler
from app.gateway.settings import GatewaySettings
from app.gateway.state import GatewayState
from app.gateway.traffic import Traffic, Turns
from app.gateway.transport import HttpTransport
from app.gateway.upstream import Upstream
from app.gateway.usage_store import UsageStore
from app.model.errors import NothingNamedError
from app.page.refusals import Refusals
from app.policy.enforcement import Enforcement
from app.policy.verdict import Verdict
from app.quota.state import ClusterState
from app.quota.store import LedgerStore, MemoryLedgers
from app.registry import credentials
from app.registry.client import RegistryClient
from app.registry.credentials import NO_CREDENTIALS
from app.registry.names import Repository
from app.registry.push import PushChecks
from app.registry.sizes import RegistryImages
from app.wiring import page
from app.wiring.backends import cluster_usage, require_namespace
from app.wiring.jobs import Job, running

_QUESTION = 10.0
"""Seconds that the registry may take to answer a question of the gateway's own."""

logger = logging.getLogger("registry_admission.gateway")


@dataclass(frozen=True)
class _Source:
    """The source of limits and usage."""

    state: ClusterState
    ledgers: LedgerStore
    jobs: Sequence[Job]
    """Jobs that run until the gateway ends."""
    store: UsageStore | None = None
    coverage: Coverage = field(default_factory=Coverage.whole)
    traffic: Traffic = field(default_factory=Traffic)


async def serve(settings: GatewaySettings, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Raises NothingNamedError, CredentialsError, DatabaseError, ManifestError, CertificateError,
    NoClusterError and OSError for settings that cannot be used.
    """
    trust = files.trusting(settings.upstream_ca)
    upstream = Upstream(
        settings.upstream,
        settings.external_url,
        idle_timeout=settings.idle_timeout,
        answer_timeout=settings.upstream_timeout,
        storage_hosts=settings.upstream_storage_hosts,
        context=trust,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(upstream.close)
        client = _client(settings, trust)
        stack.push_async_callback(client.close)
        source = await stack.enter_async_context(_open(settings, client))
        certificate = _certificate(settings)
        app, jobs = _build(settings, source, upstream, client, lambda: server.draining)
        listener = listen(settings.host, settings.port)
        server = Server(
            app,
            certificate.ssl if certificate else None,
            shutdown_delay=settings.shutdown_delay,
            shutdown_timeout=settings.shutdown_timeout,
        )
        scheme = "https" if certificate else "http"
        address = f"{scheme}://{settings.host}:{listener.getsockname()[1]}"
        announce(f"registry-admission gateway listens on {address} before {settings.upstream}")

        def failed() -> None:
            logger.critical("background work failed, the gateway ends")
            server.should_exit = True

        watched = [certificate.watch] if certificate else []
        async with running([*jobs, *watched], on_failure=failed):
            await server.serve(sockets=[listener])


def _build(
    settings: GatewaySettings,
    source: _Source,
    upstream: Upstream,
    client: RegistryClient,
    draining: Callable[[], bool],
) -> tuple[ASGIApp, list[Job]]:
    state, domain = source.state, settings.domain
    enforcement = Enforcement(settings.default_mode, (), (), tuple(settings.exempt_namespaces))
    enforcer = Enforcer(state, source.ledgers, domain, settings.timing, enforcement=enforcement)
    metrics, coverage, store = Metrics(), source.coverage, source.store

    refusals = Refusals(domain)

    def allowed_beyond(repository: Repository, verdict: Verdict) -> None:
        metrics.count_tolerated(verdict.tolerated, verdict.exemption)
        if not verdict.exemption:
            refusals.push(repository, verdict)

    references = References(state, settings.internal_hosts)
    admission = ImageAdmission(
        state,
        enforcer,
        references,
        domain,
        settings.unknown_size,
        registry_image=RegistryImages(client).of,
        enforcement=enforcement,
    )
    gateway = Gateway(
        upstream,
        PushChecks(admission, allowed_beyond, refusals.push),
        source.store,
        unknown_size=settings.unknown_size,
        max_uploads=settings.max_uploads,
        upload_wait=settings.upload_wait,
        idle_timeout=settings.idle_timeout,
        manifest_timeout=settings.timing.expiry / 2,
        traffic=source.traffic,
    )
    metrics.gauge(RESERVATIONS, enforcer.reservations)
    metrics.gauge(UPLOADS, lambda: gateway.slots.taken)
    metrics.gauge(UNREAD, lambda: len(coverage.unread))
    metrics.gauge(UNREADABLE_MANIFESTS, lambda: len(coverage.unreadable))
    metrics.gauge(UNTAGGED, lambda: store.inventory.untagged if store else 0)

    def not_ready() -> list[str]:
        return [*(["shutting down"] if draining() else []), *state.problems()]

    jobs = list(source.jobs)
    app = FastAPI(title="registry-admission gateway", openapi_url=None)
    app.include_router(HealthApi(metrics, not_ready, coverage.warnings).router())
    if settings.page_tokens is not None and isinstance(state, GatewayState):
        built = page.of_gateway(settings, settings.page_tokens, state, refusals)
        app.include_router(built.api.router())
        jobs += built.jobs
    app.router.routes += [Route("/{path:path}", gateway)]
    return _past_middleware(gateway, app), jobs


def _past_middleware(gateway: Gateway, others: ASGIApp) -> ASGIApp:
    """Call the gateway directly for `/v2/`: the middleware of FastAPI and Starlette would take a
    tenth of the time of a small push."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_registry = scope["type"] == "http" and scope["path"].startswith("/v2/")
        await (gateway if is_registry else others)(scope, receive, send)

    return app


def _client(settings: GatewaySettings, trust: ssl.SSLContext) -> RegistryClient:
    """The client for the gateway's own requests to the registry. Raises CredentialsError."""
    known = credentials.read(settings.upstream_auth) if settings.upstream_auth else {}
    return RegistryClient(
        settings.upstream,
        known.get(Origin.parse(settings.upstream).host, NO_CREDENTIALS),
        allowed_hosts=settings.upstream_token_hosts,
        transport=ClientTransport(
            HttpTransport(answer_timeout=_QUESTION, idle_timeout=_QUESTION, context=trust)
        ),
    )


@asynccontextmanager
async def _open(settings: GatewaySettings, client: RegistryClient) -> AsyncIterator[_Source]:
    if settings.state is not None:
        with _plain_registry(settings, settings.state, client) as source:
            yield source
        return
    outside = settings.kubeconfig is not None or settings.context is not None
    if not outside and not connection.is_inside():
        raise NothingNamedError(
            "name a folder of limits with --state, or a cluster with --kubeconfig"
        )
    async with connection.connected(settings.kubeconfig, settings.context) as api:
        await require_namespace(api, settings.namespace)
        usage = cluster_usage(api, settings)
        yield _Source(usage.state, usage.ledgers, usage.jobs)


@contextmanager
def _plain_registry(
    settings: GatewaySettings, limits: Path, client: RegistryClient
) -> Iterator[_Source]:
    """Limits from the folder, usage from the registry itself."""
    database = Database(settings.database, settings.upstream)
    try:
        folder = EmbeddedState(limits, settings.domain)
        named = read_names(settings.repositories) if settings.repositories else frozenset()
        coverage, traffic = Coverage(), Traffic()
        questioner = Questioner(client, Turns(traffic))
        inventory = Inventory(database, questioner, coverage, grace=settings.untagged_grace)
        reader = Reader(inventory, coverage)
        reconciler = InventoryReconciler(
            database,
            Catalog(client, named),
            inventory,
            reader,
            coverage,
            settings.compare_interval,
        )
        try:
            yield _Source(
                GatewayState(folder, inventory, coverage),
                MemoryLedgers(),
                [folder.watch, reconciler.run],
                UsageStore(inventory, reader),
                coverage,
                traffic,
            )
        finally:
            reader.close()
    finally:
        database.close()


def _certificate(settings: GatewaySettings) -> ServingContext | None:
    if settings.tls_dir is None:
        return None
    return ServingContext(settings.tls_dir / files.CERTIFICATE, settings.tls_dir / files.KEY)

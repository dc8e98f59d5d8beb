"""Opens the state and the ledgers, and names the jobs that keep them current."""

import os
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.admission.events import RefusalEvents
from app.admission.image_kinds import Visibility
from app.admission.image_lookups import RegistryImage
from app.admission.review import AdmissionRequest, Outcome
from app.auth.authentication import Authenticator, StaticTokens
from app.auth.reviews import KubernetesAccess
from app.certs.cluster import ClusterCertificates, service_names
from app.cluster import connection
from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.cluster.connection import NoClusterError
from app.cluster.embedded import EmbeddedState, SnapshotState
from app.cluster.informer import Informer
from app.cluster.kubernetes import KubernetesState
from app.cluster.leader import lead
from app.cluster.ledgers import LABEL as LEDGERS
from app.cluster.ledgers import KubernetesLedgers
from app.cluster.objects import KubernetesObjects, ObjectReader
from app.cluster.reconciler import Reconciler
from app.cluster.unreadable import Noticed, UnreadableEvents, nobody
from app.config import examples
from app.config.settings import Settings
from app.config.shared_settings import SharedSettings
from app.model.image import StoredImage
from app.page.refusals import Refusals
from app.page.shared_refusals import LABEL as REFUSALS
from app.page.shared_refusals import SharedRefusals
from app.quota.state import ClusterState
from app.quota.store import LedgerStore, MemoryLedgers
from app.registry.connection import open_registry
from app.registry.sizes import RegistryImages
from app.wiring.controllers import Controllers, assemble
from app.wiring.jobs import Job, all_of

Refused = Callable[[AdmissionRequest, Outcome], None]


@dataclass(frozen=True)
class Sources:
    """The stores that decisions read and write."""

    state: ClusterState
    ledgers: LedgerStore
    registry_image: RegistryImage | None = None
    """Sizes from the internal registry; None: it is not asked."""
    registry_hosts: Callable[[], Collection[str]] = tuple
    """The host names of the registry in Config/cluster."""
    registry_claim: Callable[[], str] = str
    """The claim that holds the registry's images; "" if there is none."""
    objects: ObjectReader | None = None
    """Reads the objects that Config/cluster refers to."""
    visibility: Visibility | None = None
    """The namespaces that the user of a review may see; None: all."""


@dataclass(frozen=True)
class Observations:
    """The data that the page, the metrics and the Events show."""

    namespaces: Callable[[], Iterable[str]]
    """The namespaces that have a limit or an ImageStream."""
    refusals: Refusals
    """The refusals of the last hours."""
    refused: Refused
    """Called for every refused review."""
    stored_image: Callable[[str], Awaitable[StoredImage | None]]
    """The blobs that an image keeps in storage, by its digest; None if they are not known."""
    broken: Callable[[], bool]
    """Whether the last reading of the state failed, so that an older one stays in force."""
    unready: Callable[[], list[str]] | None = None
    """The reasons why requests should go to another replica; None: all problems of the state."""
    unreadable: Callable[[], Mapping[str, int]] = dict
    """The number of objects that cannot be read, by kind."""


@dataclass(frozen=True)
class Backend:
    """The parts from which a serving process is built."""

    sources: Sources
    observations: Observations
    jobs: Sequence[Job]
    """Jobs that run until the service ends."""
    authenticator: Authenticator | None = None
    """Authenticates users of push checks and of the page; None: there are no such users."""
    certificates: ClusterCertificates | None = None
    """The self-signed certificates that all replicas share."""
    controllers: Controllers | None = None


@asynccontextmanager
async def open_backend(settings: Settings) -> AsyncIterator[Backend]:
    """Open the backend that the settings name: the folder `state`; else the cluster of the
    kubeconfig, or the one that the process runs in; else the examples.

    Raises ManifestError for an unusable folder, NoClusterError for an unusable kubeconfig, and
    CredentialsError for an unusable docker config.
    """
    async with _registry(settings) as registry_image, _source(settings) as backend:
        yield replace(backend, sources=replace(backend.sources, registry_image=registry_image))


@asynccontextmanager
async def _registry(settings: Settings) -> AsyncIterator[RegistryImage | None]:
    """Sizes from the internal registry, if `registry-url` is set."""
    async with open_registry(settings) as registry:
        yield RegistryImages(registry[1]).of if registry else None


def uses_examples(settings: Settings) -> bool:
    """Whether the settings name no folder and no cluster, and the process runs outside of one."""
    named = (settings.state, settings.kubeconfig, settings.context)
    return named == (None, None, None) and not connection.is_inside()


@asynccontextmanager
async def _source(settings: Settings) -> AsyncIterator[Backend]:
    outside = settings.kubeconfig is not None or settings.context is not None
    inside = connection.is_inside()
    if settings.state is not None or uses_examples(settings):
        if settings.controllers:
            raise NoClusterError("controllers need a cluster, but limits come from a folder")
        manifests = settings.state or examples.state_folder()
        yield embedded(EmbeddedState(manifests, settings.domain), settings)
        return
    async with connection.connected(settings.kubeconfig, settings.context) as api:
        await require_namespace(api, settings.namespace)
        with TemporaryDirectory() as folder:
            yield _cluster(api, settings, Path(folder), inside=inside and not outside)


async def require_namespace(api: KubeApi, name: str) -> None:
    """Raises NoClusterError if the service has no namespace for its ledgers.

    Without it the service can decide nothing, and each of its parts would log its own error.
    """
    try:
        await api.get(f"/api/v1/namespaces/{name}")
    except NotFoundError:
        raise NoClusterError(
            f"the namespace {name} of this service does not exist: create it, or name another "
            "with --service-namespace"
        ) from None
    except ApiError:
        return  # The cluster may answer later; /readyz says what is missing until then.


def embedded(state: EmbeddedState, settings: Settings) -> Backend:
    """A backend on a folder of manifests that is watched, with its reservations in memory.

    Raises TokenFileError for the tokens of push checks.
    """
    return replace(snapshot(state, settings), jobs=[state.watch])


def snapshot(state: SnapshotState, settings: Settings) -> Backend:
    """Objects that were read once; reservations in the process. Raises TokenFileError."""
    refusals = Refusals(settings.domain)
    return Backend(
        Sources(state, MemoryLedgers(), objects=state),
        Observations(
            namespaces=state.namespaces,
            refusals=refusals,
            refused=refusals.review,
            stored_image=state.stored_image,
            broken=lambda: state.broken is not None,
        ),
        jobs=(),
        authenticator=StaticTokens(settings.push_tokens) if settings.push_tokens else None,
    )


@dataclass(frozen=True)
class ClusterUsage:
    """Limits, usage and reservations of a cluster, and the jobs that keep them current."""

    identity: str
    """Distinguishes this process from other replicas."""
    state: KubernetesState
    ledgers: KubernetesLedgers
    jobs: Sequence[Job]


def cluster_usage(
    api: KubeApi, settings: SharedSettings, noticed: Noticed = nobody
) -> ClusterUsage:
    """The parts for deciding pushes in a cluster. `noticed` is called for unreadable objects."""
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}-{os.getpid()}"
    namespace, silence = settings.namespace, settings.watch_silence
    state = KubernetesState(
        api,
        settings.domain,
        namespace=namespace,
        timing=settings.timing,
        silence=silence,
        noticed=noticed,
    )
    ledgers = KubernetesLedgers(api, namespace, identity)
    watched = Informer(api, ledgers.path, "ledgers", ledgers, silence=silence, select=LEDGERS)
    return ClusterUsage(identity, state, ledgers, [state.run, watched.run])


def _cluster(api: KubeApi, settings: Settings, folder: Path, *, inside: bool) -> Backend:
    domain, timing, namespace = settings.domain, settings.timing, settings.namespace
    unreadable = UnreadableEvents(api)
    usage = cluster_usage(api, settings, unreadable.add)
    identity, state, ledgers = usage.identity, usage.state, usage.ledgers
    events = RefusalEvents(api, domain, identity)
    refusals = Refusals(domain)
    sharing = SharedRefusals(api, namespace, identity, refusals)
    others = Informer(
        api, sharing.path, "refusals", sharing, silence=settings.watch_silence, select=REFUSALS
    )
    shared = settings.certificates == "secret" or (settings.certificates == "auto" and inside)
    names = service_names("registry-admission", namespace)
    if not inside:
        names += ["localhost", settings.host]
    certificates = ClusterCertificates(api, folder, namespace=namespace, names=names)
    access = KubernetesAccess(api, domain)
    reconciler = Reconciler(api, state, ledgers, domain, timing)
    controllers = assemble(api, settings, identity)
    work = [reconciler.run, *(controllers.leading if controllers else [])]
    leading = partial(lead, api, namespace, identity, partial(all_of, work))

    def refused(request: AdmissionRequest, outcome: Outcome) -> None:
        events.refused(request, outcome)
        refusals.review(request, outcome)

    jobs: list[Job] = [*usage.jobs, events.run, unreadable.run, leading]
    if controllers:
        jobs += controllers.everywhere
    if settings.page == "on":
        jobs += [sharing.run, others.run]
    return Backend(
        Sources(
            state,
            ledgers,
            registry_hosts=state.registry_hosts,
            registry_claim=state.registry_claim,
            objects=KubernetesObjects(api),
            visibility=access.seen_by,
        ),
        Observations(
            namespaces=state.occupied,
            refusals=refusals,
            refused=refused,
            stored_image=state.stored_image,
            broken=lambda: False,
            unready=state.unready,
            unreadable=state.unreadable,
        ),
        jobs=jobs,
        authenticator=access,
        certificates=certificates if shared and not settings.tls_dir else None,
        controllers=controllers,
    )

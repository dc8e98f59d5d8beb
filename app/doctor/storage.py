"""Whether the registry's present storage is the one that holds its images.

Rule: "If image metadata exists but blob data is missing, verify whether the Registry used emptyDir
or whether the storage backend was changed." (Registry v2, "Operate Storage")
"""

from collections.abc import Iterator
from datetime import datetime

from app.doctor.claims import registry_claim
from app.doctor.finding import Finding, title
from app.doctor.installation import place
from app.doctor.snapshot import Snapshot
from app.model.registry import Config, ConfigSpec
from app.model.volumes import PersistentVolume, PersistentVolumeClaim
from app.model.workloads import Deployment, Pod, PodSpec, ReplicaSet
from app.policy.names import without_credentials
from app.policy.operator import registry_data_loss
from app.policy.operator.s3_storage import clients_need_proxy

_REGISTRY = "image-registry"
"""The name of the Deployment."""
_VOLUME = "registry-storage"
"""The name of the registry Pods' storage volume."""
_SUBJECT = title("Config", "cluster")


def check_empty_dir(snapshot: Snapshot) -> Iterator[Finding]:
    """Report images in an emptyDir: they are deleted with their Pod."""
    config = snapshot.config
    if config is None or config.spec.storage.empty_dir is None:
        return
    images = snapshot.images()
    if not images.pushed:
        return
    namespace, group = snapshot.registry_namespace, snapshot.domain.operator_group
    starts = [
        pod.started
        for pod in snapshot.all(Pod, namespace)
        if pod.started and _storage_of(pod.spec).startswith("emptyDir")
    ]
    lost = images.pushed_before(min(starts)) if starts else 0
    steps = (
        f"kubectl -n {namespace} get pods   # its age is the age of the oldest image data",
        f"kubectl get configs.{group} cluster -o jsonpath='{{.spec.storage}}'",
        "push the images that are needed again, after a PVC or s3 storage is configured",
    )
    if lost:
        yield Finding(
            "error",
            "EmptyDirLostImages",
            _SUBJECT,
            f"spec.storage is emptyDir, and {lost} of {images.pushed} tags were pushed before the "
            f"registry's Pod started: the data of their images went with the Pod before it",
            steps,
            (f"the Pod started at {min(starts).isoformat()}",),
            concerns_data=True,
        )
    else:
        yield Finding(
            "warning",
            "EmptyDirHoldsImages",
            _SUBJECT,
            f"spec.storage is emptyDir, and {images.pushed} tags have their images in it: they "
            "are lost with the Pod",
            steps,
            concerns_data=True,
        )


def check_change(snapshot: Snapshot) -> Iterator[Finding]:
    """Report a storage other than the one that the operator set up last."""
    config = snapshot.config
    if config is None or not config.status.storage.backends:
        return
    images = snapshot.images()
    before = Config(spec=ConfigSpec(storage=config.status.storage))
    after = Config(spec=ConfigSpec(storage=config.spec.storage))
    for _, loss in registry_data_loss.losses_between(after, before):
        if images.pushed:
            yield _changed(snapshot, f"status to spec: {loss}")


def check_former_storage(snapshot: Snapshot) -> Iterator[Finding]:
    """Report a Deployment whose earlier Pods had another storage when images were pushed."""
    namespace = snapshot.registry_namespace
    images = snapshot.images()
    current = snapshot.find(Deployment, _REGISTRY, namespace)
    now = _storage_of(current.spec.template.spec) if current else ""
    if not now:
        return
    former = {
        storage: replicas
        for replicas in snapshot.all(ReplicaSet, namespace)
        if (storage := _storage_of(replicas.spec.template.spec)) not in ("", now)
    }
    since = [
        replicas.created
        for replicas in snapshot.all(ReplicaSet, namespace)
        if replicas.created and _storage_of(replicas.spec.template.spec) == now
    ]
    older = images.pushed_before(min(since)) if since else images.pushed
    if former and older:
        was = " and ".join(f"{storage} (ReplicaSet {old.name})" for storage, old in former.items())
        yield _changed(
            snapshot,
            f"the registry's Pods had {was} and have {now} now; {older} of {images.pushed} tags "
            "were pushed before",
        )


def check_age(snapshot: Snapshot) -> Iterator[Finding]:
    """Report images that are older than the volume that should hold them."""
    wanted = registry_claim(snapshot)
    namespace = snapshot.registry_namespace
    claim = snapshot.find(PersistentVolumeClaim, wanted, namespace) if wanted else None
    if claim is None or claim.created is None:
        return
    images = snapshot.images()
    born = _born(snapshot, claim, claim.created)
    older = images.pushed_before(born)
    if older:
        yield Finding(
            "warning",
            "ImagesOlderThanVolume",
            claim.title,
            f"{older} of {images.pushed} tags were pushed before it existed: unless their images "
            "were copied into it, their data is missing",
            (
                f"registry-admission doctor{place(snapshot)} --registry-url https://<registry>   "
                "# samples images and asks for their data",
                f"kubectl get pv   # a Released volume may hold the data of PVC {wanted}",
            ),
            (f"it exists since {born.isoformat()}",),
            concerns_data=True,
        )


def check_redirect(snapshot: Snapshot) -> Iterator[Finding]:
    """Report redirects to an object storage that clients cannot reach or do not trust."""
    config = snapshot.config
    s3 = config.spec.storage.s3 if config else None
    if config is None or s3 is None or config.spec.disable_redirect or not clients_need_proxy(s3):
        return
    private = f"it has a CA of its own ({s3.trusted_ca.name})" if s3.trusted_ca.name else ""
    yield Finding(
        "error",
        "RedirectUnreachable",
        _SUBJECT,
        "spec.disableRedirect is "
        f"{'not set' if config.spec.disable_redirect is None else 'false'}, so clients are sent "
        "to an s3 endpoint that only the cluster reaches or trusts: their pulls fail",
        (
            f"kubectl patch configs.{snapshot.domain.operator_group} cluster --type=merge -p "
            '\'{"spec":{"disableRedirect":true}}\'',
        ),
        tuple(filter(None, (f"regionEndpoint {without_credentials(s3.region_endpoint)}", private))),
    )


def _changed(snapshot: Snapshot, what: str) -> Finding:
    return Finding(
        "warning",
        "StorageChanged",
        _SUBJECT,
        "the storage was changed while images existed, and the registry copies none. Images that "
        "were not copied have metadata without data",
        (
            f"kubectl get configs.{snapshot.domain.operator_group} cluster -o yaml",
            f"kubectl -n {snapshot.registry_namespace} get replicasets,pvc",
            f"registry-admission doctor{place(snapshot)} --registry-url https://<registry>   "
            "# samples images and asks for their data",
        ),
        (what,),
        concerns_data=True,
    )


def _born(snapshot: Snapshot, claim: PersistentVolumeClaim, created: datetime) -> datetime:
    """The creation time of the volume: a claim may be newer than its volume."""
    volumes = snapshot.all(PersistentVolume)
    times = [volume.created for volume in volumes if volume.name == claim.spec.volume_name]
    return min([created, *filter(None, times)])


def _storage_of(spec: PodSpec) -> str:
    """The storage of the registry's Pods, such as `pvc image-registry`; "" if not known."""
    for volume in spec.volumes:
        if volume.name == _VOLUME and volume.persistent_volume_claim:
            return f"pvc {volume.persistent_volume_claim.claim_name}"
        if volume.name == _VOLUME and volume.empty_dir is not None:
            return "emptyDir"
    for container in spec.containers:
        for variable in container.env:
            if variable.name == "REGISTRY_STORAGE_S3_BUCKET" and variable.value:
                return f"s3 bucket {variable.value}"
    return ""

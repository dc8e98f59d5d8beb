"""Registry Pods that cannot mount their storage."""

from collections.abc import Iterator

from app.doctor.finding import Finding, listed
from app.doctor.snapshot import Snapshot
from app.model.stored import Event
from app.model.volumes import PersistentVolume, PersistentVolumeClaim, VolumeAttachment
from app.model.workloads import Node, Pod

_MOUNT_REASONS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_MAX_EVENTS = 3
_ONE_NODE = {"ReadWriteOnce", "ReadWriteOncePod"}


def check(snapshot: Snapshot) -> Iterator[Finding]:
    """Report Pods of the registry's namespace that are not ready. Raises NotReadError."""
    namespace = snapshot.registry_namespace
    snapshot.all(Event, namespace)
    for pod in snapshot.all(Pod, namespace):
        if not pod.is_ready:
            yield from _pending_claims(snapshot, pod)
            yield from _mount_failures(snapshot, pod)


def check_attachments(snapshot: Snapshot) -> Iterator[Finding]:
    """Report attachments of the registry's volumes that fail, or whose node is gone."""
    volumes = _volumes(snapshot)
    for attachment in snapshot.all(VolumeAttachment):
        volume = attachment.spec.source.persistent_volume_name
        status, node = attachment.status, attachment.spec.node_name
        if volume not in volumes:
            continue
        errors = [
            f"{verb}: {error.message}"
            for verb, error in (("attach", status.attach_error), ("detach", status.detach_error))
            if error
        ]
        if errors:
            yield Finding(
                "error",
                "AttachmentFailed",
                attachment.title,
                f"PersistentVolume {volume} of PVC {volumes[volume]} and node {node}: attaching "
                "or detaching fails",
                (
                    f"kubectl describe volumeattachment {attachment.name}",
                    f"kubectl get node {node}",
                ),
                tuple(errors),
                concerns_data=True,
            )
        state = _node_state(snapshot, node)
        if state:
            yield Finding(
                "warning",
                "AttachedToLostNode",
                attachment.title,
                f"PersistentVolume {volume} is attached to node {node}, which {state}: a "
                "ReadWriteOnce volume cannot be used elsewhere before it is detached",
                (f"kubectl describe node {node}", "kubectl get volumeattachments"),
                concerns_data=True,
            )


def check_sharing(snapshot: Snapshot) -> Iterator[Finding]:
    """Report Pods on several nodes that mount a volume which only one node can attach."""
    namespace = snapshot.registry_namespace
    pods = snapshot.all(Pod, namespace)
    for claim in snapshot.all(PersistentVolumeClaim, namespace):
        modes = set(claim.spec.access_modes)
        users = [pod for pod in pods if claim.name in pod.spec.claims and _lives(pod)]
        nodes = {pod.spec.node_name for pod in users if pod.spec.node_name}
        if modes and modes <= _ONE_NODE and len(nodes) > 1:
            group = snapshot.domain.operator_group
            yield Finding(
                "error",
                "VolumeOnSeveralNodes",
                claim.title,
                f"it is {', '.join(sorted(modes))}, and Pods on {len(nodes)} nodes want it: only "
                "those on one node can mount it",
                (
                    f"kubectl -n {namespace} get pods -o wide",
                    f"kubectl patch configs.{group} cluster --type=merge -p "
                    '\'{"spec":{"replicas":1,"rolloutStrategy":"Recreate"}}\'',
                ),
                tuple(f"Pod {pod.name} on node {pod.spec.node_name}" for pod in users),
            )


def _pending_claims(snapshot: Snapshot, pod: Pod) -> Iterator[Finding]:
    namespace = pod.metadata.namespace
    claims = {claim.name: claim for claim in snapshot.known(PersistentVolumeClaim, namespace)}
    waiting = [
        name
        for name in pod.spec.claims
        if name in claims and claims[name].status.phase in ("Pending", "Lost")
    ]
    if waiting:
        yield Finding(
            "error",
            "PodWaitsForClaim",
            pod.title,
            f"it cannot start: PVC {listed(waiting)} is not bound",
            (
                f"kubectl -n {namespace} describe pvc {waiting[0]}",
                f"kubectl -n {namespace} describe pod {pod.name}",
            ),
            tuple(map(str, _events(snapshot, pod)[:_MAX_EVENTS])),
        )


def _mount_failures(snapshot: Snapshot, pod: Pod) -> Iterator[Finding]:
    failures = snapshot.events_of(pod, _MOUNT_REASONS)
    if not failures:
        return
    namespace = pod.metadata.namespace
    describe = f"kubectl -n {namespace} describe pod {pod.name}"
    quoted = tuple(map(str, failures[:_MAX_EVENTS]))
    where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    if any("Multi-Attach" in event.message for event in failures):
        yield Finding(
            "error",
            "VolumeInUseElsewhere",
            pod.title,
            f"its ReadWriteOnce volume cannot be attached{where}, because another node has it",
            (
                f"kubectl -n {namespace} get pods -o wide",
                "kubectl get volumeattachments",
                f"kubectl patch configs.{snapshot.domain.operator_group} cluster --type=merge -p "
                '\'{"spec":{"rolloutStrategy":"Recreate"}}\'',
            ),
            (*_holders(snapshot, pod), *quoted),
        )
    else:
        attach = any(event.reason == "FailedAttachVolume" for event in failures)
        yield Finding(
            "error",
            "AttachFailed" if attach else "MountFailed",
            pod.title,
            f"a volume of it cannot be {'attached' if attach else 'mounted'}{where}: check PV "
            "binding, node attachment, and backend storage availability",
            (describe, "kubectl get pv,volumeattachments"),
            (*_holders(snapshot, pod), *quoted),
            concerns_data=True,
        )


def _holders(snapshot: Snapshot, pod: Pod) -> Iterator[str]:
    """The other Pods that use this Pod's volumes."""
    for other in snapshot.known(Pod, pod.metadata.namespace):
        shared = set(other.spec.claims) & set(pod.spec.claims)
        if other.name != pod.name and shared and other.spec.node_name:
            yield f"Pod {other.name} on node {other.spec.node_name} uses PVC {min(shared)}"
    volumes = _volumes(snapshot)
    for attachment in snapshot.known(VolumeAttachment):
        volume = attachment.spec.source.persistent_volume_name
        if volumes.get(volume) in pod.spec.claims:
            state = _node_state(snapshot, attachment.spec.node_name)
            attached = "attached" if attachment.status.attached else "to be attached"
            yield (
                f"PersistentVolume {volume} is {attached} to node {attachment.spec.node_name}"
                + (f", which {state}" if state else "")
            )


def _events(snapshot: Snapshot, pod: Pod) -> list[Event]:
    """The reason why a Pod does not start."""
    return snapshot.events_of(pod, (*_MOUNT_REASONS, "FailedScheduling"))


def _volumes(snapshot: Snapshot) -> dict[str, str]:
    """The claims of the registry's namespace, by volume name."""
    owned = {
        volume.name: volume.spec.claim_ref.name
        for volume in snapshot.known(PersistentVolume)
        if volume.spec.claim_ref and volume.spec.claim_ref.namespace == snapshot.registry_namespace
    }
    claims = snapshot.known(PersistentVolumeClaim, snapshot.registry_namespace)
    return owned | {
        claim.spec.volume_name: claim.name for claim in claims if claim.spec.volume_name
    }


def _node_state(snapshot: Snapshot, name: str) -> str:
    """The problem of a node; "" if it has none or nodes were not read."""
    nodes = {node.name: node for node in snapshot.known(Node)}
    if not nodes or not name:
        return ""
    if name not in nodes:
        return "does not exist"
    return "" if nodes[name].is_ready else "is not ready"


def _lives(pod: Pod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed")

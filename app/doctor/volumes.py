"""The volumes behind the registry's PVCs: released, failed, or deleted with their claim."""

from collections.abc import Iterator

from app.doctor.claims import registry_claim
from app.doctor.finding import Finding
from app.doctor.snapshot import Snapshot
from app.model.volumes import PersistentVolume, PersistentVolumeClaim


def check(snapshot: Snapshot) -> Iterator[Finding]:
    """Check every volume that is or was bound in the registry's namespace."""
    for volume in snapshot.all(PersistentVolume):
        owner = volume.spec.claim_ref
        if owner is None or owner.namespace != snapshot.registry_namespace:
            continue
        claim = f"{owner.namespace}/{owner.name}"
        look = f"kubectl get pv {volume.name} -o yaml"
        if volume.status.phase == "Released":
            yield Finding(
                "warning",
                "VolumeReleased",
                volume.title,
                f"PVC {claim} that it was bound to is gone; its data is still there, and no "
                "new PVC gets it by itself",
                (look, f"kubectl -n {owner.namespace} get pvc"),
                (f"reclaim policy {volume.spec.persistent_volume_reclaim_policy}",),
                concerns_data=True,
            )
        elif volume.status.phase == "Failed":
            message = volume.status.message or "no message"
            yield Finding(
                "error",
                "VolumeFailed",
                volume.title,
                f"it is Failed: its storage could not be reclaimed after PVC {claim} was gone",
                (look, f"kubectl describe pv {volume.name}"),
                (f"{volume.status.reason or 'no reason'}: {message}",),
                concerns_data=True,
            )


def check_reclaim(snapshot: Snapshot) -> Iterator[Finding]:
    """Report a reclaim policy that deletes the images together with the PVC."""
    wanted = registry_claim(snapshot)
    namespace = snapshot.registry_namespace
    claim = snapshot.find(PersistentVolumeClaim, wanted, namespace) if wanted else None
    volume = snapshot.find(PersistentVolume, claim.spec.volume_name) if claim else None
    if volume and volume.spec.persistent_volume_reclaim_policy == "Delete":
        yield Finding(
            "info",
            "VolumeGoesWithClaim",
            volume.title,
            f"its reclaim policy is Delete: deleting PVC {wanted} deletes the images",
            (
                f"kubectl patch pv {volume.name} --type=merge "
                '-p \'{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}\'',
            ),
            concerns_data=True,
        )

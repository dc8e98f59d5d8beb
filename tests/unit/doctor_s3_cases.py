"""Faults of S3 storage: redirects, credentials, and the CA of its endpoint."""

from datetime import timedelta

from app.certs import authority
from tests import registry_objects as objects
from tests.registry_objects import REGISTRY, S3_KEYS, S3_SECRET, Manifest

from .doctor_cases import CONFIG, NO_CLAIM, Case
from .snapshots import CA, NOW

USERS = f"Secret {REGISTRY}/{S3_SECRET}"
TRUSTED = f"ConfigMap {REGISTRY}/private-ca"


def trusted_ca(lifetime: timedelta, namespace: str = REGISTRY) -> Manifest:
    pem = authority.make_authority(NOW, lifetime).certificate.decode()
    return objects.config_map("private-ca", namespace, **{"ca-bundle.crt": pem})


ON_PRIVATE_S3 = (
    objects.config(
        storage={"s3": {
            "bucket": "images", "regionEndpoint": "https://s3.example.com",
            "trustedCA": {"name": "private-ca"}}},
        disableRedirect=True,
    ),
    objects.secret(S3_SECRET, REGISTRY, **S3_KEYS),
)  # fmt: skip

S3: dict[str, Case] = {
    "redirect: to an endpoint inside the cluster": Case(
        (f"error RedirectUnreachable {CONFIG}",),
        (objects.on_s3(regionEndpoint="http://minio.storage.svc:9000"), ON_PRIVATE_S3[1]),
        "regionEndpoint http://minio.storage.svc:9000", without=NO_CLAIM,
    ),
    "redirect: off": Case(
        (), (*ON_PRIVATE_S3, trusted_ca(timedelta(days=100))), without=NO_CLAIM,
    ),
    "s3: no credentials": Case(
        (f"error CredentialsMissing {USERS}",), (objects.on_s3(),), without=NO_CLAIM,
    ),
    "s3: half the credentials": Case(
        (f"error CredentialsIncomplete {USERS}",),
        (objects.on_s3(), objects.secret(S3_SECRET, REGISTRY, **{
            **S3_KEYS, "REGISTRY_STORAGE_S3_SECRETKEY": b" \n"})),
        "no value for REGISTRY_STORAGE_S3_SECRETKEY", without=NO_CLAIM,
    ),
    "s3: credentials that are not merged": Case(
        (f"warning CredentialsNotMerged Secret {REGISTRY}/image-registry-private-configuration",),
        (objects.on_s3(), ON_PRIVATE_S3[1],
         objects.secret("image-registry-private-configuration", REGISTRY)), without=NO_CLAIM,
    ),
    "s3: no CA": Case(
        (f"error TrustedCAMissing {TRUSTED}",), ON_PRIVATE_S3, without=NO_CLAIM,
    ),
    "s3: a CA that is none": Case(
        (f"error TrustedCAUnreadable {TRUSTED}",),
        (*ON_PRIVATE_S3, objects.config_map("private-ca", REGISTRY, ca="CERTIFICATE")),
        "keys: ca", without=NO_CLAIM,
    ),
    "s3: a CA under a key that the operator does not read": Case(
        (f"error TrustedCAUnreadable {TRUSTED}",),
        (*ON_PRIVATE_S3,
         objects.config_map("private-ca", REGISTRY, **{"ca.crt": CA.certificate.decode()})),
        "keys: ca.crt", without=NO_CLAIM,
    ),
    "s3: a CA that expires": Case(
        (f"warning TrustedCAExpiresSoon {TRUSTED}",),
        (*ON_PRIVATE_S3, trusted_ca(timedelta(days=29))), without=NO_CLAIM,
    ),
    "s3: a CA that has expired": Case(
        (f"error TrustedCAExpired {TRUSTED}",),
        (*ON_PRIVATE_S3, trusted_ca(timedelta(days=29))), without=NO_CLAIM,
        later=timedelta(days=30),
    ),
    "s3: a CA in a namespace of its own": Case(
        (), (*ON_PRIVATE_S3, trusted_ca(timedelta(days=100), "shared")), without=NO_CLAIM,
        ca_namespace="shared",
    ),
}  # fmt: skip

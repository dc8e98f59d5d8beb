"""A review of every kind and verb, decided on the shipped examples."""

from dataclasses import dataclass
from pathlib import Path

import jsonpatch
import pytest

from app.admission.dispatch import Admission
from app.admission.review import AdmissionRequest, AdmissionReview
from app.cluster.embedded import EmbeddedState
from app.config import examples
from app.config.settings import Settings
from app.wiring import service
from app.wiring.backends import embedded
from tests import payloads
from tests.patience import PATIENCE


@dataclass(frozen=True)
class Denied:
    """A refusal, and texts that its message must contain."""

    texts: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Allowed:
    """An allowed request, and texts of its warnings, or the reason why it is not checked."""

    warnings: tuple[str, ...] = ()
    skipped: str | None = None


EXPECTED: dict[str, Denied | Allowed] = {
    "push-allowed": Allowed(),
    "push-dry-run": Allowed(),
    "push-existing-tag-over-limit": Allowed(),
    "push-too-large": Denied(
        (
            "ImageStreamMapping team-a/app: requested usage of storage exceeds the maximum limit "
            "per alauda.io/Image (1.17Gi > 1Gi): image sha256:",
            "of tag app:huge; make the image smaller, or raise max.storage in LimitRange "
            "team-a/image-registry-limits",
        ),
        ("ImageTooLarge",),
    ),
    "push-too-large-by-layers": Denied(("(1.17Gi > 1Gi)",), ("ImageTooLarge",)),
    "push-understated-size": Denied(
        (
            "dockerImageMetadata.Size claims 10485760 bytes, but its own layers add up to "
            "1257242624 bytes",
            "(1.17Gi > 1Gi)",
        ),
        ("ImageContradictsItself", "ImageTooLarge"),
    ),
    "push-unknown-size": Denied(
        ("is unknown, and LimitRange team-a/image-registry-limits allows 1Gi",),
        ("ImageSizeUnknown",),
    ),
    "push-101st-tag": Denied(
        (
            "requested usage of alauda.io/image-tags exceeds the maximum limit per "
            "alauda.io/ImageStream (101 > 100) in ImageStream team-full/nightly, "
            "requested: 1, used: 100; delete tags of the stream that are not needed, or raise max "
            "of alauda.io/image-tags in LimitRange team-full/image-registry-limits",
        ),
        ("StreamLimitExceeded",),
    ),
    "push-to-missing-stream": Allowed(),
    "imagestream-create": Allowed(),
    "imagestream-create-21st": Denied(("requested: alauda.io/imagestreams=1",), ("QuotaExceeded",)),
    "imagestream-update-spec-tags": Allowed(),
    "imagestream-update-too-large-tag": Denied(
        ("(3Gi > 1Gi)", "of tag app:big, from ImageStreamTag team-b/big:v1"), ("ImageTooLarge",)
    ),
    "imagestream-update-status": Allowed(("of ImageStream app is unknown",)),
    "imagestream-delete": Allowed(skipped="DELETE adds nothing"),
    "imagestreamtag-create": Allowed(),
    "imagestreamtag-create-too-large": Denied(
        ("(3Gi > 1Gi)", "from ImageStreamImage team-b/big@sha256:"), ("ImageTooLarge",)
    ),
    "imagestreamtag-create-101st": Denied(("(101 > 100)",), ("StreamLimitExceeded",)),
    "imagestreamtag-update": Allowed(),
    "imagestreamtag-delete": Allowed(skipped="DELETE adds nothing"),
    "imagetag-create": Allowed(),
    "imagetag-update": Allowed(),
    "imagetag-create-too-large": Denied(("(3Gi > 1Gi)",), ("ImageTooLarge",)),
    "imagestreamimport-create": Allowed(("the size of the image of tag app:v9",)),
    "imagestreamimport-look-only": Allowed(),
    "imagestreamimport-101st-tag": Denied(("(101 > 100)",), ("StreamLimitExceeded",)),
    "imagestreamimport-repository": Allowed(("the size of the images of DockerImage",)),
    "imagestreamimport-repository-full": Denied(("(150 > 100)",), ("StreamLimitExceeded",)),
    "image-create": Allowed(),
    "image-create-understated-size": Denied(
        ("claims 10485760 bytes",), ("ImageContradictsItself",)
    ),
    "configmap-legacy": Denied(
        ("kind: LimitRange", "alauda.io/image-tags", "storage: 2Gi", "namespace: team-a"),
        ("LegacyLimits",),
    ),
    "configmap-other": Allowed(),
    "configmap-legacy-delete": Allowed(skipped="DELETE adds nothing"),
    "limitrange-create": Allowed(),
    "limitrange-misspelled": Denied(("alauda.io/ImageStream",), ("MisspelledName",)),
    "resourcequota-create": Allowed(),
    "resourcequota-below-use": Allowed(("20",)),
    "resourcequota-misspelled": Denied(("alauda.io/image-tags",), ("MisspelledName",)),
    "config-create": Allowed(('"image-registry" does not exist in namespace',)),
    "config-private-endpoint": Allowed(("create it: kubectl -n image-registry-system create",)),
    "config-placement": Denied(
        (
            'operator is "Exist", not one of In, NotIn, Exists, DoesNotExist, Gt, Lt; did you mean '
            "Exists?",
            "weight is 0, not between 1 and 100",
            "spec.topologySpreadConstraints[0].maxSkew is 0, below 1",
        ),
        ("InvalidAffinity", "InvalidTopologySpread"),
    ),
    "config-two-backends": Denied(("emptyDir", "pvc"), ("TwoStorageBackends",)),
    "config-switch-storage": Allowed(("emptyDir",)),
    "config-delete": Allowed(("managed storage is deleted with its images",)),
    "claim-delete": Allowed(skipped="kind PersistentVolumeClaim is not limited"),
    "imagepruner-create": Allowed(("team-full/nightly: pruning keeps all 100 tags",)),
    "imagepruner-bad-schedule": Denied(("every night",), ("InvalidSchedule",)),
    "secret-create": Allowed(),
    "secret-line-break": Denied(
        ("REGISTRY_STORAGE_S3_SECRETKEY ends with a line break",), ("InvalidCredentials",)
    ),
    "secret-other": Allowed(skipped="kind Secret is not limited"),
    "pod-connect": Allowed(skipped="CONNECT adds nothing"),
    "pod-create": Allowed(skipped="kind Pod is not limited"),
}


REGISTRY_V2_ONLY = {"/spec/imagePullSecret", "/spec/resources"}
"""The defaults that a Config of OKD does not get."""


def admission(**settings: str) -> Admission:
    chosen = Settings.model_validate(settings)
    state = EmbeddedState(examples.state_folder(), chosen.domain)
    return service.build(chosen, embedded(state, chosen)).admission


def request(name: str) -> AdmissionRequest:
    return AdmissionReview.model_validate(payloads.load(name)).request


def in_okd(text: str) -> str:
    return text.replace("alauda.io", "openshift.io").replace(
        "image-registry-system", "openshift-image-registry"
    )


@pytest.mark.parametrize("name", EXPECTED)
async def test_okd_gets_the_same_answers_under_its_own_names(name: str, tmp_path: Path) -> None:
    for file in examples.state_folder().iterdir():
        (tmp_path / file.name).write_text(in_okd(file.read_text()))
    asked = request(name)
    settings = Settings(api_domain="openshift.io")
    okd = service.build(settings, embedded(EmbeddedState(tmp_path, settings.domain), settings))
    translated = AdmissionRequest.model_validate_json(in_okd(asked.model_dump_json(by_alias=True)))

    expected = await admission().validate(asked, within=PATIENCE)
    outcome = await okd.admission.validate(translated, within=PATIENCE)
    patched = await okd.admission.mutate(translated, within=PATIENCE)

    assert (outcome.allowed, outcome.causes) == (expected.allowed, expected.causes)
    assert outcome.message == in_okd(expected.message)
    assert outcome.warnings == [in_okd(warning) for warning in expected.warnings]
    defaults = (await admission().mutate(asked, within=PATIENCE)).patch
    assert patched.patch == [one for one in defaults if one["path"] not in REGISTRY_V2_ONLY]


def test_every_payload_has_an_expectation() -> None:
    assert sorted(EXPECTED) == payloads.names()


@pytest.mark.parametrize("name", EXPECTED)
async def test_every_payload_gets_its_expected_answer(name: str) -> None:
    expected = EXPECTED[name]

    asked = request(name)

    outcome = await admission().validate(asked, within=PATIENCE)

    assert outcome.allowed is isinstance(expected, Allowed), outcome.message
    if isinstance(expected, Denied):
        assert (outcome.code, outcome.reason) == (403, "Forbidden")
        assert outcome.message.startswith(f"{asked.title}: ")
        assert outcome.message.count(asked.title) == 1
        assert outcome.causes == expected.causes
        for text in expected.texts:
            assert text in outcome.message
    else:
        assert outcome.audit.get("skipped") == expected.skipped
        assert bool(outcome.warnings) is bool(expected.warnings)
        for text in expected.warnings:
            assert text in "\n".join(outcome.warnings)


@pytest.mark.parametrize(
    "name",
    ["push-too-large", "limitrange-misspelled", "configmap-legacy", "imagestream-create-21st"],
)
@pytest.mark.parametrize("subresource", ["new", "tags", "Status"])
async def test_unknown_subresource_is_decided_like_the_object(name: str, subresource: str) -> None:
    asked = request(name)

    outcome = await admission().validate(
        asked.model_copy(update={"sub_resource": subresource}), within=5
    )

    assert outcome == await admission().validate(asked, within=PATIENCE)
    assert not outcome.allowed


@pytest.mark.parametrize("subresource", ["finalizers", "layers", "scale", "secrets", "signatures"])
async def test_subresource_without_images_is_skipped(subresource: str) -> None:
    asked = request("push-too-large").model_copy(update={"sub_resource": subresource})

    outcome = await admission().validate(asked, within=PATIENCE)

    assert outcome.audit == {"skipped": f"subresource {subresource} adds nothing"}


async def test_the_audit_log_has_the_exact_bytes_that_the_message_rounds() -> None:
    outcome = await admission().validate(request("push-too-large"), within=PATIENCE)

    assert "(1.17Gi > 1Gi)" in outcome.message
    assert outcome.audit["exact"] == "1258291200 > 1073741824 bytes"


@pytest.mark.parametrize("name", EXPECTED)
async def test_mutation_changes_only_config_and_applies_cleanly(name: str) -> None:
    asked = request(name)

    outcome = await admission().mutate(asked, within=PATIENCE)

    assert outcome.allowed
    if not name.startswith("config-") or name == "config-delete":
        assert outcome.patch == []
        return
    patched = jsonpatch.apply_patch(asked.object, outcome.patch)
    again = await admission().mutate(asked.model_copy(update={"object": patched}), within=PATIENCE)
    assert again.patch == []
    assert patched["spec"]["managementState"] == "Managed"


async def test_a_private_endpoint_is_served_through_the_registry() -> None:
    asked = request("config-private-endpoint")

    outcome = await admission().mutate(asked, within=PATIENCE)

    patched = jsonpatch.apply_patch(asked.object, outcome.patch)
    assert patched["spec"]["disableRedirect"] is True
    assert patched["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("policy", "allowed", "warned"),
    [("deny", False, False), ("warn", True, True), ("allow", True, False)],
)
async def test_setting_decides_on_an_unknown_size(policy: str, allowed: bool, warned: bool) -> None:
    outcome = await admission(unknown_size=policy).validate(
        request("push-unknown-size"), within=PATIENCE
    )

    assert (outcome.allowed, bool(outcome.warnings)) == (allowed, warned)

"""`doctor` finds the fault of each case and no other, and proposes no deletion."""

import re

import pytest

from app.doctor.blobs import Examined
from app.doctor.checks import CHECKS, IMAGE_DATA, diagnose
from app.doctor.finding import Diagnosis, Finding
from app.doctor.inventory import Inventory, Sample
from app.doctor.resources import Resource, resources
from app.doctor.snapshot import NotReadError, Scope
from app.model.domain import ApiDomain
from app.model.stream import ImageStream
from tests.registry_objects import S3_KEYS

from .doctor_cases import STORAGE, Case
from .doctor_s3_cases import S3
from .doctor_service_cases import SERVICE_CASES
from .printed_commands import commands, parse
from .snapshots import DIGEST, healthy, snapshot

CASES = {**STORAGE, **S3, **SERVICE_CASES}
SAFE = {"annotate", "apply", "create", "describe", "diff", "get", "logs", "patch"}
DATA = ("claim", "pending", "volume", "emptyDir", "storage")
OWN = {"certs make", "convert", "doctor", "install"}


def diagnosis(case: Case) -> Diagnosis:
    taken = snapshot(
        case.changes, without=case.without, later=case.later, ca_namespace=case.ca_namespace
    )
    return diagnose(taken, [])


def text(finding: Finding) -> str:
    return "\n".join([finding.problem, *finding.evidence])


def test_healthy_registry_has_no_findings() -> None:
    assert diagnose(snapshot(), []) == Diagnosis((), ())


@pytest.mark.parametrize("name", CASES)
def test_each_fault_has_exactly_its_finding(name: str) -> None:
    case = CASES[name]
    found = diagnosis(case)
    shown = [f"{item.severity} {item.reason} {item.subject}" for item in found.findings]
    assert shown == list(case.found)
    assert found.not_checked == ()
    assert case.words in (text(found.findings[0]) if case.found else "")


@pytest.mark.parametrize("name", CASES)
def test_every_finding_has_a_command_that_deletes_nothing(name: str) -> None:
    for finding in diagnosis(CASES[name]).findings:
        assert finding.next_steps
        for step in finding.next_steps:
            verbs = re.findall(r"kubectl (?:-n \S+ )?(\S+)", step)
            assert set(verbs) <= SAFE, step
            own = re.findall(r"^registry-admission (certs make|[a-z]+)", step)
            assert set(own) <= OWN, step
            for command in commands(step):
                parse(command)
            assert "--apply" not in step
            assert not re.search(r"--force\b|--prune\b|\brm\b", step)


@pytest.mark.parametrize("name", [name for name in STORAGE if name.startswith(DATA)])
def test_findings_with_possible_data_loss_show_the_reminder(name: str) -> None:
    findings = diagnosis(CASES[name]).findings
    about = [item for item in findings if item.subject.split()[0] not in ("Pod", "ResourceQuota")]
    assert all(finding.concerns_data for finding in about)


def test_findings_contain_no_secret_values() -> None:
    values = [value.decode().strip() for value in S3_KEYS.values()]
    for case in CASES.values():
        shown = repr(snapshot(case.changes).objects) + repr(diagnosis(case))
        assert not any(value in shown for value in values)


@pytest.mark.parametrize("resource", resources(ApiDomain()), ids=lambda resource: resource.kind)
def test_unreadable_objects_skip_the_check_with_a_reason(resource: Resource) -> None:
    found = diagnose(snapshot(unread=[Scope(resource.model)]), [])
    assert [item for item in found.findings if item.severity == "error"] == []
    assert {item.why for item in found.not_checked} <= {f"{resource.model.__name__} is forbidden"}


def test_interrupted_check_keeps_its_findings() -> None:
    lost = CASES["claim: lost"].changes
    unread = next(item.model for item in resources(ApiDomain()) if item.kind == "StorageClass")
    other = CASES["pending: another claim than the registry's"].changes
    found = diagnose(snapshot([*lost, *other], unread=[Scope(unread)]), [])
    assert [item.reason for item in found.findings] == ["ClaimLost"]
    assert [item.check for item in found.not_checked] == ["PVCs of the registry"]


def test_images_without_data_are_found_and_unasked_images_are_counted() -> None:
    sample = Sample("team-a/app", "v1", DIGEST)
    found = diagnose(
        snapshot(),
        [
            Examined(sample),
            Examined(sample, (f"manifest {DIGEST}",)),
            Examined(sample, unknown="timed out"),
        ],
    )
    [finding] = found.findings
    assert (finding.severity, finding.reason) == ("error", "BlobsMissing")
    assert finding.problem.startswith("1 of 2 images")
    assert finding.evidence == (
        f"team-a/app:v1 ({DIGEST}): no manifest {DIGEST}",
        "spec.storage of Config cluster: pvc",
    )
    assert [str(item.why) for item in found.not_checked] == ["1 of 3 images: timed out"]


def test_without_a_registry_image_data_is_not_checked() -> None:
    [item] = diagnose(snapshot(), "not asked").not_checked
    assert (item.check, item.why) == (IMAGE_DATA, "not asked")


def test_unread_namespace_does_not_affect_others() -> None:
    model = next(item.model for item in resources(ApiDomain()) if item.kind == "Pod")
    taken = snapshot(unread=[Scope(model, "elsewhere")])
    assert taken.find(model, "registry", "image-registry-system")
    with pytest.raises(NotReadError, match="Pod is forbidden"):
        taken.all(model)


def test_check_names_are_unique() -> None:
    assert len(set(CHECKS.values())) == len(CHECKS)


def test_samples_are_spread_and_repeatable() -> None:
    def chosen(order: int) -> list[Sample]:
        inventory = Inventory(samples=3)
        item = next(item for item in healthy() if item["kind"] == "ImageStream")
        for name in sorted((f"app-{number}" for number in range(50)), reverse=order < 0):
            item["metadata"]["name"] = name
            for tag in item["status"]["tags"]:
                tag["items"][0]["dockerImageReference"] = ""
            inventory.add(ImageStream.model_validate(item))
        assert inventory.pushed == 50
        return inventory.samples

    assert chosen(1) == chosen(-1)
    assert len({sample.repository for sample in chosen(1)}) == 3

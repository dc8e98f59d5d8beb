"""Reviews and pushes beyond limits that only warn or record, or that exempt their sender."""

from dataclasses import replace

from app.admission.review import AdmissionRequest, Outcome, of_verdict
from app.api.metrics import Metrics
from app.model.limits import NamespaceLimits
from app.page.refusals import Refusals
from app.policy.enforcement import ENFORCED, Enforcement
from app.policy.verdict import Verdict
from app.registry import warnings
from app.registry.names import Reference, Repository
from app.registry.push import PushChecks
from tests.unit.pushes import Pushes, image, pushed
from tests.unit.reviews import decide, review
from tests.unit.stores import DOMAIN, limit, quota
from tests.unit.test_modes import ADMIN


class Place(Pushes):
    """A namespace with these limits, and the admission that decides on it."""

    def __init__(self, limits: NamespaceLimits, enforcement: Enforcement = ENFORCED) -> None:
        super().__init__(limits, enforcement=enforcement)
        self.tolerated: list[Verdict] = []
        self.checks = PushChecks(
            self.admission, lambda _repository, verdict: self.tolerated.append(verdict)
        )

    async def create(self, stream: str, user: str = "") -> Outcome:
        request = stream_request(stream, user)
        return of_verdict(request.title, await review(self, request))


def stream_request(stream: str, user: str = "") -> AdmissionRequest:
    return AdmissionRequest.model_validate(
        {
            "uid": "u",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStream"},
            "operation": "CREATE",
            "namespace": "team-a",
            "name": stream,
            "userInfo": {"username": user, "groups": ["g"]},
            "object": {"metadata": {"name": stream, "namespace": "team-a"}},
        }
    )


async def test_a_limit_that_warns_counts_on_beside_one_that_refuses() -> None:
    warned, hard = quota(imagestreams=1), quota(imagestreams=3)
    place = Place(NamespaceLimits(quotas=(replace(warned, mode="warn"), hard)))
    outcomes = [await place.create(name) for name in ("a", "b", "c", "d")]
    assert [outcome.allowed for outcome in outcomes] == [True, True, True, False]
    assert [len(outcome.tolerated) for outcome in outcomes] == [0, 1, 1, 0]
    assert place.enforcer.reservations() == 3
    assert "used: alauda.io/imagestreams=2" in outcomes[2].message
    response = outcomes[1].response("u")["response"]
    assert response["allowed"] is True
    assert response["auditAnnotations"]["would-refuse"] == "QuotaExceeded"
    assert response["warnings"][0].startswith("would be refused: exceeded quota: q, requested:")
    assert outcomes[3].causes == ("QuotaExceeded",)


async def test_a_limit_in_mode_audit_causes_no_warning() -> None:
    place = Place(NamespaceLimits(quotas=(quota(imagestreams=0),)), Enforcement("audit"))
    outcome = await place.create("a")
    assert (outcome.allowed, outcome.warnings) == (True, [])
    assert outcome.would_be_refused
    assert outcome.reasons == ("QuotaExceeded",)


async def test_an_exempt_user_passes_a_limit_and_is_named() -> None:
    place = Place(NamespaceLimits(quotas=(quota(imagestreams=0),)), Enforcement(users=("root",)))
    refused, exempt = await place.create("a", "admin"), await place.create("a", "root")
    assert (refused.allowed, exempt.allowed) == (False, True)
    assert exempt.audit == {
        "would-refuse": "QuotaExceeded",
        "exempt": "user root",
        "verdict": "allowed",
    }
    assert (exempt.warnings, exempt.would_be_refused) == ([], False)
    metrics = Metrics()
    metrics.count_review("validate", stream_request("a"), exempt, 0.1)
    assert 'registry_admission_exemptions_total{by="user"} 1.0' in metrics.render().decode()
    assert place.enforcer.reservations() == 1


async def test_would_be_refusals_are_counted_and_shown() -> None:
    place = Place(NamespaceLimits(quotas=(quota(imagestreams=0),)), Enforcement("warn"))
    outcome = await place.create("app")
    metrics, refusals = Metrics(), Refusals(DOMAIN)
    metrics.count_review("validate", stream_request("app"), outcome, 0.1)
    refusals.review(stream_request("app"), outcome)
    line = 'registry_admission_would_refuse_total{mode="warn",reason="QuotaExceeded"} 1.0'
    assert line in metrics.render().decode()
    [shown] = refusals.recent()
    assert (shown.enforced, shown.reasons) == (False, ("QuotaExceeded",))
    assert shown.message.startswith("ImageStream team-a/app: would be refused: exceeded quota")


APP = Repository("team-a", "app")


async def test_pushes_follow_the_mode_of_the_size_limit() -> None:
    small = limit("1Ki")
    place = Place(NamespaceLimits(image_size=replace(small, mode="warn", higher=limit("4Ki"))))
    assert place.checks.allowance(APP) == 4096
    assert place.checks.blob(APP, 0, 2048).verdict.allowed
    assert not place.checks.blob(APP, 0, 8192).verdict.allowed
    check = await place.checks.manifest(APP, Reference(tag="v1"), pushed(image(2048)))
    assert check.verdict.allowed
    assert [found.reason for found in place.tolerated[0].tolerated] == ["ImageTooLarge"]
    [(name, text), *_] = warnings.headers(check.verdict)
    assert name == b"warning"
    assert text.startswith(b'299 - "would be refused: requested usage of storage exceeds')


async def test_pushes_of_exempt_senders_have_no_allowance() -> None:
    place = Place(NamespaceLimits(image_size=limit("1Ki")), Enforcement(groups=("ops",)))
    assert (place.checks.allowance(APP), place.checks.allowance(APP, ADMIN)) == (1024, None)
    manifest = pushed(image(2048))
    refused = await place.checks.manifest(APP, Reference(tag="v1"), manifest)
    exempt = await place.checks.manifest(APP, Reference(tag="v1"), manifest, sender=ADMIN)
    assert (refused.verdict.allowed, exempt.verdict.allowed) == (False, True)
    assert exempt.verdict.exemption == "group ops"


def test_a_warning_header_holds_no_control_character() -> None:
    verdict = Verdict(warnings=['a "quote"\r\nX: 1 \\ ü'])
    assert warnings.headers(verdict) == [(b"warning", b'299 - "a \\"quote\\"  X: 1 \\\\  "')]


async def test_an_enforced_limit_is_not_lost_behind_many_that_only_warn() -> None:
    """A refusal names some dozens of violations. All violations count for the decision."""
    loose = replace(limit("1Ki"), mode="warn", higher=replace(limit("1Mi"), mode="enforce"))
    pushes = Pushes(NamespaceLimits(image_size=loose))
    small = [f"sha256:{number:064x}" for number in range(100)]
    large = "sha256:" + "f" * 64
    pushes.state.sizes = {**dict.fromkeys(small, 2048), large: 2**30}
    history = [{"tag": f"v{n}", "items": [{"image": each}]} for n, each in enumerate(small)]
    history.append({"tag": "z", "items": [{"image": large}]})
    stream = {"metadata": {"name": "app"}, "status": {"tags": history}}

    verdict = await decide(pushes, "ImageStream", stream)

    assert not verdict.allowed
    assert verdict.explanation.count("ImageStream app") == 1

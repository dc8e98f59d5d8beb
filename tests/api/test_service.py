"""The whole service, as a process, over real TLS."""

import asyncio
import base64
import gzip
import json
import shlex
import ssl
from pathlib import Path
from typing import Any

import httpx
import jsonpatch
import pytest

from tests import payloads
from tests.api.service import serve
from tests.patience import PATIENCE

ADMISSION = {"Content-Type": "application/json"}


async def review(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    response: dict[str, Any] = answer.json()["response"]
    assert response["uid"] == body["request"]["uid"]
    return response


async def test_a_served_process_decides_reports_and_stops_cleanly(tmp_path: Path) -> None:
    async with serve(tmp_path) as running:
        client = running.client
        assert "curl --cacert" in running.banner

        allowed = await review(client, "/validate", payloads.load("push-allowed"))
        assert allowed["allowed"] is True
        assert allowed["auditAnnotations"] == {"verdict": "allowed"}

        refused = await review(client, "/validate", payloads.load("push-too-large"))
        assert refused["allowed"] is False
        assert refused["status"]["code"] == 403
        assert refused["status"]["reason"] == "Forbidden"
        assert "1.17Gi > 1Gi" in refused["status"]["message"]
        assert refused["auditAnnotations"]["reasons"] == "ImageTooLarge"

        config = payloads.load("config-create")
        patched = await review(client, "/mutate", config)
        assert patched["patchType"] == "JSONPatch"
        patch = json.loads(base64.b64decode(patched["patch"]))
        spec = jsonpatch.apply_patch(config["request"]["object"], patch)["spec"]
        assert spec["storage"]["managementState"] == "Unmanaged"
        assert spec["rolloutStrategy"] == "Recreate"

        assert (await client.get("/healthz")).text == "ok"
        metrics = (await client.get("/metrics")).text
        assert (
            'registry_admission_reviews_total{endpoint="validate",kind="ImageStreamMapping",'
            'reason="ImageTooLarge",verdict="denied"} 1.0'
        ) in metrics
        assert "registry_admission_reservations 1.0" in metrics
        assert "registry_admission_certificate_expiry_timestamp_seconds" in metrics

        code, log = await running.stop()

    assert code == 0
    records = [json.loads(line) for line in log.splitlines()]
    uid = payloads.load("push-too-large")["request"]["uid"]
    [record] = [record for record in records if record.get("uid") == uid]
    assert record["message"] == "denied"
    assert record["reasons"] == ["ImageTooLarge"]


async def test_the_printed_curl_works_as_pasted(tmp_path: Path) -> None:
    async with serve(tmp_path) as running:
        command = running.banner.partition("Try it, a push that is refused:\n")[2].replace(
            "\\\n", " "
        )
        curl, *arguments, url = shlex.split(command)
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        context = ssl.create_default_context(cafile=options.pop("--cacert"))
        name, _, value = options.pop("-H").partition(": ")
        file = Path(options.pop("--data").removeprefix("@"))
        body = await asyncio.to_thread(file.read_bytes)
        async with httpx.AsyncClient(verify=context, timeout=PATIENCE) as stranger:
            answer = await stranger.post(url, content=body, headers={name: value})

    assert (curl, options) == ("curl", {})
    refused = answer.json()["response"]
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert "(1.17Gi > 1Gi)" in refused["status"]["message"]


async def test_500_concurrent_pushes_against_a_limit_of_100_admit_exactly_100(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "quota.yaml").write_text(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: team-a}\n"
        "spec: {hard: {alauda.io/image-tags: 100}}\n"
    )
    async with serve(tmp_path, "--state", str(state), "--max-concurrent-reviews", "600") as running:
        answers = await asyncio.gather(
            *(review(running.client, "/validate", push(f"v{number}")) for number in range(500))
        )

    refusals = [answer["status"]["message"] for answer in answers if not answer["allowed"]]
    assert len(refusals) == 400
    assert all("used: alauda.io/image-tags=100, limited" in message for message in refusals)


@pytest.mark.parametrize(
    ("body", "headers", "code", "text"),
    [
        pytest.param(b"", ADMISSION, 400, "not JSON", id="empty"),
        pytest.param(b"{", ADMISSION, 400, "not JSON", id="cut short"),
        pytest.param(b"[]", ADMISSION, 400, "not a JSON object", id="a list"),
        pytest.param(b"[" * 900, ADMISSION, 400, "recursion limit", id="too deep"),
        pytest.param(b"\xff\xfe", ADMISSION, 400, "not JSON", id="not text"),
        pytest.param(b'{"a": NaN}', ADMISSION, 400, "not JSON", id="not a number"),
        pytest.param(b"{}", ADMISSION, 400, "apiVersion: Field required", id="no review"),
        pytest.param(
            json.dumps({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}),
            ADMISSION, 400, "apiVersion: Input should be 'admission.k8s.io/v1'", id="old version",
        ),
        pytest.param(
            json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}),
            ADMISSION, 400, "request: Field required", id="no request",
        ),
        pytest.param(b"x" * 2000, ADMISSION, 413, "larger than 1000 bytes", id="too large"),
        pytest.param(b"a=b", {"Content-Type": "text/plain"}, 415, "must be", id="not JSON at all"),
        pytest.param(
            gzip.compress(b"{}"), {**ADMISSION, "Content-Encoding": "gzip"},
            415, "not encoded as 'gzip'", id="compressed",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
async def test_bad_requests_get_a_status_that_says_why(
    small: httpx.AsyncClient, path: str, body: bytes, headers: dict[str, str], code: int, text: str
) -> None:
    answer = await small.post(path, content=body, headers=headers)

    status = answer.json()
    assert answer.status_code == status["code"] == code
    assert status["kind"] == "Status"
    assert text in status["message"]
    assert "Traceback" not in answer.text


async def test_a_head_without_end_is_not_read(small: httpx.AsyncClient) -> None:
    answer = await small.get("/healthz", headers={"X-Long": "x" * 100_000})

    assert answer.status_code == 400


async def test_a_chunked_body_is_bounded_as_well(small: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(50):
            yield b" " * 100

    answer = await small.post("/validate", content=chunks(), headers=ADMISSION)

    assert answer.status_code == 413


@pytest.mark.parametrize(("path", "code"), [("/nothing", 404), ("/validate", 405)])
async def test_other_paths_and_methods_get_a_status_too(
    small: httpx.AsyncClient, path: str, code: int
) -> None:
    answer = await small.get(path)

    assert (answer.status_code, answer.json()["code"]) == (code, code)


async def test_an_object_of_a_wrong_shape_is_a_refusal_that_names_the_field(
    small: httpx.AsyncClient,
) -> None:
    body = push("v1")
    body["request"]["object"]["image"] = {"dockerImageLayers": "none"}

    response = await review(small, "/validate", body)

    assert response["status"]["code"] == 422
    assert "image.dockerImageLayers: Input should be a valid list" in response["status"]["message"]


async def test_unlimited_kinds_pass_without_an_object(
    small: httpx.AsyncClient,
) -> None:
    body = push("v1")
    body["request"] |= {"kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": None}

    response = await review(small, "/validate", body)

    assert response["auditAnnotations"] == {"skipped": "kind Pod is not limited"}


async def test_a_limited_kind_without_an_object_is_refused(small: httpx.AsyncClient) -> None:
    body = push("v1")
    body["request"]["object"] = None

    response = await review(small, "/validate", body)

    assert response["status"]["message"].endswith(
        "is invalid: object: missing from the request; correct what is named and send it again"
    )


async def test_reviews_in_flight_finish_while_the_listener_drains(tmp_path: Path) -> None:
    async with serve(tmp_path, "--shutdown-delay", "8") as running:
        stopping = asyncio.create_task(running.stop())
        while "shutting down" not in (readiness := await running.client.get("/readyz")).text:
            await asyncio.sleep(0.01)
        answer = await review(running.client, "/validate", payloads.load("push-allowed"))
        code, _ = await stopping

    assert readiness.status_code == 503
    assert "shutting down" in readiness.json()["reasons"]
    assert answer["allowed"] is True
    assert code == 0


def push(tag: str) -> dict[str, Any]:
    """The smallest review of a push."""
    digest = "sha256:" + "a" * 64
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"uid-{tag}",
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": "ImageStreamMapping"},
            "operation": "CREATE",
            "name": "app",
            "namespace": "team-a",
            "object": {
                "metadata": {"name": "app"},
                "tag": tag,
                "image": {"metadata": {"name": digest}, "dockerImageMetadata": {"Size": 5}},
            },
        },
    }

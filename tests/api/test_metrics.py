"""`/metrics` has the metrics of the reference."""

import asyncio
import re
import sys
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import OF_GATEWAY, OF_REVIEWS, OF_SERVICE
from app.config import examples
from app.controllers.metrics import (
    OF_CONTROLLERS,
    ControllerMetrics,
    ControllersCollector,
    Progress,
)
from app.model.metric import Metric
from app.version import VERSION
from tests.api.service import serve

_START = 120
"""Seconds; a busy machine takes long to start a process."""
_JSON = {"Content-Type": "application/json"}
_ANNOUNCED = re.compile(r"listens on (http://\S+)")
_READY = "registry_admission_ready 1.0"
"""A service that got too little CPU is not ready for seconds."""
_PATIENT = httpx.AsyncHTTPTransport(retries=6)
"""The server prints its address a moment before it listens."""


def scraped(text: str) -> set[tuple[str, str, str]]:
    """Name, type and help of every family, without the `_created` times of counters."""
    families = text_string_to_metric_families(text)
    return {
        (family.name, family.type, family.documentation)
        for family in families
        if not family.name.endswith("_created")
    }


def labels(text: str, metric: Metric) -> set[str]:
    return {
        label
        for family in text_string_to_metric_families(text)
        if family.name == metric.family
        for sample in family.samples
        for label in sample.labels
        if label != "le"
    }


def described(metrics: tuple[Metric, ...]) -> set[tuple[str, str, str]]:
    return {(metric.family, metric.type, metric.help) for metric in metrics}


async def test_the_service_has_the_metrics_of_the_reference(tmp_path: Path) -> None:
    async with serve(tmp_path, "--usage-metrics", "10") as running:
        review = examples.payload("push-too-large.json").read_bytes()
        await running.client.post("/validate", content=review, headers=_JSON)
        await running.client.post("/validate", content=b"{", headers=_JSON)
        async with asyncio.timeout(_START):
            while _READY not in (text := (await running.client.get("/metrics")).text):
                await asyncio.sleep(0.05)
        version = (await running.client.get("/version")).json()

    assert version == {"version": VERSION}
    assert f'registry_admission_build_info{{version="{VERSION}"}} 1.0' in text
    assert scraped(text) == described(OF_SERVICE)
    texts = [text]
    for flags in (("--default-mode", "warn"), ("--exempt-namespaces", "team-a")):
        async with serve(tmp_path, *flags) as running:
            await running.client.post("/validate", content=review, headers=_JSON)
            texts.append((await running.client.get("/metrics")).text)
    for metric in OF_REVIEWS:
        assert set().union(*(labels(one, metric) for one in texts)) == set(metric.labels)


def test_the_controllers_have_the_metrics_of_the_reference() -> None:
    one = ControllerMetrics("pull-secrets", progress=lambda: Progress(earliest_expiry=1.0))
    one.results["created"] += 1
    registry = CollectorRegistry()
    registry.register(ControllersCollector([one]))
    text = generate_latest(registry).decode()

    assert scraped(text) == described(OF_CONTROLLERS)
    for metric in OF_CONTROLLERS:
        assert labels(text, metric) == set(metric.labels)


async def test_the_gateway_has_the_metrics_of_the_reference(tmp_path: Path) -> None:
    """The gateway's registry does not answer, so `/readyz` is not ok."""
    (tmp_path / "limits").mkdir()
    with (tmp_path / "gateway.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", "gateway", "--port", "0",
            "--upstream", "http://127.0.0.1:9", "--state", str(tmp_path / "limits"),
            "--database", str(tmp_path / "gateway.db"),
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _START)
        found = _ANNOUNCED.search(line.decode())
        assert found is not None
        async with httpx.AsyncClient(timeout=_START, transport=_PATIENT) as client:
            text = (await client.get(f"{found[1]}/metrics")).text
    finally:
        process.kill()
        await process.wait()

    assert scraped(text) == described(OF_GATEWAY)
    assert "registry_admission_ready 0.0" in text

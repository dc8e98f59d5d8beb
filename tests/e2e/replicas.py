"""Replicas of the service as processes beside the API server, registered as its webhooks.

They have the rights of the installed service account. The webhooks are the installed ones with
another address, because Services have no network here.
"""

import base64
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from app.certs import files
from app.install import installing
from app.install.kustomization import Manifest
from app.model.domain import ApiDomain
from tests.patience import PATIENCE

from . import probes
from .balancer import Balancer
from .cluster import IMAGE_API, Cluster
from .domain import DOMAIN

NAMESPACE = "registry-admission"
_ANNOUNCED = re.compile(r"registry-admission listens on https://[^:]+:(\d+)")
_RIGHTS = (
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
)
_WEBHOOKS = {
    "ValidatingWebhookConfiguration": "validate",
    "MutatingWebhookConfiguration": "mutate",
}


def service_kubeconfig(cluster: Cluster, path: Path, domain: str = DOMAIN) -> Path:
    """Grants the same rights as `install`, and writes a kubeconfig for the service's account."""
    # Some of the rights are Roles in the namespaces of the registry and of its CA bundle.
    names = ApiDomain(domain)
    for namespace in filter(None, (names.registry_namespace, names.config_namespace)):
        cluster.kubectl("create", "namespace", namespace, check=False)
    rights = [manifest for manifest in _manifests(domain) if manifest["kind"] in _RIGHTS]
    text = yaml.safe_dump_all(rights)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
    return cluster.account_kubeconfig(path, NAMESPACE, "registry-admission")


def _manifests(domain: str) -> list[Manifest]:
    return installing.manifests(
        namespace=NAMESPACE, image="registry-admission", replicas=3, api_domain=domain
    )


class Replica:
    """One replica, as a process."""

    def __init__(self, kubeconfig: Path, folder: Path, index: int, flags: tuple[str, ...]) -> None:
        self._log = folder / f"replica-{index}.log"
        arguments = [
            sys.executable, "-m", "app", "serve", "--port", "0",
            "--kubeconfig", str(kubeconfig), "--service-namespace", NAMESPACE, *flags,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "POD_NAME": f"replica-{index}"},
            )
        self.port = self._read_port()
        self.url = f"https://127.0.0.1:{self.port}"
        alone = httpx.Limits(max_keepalive_connections=0)  # a test may kill the process
        self._client = httpx.Client(
            base_url=self.url, verify=self.context(), limits=alone, timeout=PATIENCE
        )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        reasons: Any = "no answer"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = self._client.get("/readyz")
                reasons = answer.json()["reasons"]
                if answer.status_code == 200:
                    return
            except httpx.TransportError as error:
                reasons = error
            time.sleep(0.1)
        raise AssertionError(f"not ready: {reasons}\n{self._log.read_text()[-3000:]}")

    def reasons(self) -> list[str]:
        """Why the replica is not ready, or cannot decide some requests."""
        answer = self._client.get("/readyz").json()
        return [*answer["reasons"], *answer["warnings"]]

    def metrics(self) -> str:
        return self._client.get("/metrics").text

    def review(self, request: dict[str, Any]) -> dict[str, Any]:
        """The replica's answer to an AdmissionReview that the test sends."""
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        answer = self._client.post("/validate", json={**review, "request": request})
        response: dict[str, Any] = answer.json()["response"]
        return response

    def stranger(self) -> int:
        """The HTTP code of a review from a client without a certificate."""
        return self._client.post("/validate", json={}).status_code

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _read_port(self) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = _ANNOUNCED.search(line.decode())
            if found:
                return int(found[1])
        raise AssertionError(self._log.read_text()[-3000:])

    @staticmethod
    def context() -> ssl.SSLContext:
        """Probes do not check certificates, as the kubelet does not."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class Replicas(AbstractContextManager["Replicas"]):
    """Several replicas behind one address, registered as webhooks of the API server."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        count: int = 1,
        *flags: str,
        domain: str = DOMAIN,
        excluded: Sequence[str] = (),
        shared_certificates: bool = False,
        server: str | None = None,
        front: Callable[[Sequence[int]], int] | None = None,
    ) -> None:
        """With shared certificates the replicas make them and have the webhooks trust them.

        `server` is the address that the replicas use for the API server. `front` takes the ports
        of the replicas and gives the port that the API server calls: for measurements, it takes
        the place of the balancers with which tests cut connections.
        """
        self._cluster = cluster
        self._domain = domain
        self._excluded = excluded
        self._authority = b""
        self._name = "e2e"
        certificates = ["--certificates", "secret"]
        if shared_certificates:
            self._name = "registry-admission"
        else:
            files.make(folder / "tls", ["localhost", "127.0.0.1"])
            self._authority = (folder / "tls" / files.AUTHORITY).read_bytes()
            certificates = ["--tls-dir", str(folder / "tls")]
        self.folder = folder
        self._flags = (*certificates, *flags, "--api-domain", domain)
        kubeconfig = service_kubeconfig(cluster, folder / "kubeconfig", domain)
        self.way = Balancer(lambda: [urlsplit(cluster.url).port or 0])
        """The proxy between the replicas and the API server."""
        server = server or (cluster.url if front else f"https://127.0.0.1:{self.way.port}")
        kubeconfig.write_text(kubeconfig.read_text().replace(cluster.url, server))
        self._kubeconfig = kubeconfig
        self.running: list[Replica] = []
        self.unready: set[int] = set()
        """The ports that get no new connections."""
        self._balancer = Balancer(self._ports)
        try:
            for index in range(count):
                self.running.append(Replica(kubeconfig, folder, index, self._flags))
        except BaseException:
            self.stop()
            raise
        self._port = front(self._ports()) if front else self._balancer.port

    def __enter__(self) -> "Replicas":
        try:
            self.register()
            for replica in self.running:
                replica.wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for which in ("validating", "mutating"):
            self._cluster.kubectl(
                "delete", f"{which}webhookconfiguration", self._name, "--ignore-not-found"
            )
        self.stop()

    def cut(self) -> None:
        """End every connection of the API server to the replicas."""
        self._balancer.cut()

    def stop(self) -> None:
        """End every process."""
        for replica in self.running:
            replica.stop()
        self._balancer.stop()
        self.way.stop()

    def wait_until_limited(self, namespace: str, most: int = 999) -> None:
        """Wait until every replica refuses more than this number of tags and images.

        This shows that it has seen the limits of the namespace, if those before were higher.
        """
        request = probes.claim(namespace, most + 1, self._domain)
        deadline = time.monotonic() + PATIENCE
        for replica in self.running:
            while (answer := replica.review(request)).get("status", {}).get("code") != 403:
                assert time.monotonic() < deadline, answer
                time.sleep(0.1)

    def start(self, index: int) -> Replica:
        """Start a new process in place of an ended one, and wait until it is ready."""
        replica = Replica(self._kubeconfig, self.folder, index, self._flags)
        try:
            replica.wait_until_ready()
        except BaseException:
            replica.kill()
            raise
        self.running[index] = replica
        return replica

    def _ports(self) -> list[int]:
        return [one.port for one in self.running if one.port not in self.unready]

    def register(self) -> None:
        """Register the webhooks, and wait until the API server calls them."""
        documents = [
            self._configuration(manifest)
            for manifest in _manifests(self._domain)
            if manifest["kind"] in _WEBHOOKS
        ]
        probes.apply_webhooks(self._cluster, documents)

    def _configuration(self, manifest: Manifest) -> Manifest:
        """The installed webhooks with another address."""
        path = _WEBHOOKS[manifest["kind"]]
        for webhook in manifest["webhooks"]:
            webhook["clientConfig"] = {
                "url": f"https://127.0.0.1:{self._port}/{path}",
                "caBundle": base64.b64encode(self._authority).decode(),
            }
            # No webhook reviews the writes of the Image API.
            expression = f"request.userInfo.username != '{IMAGE_API}'"
            webhook.setdefault("matchConditions", []).append(
                {"name": "not-the-storage", "expression": expression}
            )
            [system] = webhook["namespaceSelector"]["matchExpressions"]
            if system["operator"] == "NotIn":
                system["values"] = [*system["values"], *self._excluded]
        return {**manifest, "metadata": {"name": self._name}}

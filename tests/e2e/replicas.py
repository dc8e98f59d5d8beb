"""Replicas of the service as processes beside the API server, registered as its webhook."""

import base64
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml

from app.certs import files

from .balancer import Balancer
from .cluster import Cluster

NAMESPACE = "registry-admission"
_ANNOUNCED = re.compile(r"registry-admission listens on https://[^:]+:(\d+)")
_RULES = {
    "image.{domain}": ["imagestreams", "imagestreams/status", "imagestreammappings",
                       "imagestreamtags", "imagetags", "imagestreamimports", "images"],
    "imageregistry.operator.{domain}": ["configs", "imagepruners"],
    "": ["limitranges", "resourcequotas", "configmaps"],
}  # fmt: skip


class Replica:
    """One process."""

    def __init__(self, cluster: Cluster, folder: Path, index: int, flags: tuple[str, ...]) -> None:
        self._log = folder / f"replica-{index}.log"
        arguments = [
            sys.executable, "-m", "app", "serve", "--port", "0",
            "--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE, *flags,
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

    def wait_until_ready(self, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        reasons: Any = "no answer"
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self.url}/readyz", verify=self._context())
                reasons = answer.json()["reasons"]
                if answer.status_code == 200:
                    return
            except httpx.TransportError as error:
                reasons = error
            time.sleep(0.1)
        raise AssertionError(f"not ready: {reasons}\n{self._log.read_text()[-3000:]}")

    def reasons(self) -> list[str]:
        """Why it is not ready."""
        answer = httpx.get(f"{self.url}/readyz", verify=self._context())
        reasons: list[str] = answer.json()["reasons"]
        return reasons

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
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
    def _context() -> ssl.SSLContext:
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
        domain: str = "alauda.io",
        excluded: Sequence[str] = (),
        shared_certificates: bool = False,
    ) -> None:
        """With shared certificates the replicas make them and have the webhooks trust them."""
        self._cluster = cluster
        self._domain = domain
        self._excluded = [NAMESPACE, "kube-system", *excluded]
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
        cluster.kubectl("create", "namespace", NAMESPACE, check=False)
        self.running = [Replica(cluster, folder, index, self._flags) for index in range(count)]
        self._balancer = Balancer(self._ports)

    def __enter__(self) -> "Replicas":
        try:
            self._register()
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

    def stop(self) -> None:
        """End every process."""
        for replica in self.running:
            replica.stop()
        self._balancer.stop()

    def start(self, index: int) -> Replica:
        """A new process in the place of one that has ended; ready when this returns."""
        replica = Replica(self._cluster, self.folder, index, self._flags)
        replica.wait_until_ready()
        self.running[index] = replica
        return replica

    def _ports(self) -> list[int]:
        return [replica.port for replica in self.running]

    def _register(self) -> None:
        documents = [
            self._configuration("ValidatingWebhookConfiguration", "validate"),
            self._configuration("MutatingWebhookConfiguration", "mutate"),
        ]
        self._cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(documents))

    def _webhook(self, path: str) -> dict[str, Any]:
        return {
            "name": f"{path}.registry-admission.example.com",
            "clientConfig": {
                "url": f"https://127.0.0.1:{self._balancer.port}/{path}",
                "caBundle": base64.b64encode(self._authority).decode(),
            },
            "rules": [
                {
                    "apiGroups": [group.format(domain=self._domain)],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": resources,
                    "scope": "*",
                }
                for group, resources in _RULES.items()
            ],
            "namespaceSelector": {
                "matchExpressions": [
                    {
                        "key": "kubernetes.io/metadata.name",
                        "operator": "NotIn",
                        "values": self._excluded,
                    }
                ]
            },
            "admissionReviewVersions": ["v1"],
            "sideEffects": "NoneOnDryRun",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
        }

    def _configuration(self, kind: str, path: str) -> dict[str, Any]:
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self._name},
            "webhooks": [self._webhook(path)],
        }

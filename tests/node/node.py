"""A Kubernetes node: containerd, kubelet, kube-proxy, scheduler and a firewall for NetworkPolicies.

Everything runs in the Linux namespaces that `tools/inside` makes, together with the tests. One
address, `172.30.0.1`, stands for the machine, its API server and its only node.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import Cluster, build_tools

HERE = Path(__file__).parent
NAME = "node-1"
ADDRESS = "172.30.0.1"
PODS = "10.244.0.0/16"
IMAGE = "localhost/registry-admission:test"
CLIENT_IMAGE = "localhost/busybox:test"
PATIENCE = 240.0
"""The longest wait in seconds, which is enough for a busy machine."""


class Node(Cluster):
    """A cluster that has a node, on which Pods run."""

    def __init__(self, directory: Path) -> None:
        super().__init__(build_tools(), directory, address=ADDRESS, port=6443)
        self._node_tools = Path(os.environ["NODE_TOOLS"])

    def start(self) -> None:
        """Start the node, and wait until it takes Pods."""
        super().start()
        try:
            self.start_controller_manager(
                "*", flags=["--allocate-node-cidrs", f"--cluster-cidr={PODS}"]
            )
            self.start_scheduler()
            self._start_proxy()
            Path("/run/cni/pods.conflist").write_text(_config("pods.conflist").read_text())
            self.start_containerd()
            for image in ("busybox", "service-test"):
                self.import_image(self._node_tools / f"{image}.tar")
            self.start_kubelet()
            self._wait_until_ready()
            self._start_firewall()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every process and every container."""
        for name in ("kubelet", "containerd"):
            if name in self._processes:
                self.end(name)
        super().stop()

    def end(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        """Ends one of the node's programs. Pods go on."""
        process = self._processes.pop(name)
        process.send_signal(by)
        process.wait()

    def start_containerd(self) -> None:
        self._spawn(
            "containerd", f"--config={_config('containerd.toml')}",
            program=Path("/usr/bin/containerd"),
        )  # fmt: skip
        self._until("containerd answers", "ctr", "version")

    def start_kubelet(self) -> None:
        self._spawn(
            "kubelet",
            f"--config={_config('kubelet.yaml')}",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--node-ip={ADDRESS}",
            f"--cgroup-root={os.environ['NODE_CGROUP']}",
            "--root-dir=/var/lib/kubelet",
            "--cert-dir=/var/lib/kubelet/pki",
        )

    def import_image(self, archive: Path) -> None:
        command = ["ctr", "--namespace=k8s.io", "images", "import", str(archive)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def wait(self, *arguments: str) -> None:
        """`kubectl wait`."""
        self.kubectl("wait", f"--timeout={PATIENCE:g}s", *arguments, timeout=PATIENCE + 10)

    def kubectl(
        self,
        *args: str,
        input: str | None = None,
        check: bool = True,
        timeout: float = PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        return super().kubectl(*args, input=input, check=check, timeout=timeout)

    def delete(self, *what: str, options: Sequence[str] = ("--ignore-not-found",)) -> None:
        """Wait until an object is gone. The watch of `kubectl delete` may miss the deletion."""
        self.kubectl("delete", "--wait=false", *options, *what)
        deadline = time.monotonic() + PATIENCE
        while left := self.kubectl("get", "--ignore-not-found", "--output=name", *what).stdout:
            assert time.monotonic() < deadline, left
            time.sleep(0.3)

    def end_pods(self, namespace: str) -> None:
        """Delete the Pods of a namespace at once. A deleted namespace would wait for their end.

        The objects that make Pods are deleted first, so that no new Pods are made.
        """
        there = f"--namespace={namespace}"
        self.delete("deployments,cronjobs", there, options=("--all",))
        self.delete("replicasets,jobs", there, options=("--all",))
        self.delete("pods", there, options=("--all", "--grace-period=1"))

    def create_namespace(self, name: str) -> str:
        """A namespace, and the option of kubectl that names it."""
        self.kubectl("create", "namespace", name)
        return f"--namespace={name}"

    def remove_namespace(self, name: str) -> None:
        """Delete a namespace, and wait until it is gone."""
        self.end_pods(name)
        self.delete("namespace", name)

    @contextmanager
    def cert_manager(self) -> Iterator[None]:
        """While cert-manager runs, Certificates are issued and webhooks get their CA."""
        crds = str(self._node_tools / "cert-manager-crds.yaml")
        self.kubectl("apply", "--server-side", "--filename", crds)
        self.wait_for_custom_resources()
        self.kubectl("create", "namespace", "cert-manager")
        program = self._node_tools / "cert-manager"
        self._spawn("cert-manager", str(self.kubeconfig), program=program)
        try:
            yield
        finally:
            self.end("cert-manager", signal.SIGKILL)
            self.delete("namespace", "cert-manager")
            self.delete("--filename", crds)

    def processes(self, pod_uid: str) -> list[int]:
        """The processes in a Pod's containers, without its sandbox."""
        return [
            pid
            for pid, groups, command in _processes()
            if pod_uid in groups and "registry-admission" in command
        ]

    def pod_processes(self) -> list[int]:
        """The processes of all containers, and their shims."""
        of_pods = os.environ["NODE_CGROUP"]
        return [
            pid
            for pid, groups, command in _processes()
            if of_pods in groups or "containerd-shim" in command
        ]

    def _start_proxy(self) -> None:
        self._spawn(
            "kube-proxy",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=iptables",
            # These are settings of the machine, which this network must not change.
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        )

    def _start_firewall(self) -> None:
        self._spawn(
            "kube-router",
            "--run-firewall",
            "--run-router=false",
            "--run-service-proxy=false",
            "--run-loadbalancer=false",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={NAME}",
            "--service-cluster-ip-range=10.0.0.0/24",
            program=self._node_tools / "kube-router",
        )

    def _wait_until_ready(self) -> None:
        kubectl = (str(self.tools / "kubectl"), f"--kubeconfig={self.kubeconfig}")
        self._until("the node exists", *kubectl, "get", "node", NAME)
        self.wait("--for=condition=Ready", f"node/{NAME}")

    def _until(self, what: str, *command: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not so in time: {what}: {done.stderr}\n{self._log_tails()}")
            time.sleep(0.2)

    def _log_tails(self) -> str:
        tails = (self._log(name).read_text(errors="replace")[-1500:] for name in self._processes)
        return "\n".join(tails)


def _processes() -> Iterator[tuple[int, str, str]]:
    """The number, the cgroups and the command of each process."""
    for folder in sorted(Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            texts = (folder / "cgroup").read_text(), (folder / "cmdline").read_text()
            yield int(folder.name), *texts


def _config(name: str) -> Path:
    return HERE / "config" / name

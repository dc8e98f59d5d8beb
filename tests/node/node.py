"""A Kubernetes node: containerd, kubelet, kube-proxy, scheduler and a firewall for NetworkPolicies.

Everything runs in the namespaces that `tools/inside` makes, next to the tests themselves: one
address, `172.30.0.1`, is the machine, its API server and its only node.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import Cluster, build_tools

HERE = Path(__file__).parent
NAME = "node-1"
ADDRESS = "172.30.0.1"
PODS = "10.244.0.0/16"
IMAGE = "localhost/registry-admission:test"
CLIENT_IMAGE = "localhost/busybox:test"
_READY_TIMEOUT = 120.0


class Node(Cluster):
    """A cluster that has a node, on which Pods run."""

    def __init__(self, directory: Path) -> None:
        super().__init__(build_tools(), directory, address=ADDRESS, port=6443)
        self._node_tools = Path(os.environ["NODE_TOOLS"])

    def start(self) -> None:
        """Returns when the node takes Pods."""
        super().start()
        try:
            self.start_controller_manager(
                "*", flags=["--allocate-node-cidrs", f"--cluster-cidr={PODS}"]
            )
            self.start_scheduler()
            self._start_proxy()
            Path("/run/cni/pods.conflist").write_text(_config("pods.conflist").read_text())
            self.start_containerd()
            for image in ("busybox", "service"):
                self._import(self._node_tools / f"{image}.tar")
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
        """Ends one of the node's programs; Pods go on."""
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

    @contextmanager
    def cert_manager(self) -> Iterator[None]:
        """While it runs, Certificates are issued and webhooks get their CA."""
        crds = str(self._node_tools / "cert-manager-crds.yaml")
        self.kubectl("apply", "--server-side", "--filename", crds)
        self.kubectl("wait", "--for=condition=Established", "--filename", crds)
        self.kubectl("create", "namespace", "cert-manager")
        program = self._node_tools / "cert-manager"
        self._spawn("cert-manager", str(self.kubeconfig), program=program)
        try:
            yield
        finally:
            self.end("cert-manager", signal.SIGKILL)
            self.kubectl("delete", "namespace", "cert-manager", "--wait=false")
            self.kubectl("delete", "--filename", crds)

    def processes(self, pod_uid: str) -> list[int]:
        """The processes in a Pod's containers, without its sandbox."""
        groups = (
            (int(path.parent.name), path)
            for path in Path("/proc").glob("[0-9]*/cgroup")
            if path.exists()
        )
        found = []
        for pid, path in groups:
            try:
                inside = pod_uid in path.read_text()
                command = path.with_name("cmdline").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if inside and "registry-admission" in command:
                found.append(pid)
        return sorted(found)

    def _start_proxy(self) -> None:
        self._spawn(
            "kube-proxy",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=iptables",
            # The machine's own settings, which are not this network's to change.
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

    def _import(self, archive: Path) -> None:
        command = ["ctr", "--namespace=k8s.io", "images", "import", str(archive)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def _wait_until_ready(self) -> None:
        self._until("the node exists", *self._kubectl_command("get", "node", NAME))
        self.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{NAME}")

    def _kubectl_command(self, *arguments: str) -> list[str]:
        return [str(self.tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]

    def _until(self, what: str, *command: str) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not so in time: {what}: {done.stderr}\n{self._log_tails()}")
            time.sleep(0.2)

    def _log_tails(self) -> str:
        tails = (self._log(name).read_text(errors="replace")[-1500:] for name in self._processes)
        return "\n".join(tails)


def _config(name: str) -> Path:
    return HERE / "config" / name

"""A Kubernetes control plane without nodes, run as child processes of the tests.

The API server decides how admission webhooks, quotas and RBAC work, so the tests use a real one. No
Pod ever runs. All programs listen on one address and keep their files in one directory.
"""

import json
import secrets
import signal
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from app.certs import client, files
from tests.patience import PATIENCE
from tests.ports import free_port

from . import apiserver_files
from .domain import DOMAIN

HERE = Path(__file__).parent
STOP_TIMEOUT = 2.0
KUBECTL_TIMEOUT = 180.0
_ALONE = ("--leader-elect=false", "--secure-port=0")
AUDITED = "system:serviceaccount:registry-admission:registry-admission"
"""The user whose requests are in the audit log: the service itself."""
CLIENT_NAME = "kube-apiserver"
IMAGE_API = "image-api"
"""The user of the stand-in for the Image API; webhooks of `Replicas` do not see its requests."""
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)


def build_tools() -> Path:
    """The directory with the control plane's programs. Missing programs are built first."""
    build = HERE / "tools" / "build"
    built = subprocess.run([build], stdout=subprocess.PIPE, text=True, check=True)
    return Path(built.stdout.strip())


class Cluster:
    """etcd and kube-apiserver, and the controllers if a test starts them."""

    def __init__(
        self,
        tools: Path,
        directory: Path,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """The API server is reached at an address and a port, by default a free one, and has
        `flags` besides its own."""
        self.directory = directory
        self._flags = flags
        self._address = address
        self.token, self.image_api_token = secrets.token_hex(16), secrets.token_hex(16)
        self.kubeconfig = directory / "kubeconfig"
        self.ca_file = directory / "apiserver" / "apiserver.crt"
        self.audit_log = directory / "audit.log"
        self.client_ca = directory / apiserver_files.CLIENT / files.AUTHORITY
        self.tools = tools
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self._port = port or free_port()
        self.url = f"https://{address}:{self._port}"

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts etcd and the API server, and returns when requests can be made."""
        try:
            apiserver_files.write_service_account_key(self.directory)
            tokens = {"admin": self.token, IMAGE_API: self.image_api_token}
            rows = [f"{token},{name},{name},system:masters\n" for name, token in tokens.items()]
            (self.directory / "tokens.csv").write_text("".join(rows))
            apiserver_files.write_audit_policy(self.directory, AUDITED)
            apiserver_files.write_client_certificate(self.directory, CLIENT_NAME)
            self._start_etcd()
            self._start_apiserver()
            self.write_kubeconfig(self.kubeconfig, self.token)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kills every process: the stored data is not needed any more."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    def pid(self, name: str) -> int:
        """The process id of `kube-apiserver`, `etcd` or `kube-controller-manager`."""
        return self._processes[name].pid

    def start_controller_manager(self, *more: str, flags: Sequence[str] = ()) -> None:
        """Starts the controllers that a cluster without nodes needs, and those in `more`.

        A second call does nothing.
        """
        name = "kube-controller-manager"
        if name in self._processes:
            return
        self._spawn(
            name,
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join((*CONTROLLERS, *more))}",
            f"--service-account-private-key-file={self.directory / 'service-account.key'}",
            f"--root-ca-file={self.ca_file}",
            *_ALONE,
            *flags,
        )
        self._wait_for(name, "/api/v1/namespaces/default/serviceaccounts/default")

    def start_scheduler(self) -> None:
        """Starts the scheduler, which assigns Pods to nodes."""
        self._spawn("kube-scheduler", f"--kubeconfig={self.kubeconfig}", *_ALONE)

    def restart_apiserver(self) -> None:
        """Stops the API server in an orderly way and starts it again on the same port."""
        process = self._processes.pop("kube-apiserver")
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:  # open watches delay its end
            process.kill()
            process.wait()
        self._start_apiserver()
        self.wait_for_custom_resources()

    def kill(self, name: str) -> None:
        """Kills a process with SIGKILL."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def revive_etcd(self) -> None:
        """Starts etcd again, with what it stored before it was killed."""
        self._start_etcd()
        self._wait_for("kube-apiserver", "/readyz")
        self.wait_for_custom_resources()

    def revive_apiserver(self) -> None:
        """Starts the API server again after it was killed."""
        self._start_apiserver()
        self.wait_for_custom_resources()

    def pause_apiserver(self) -> None:
        """Freezes the API server: connections stay open, nothing is answered."""
        self._processes["kube-apiserver"].send_signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Lets a frozen API server go on."""
        self._processes["kube-apiserver"].send_signal(signal.SIGCONT)

    def kubectl(
        self,
        *args: str,
        input: str | None = None,
        check: bool = True,
        timeout: float = KUBECTL_TIMEOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the cluster's administrator; a failure is an error unless asked for."""
        result = subprocess.run(
            [self.tools / "kubectl", *args],
            input=input,
            env={"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.directory / "cache")},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and result.returncode:
            raise RuntimeError(f"kubectl {' '.join(args)}: {result.stderr}")
        return result

    def install_crds(self, domain: str = DOMAIN) -> None:
        """Creates the stand-ins for the registry's APIs and waits until they are served."""
        texts = [path.read_text() for path in sorted((HERE / "crds").glob("*.yaml"))]
        manifest = "---\n".join(texts).replace("alauda.io", domain)
        self.kubectl("apply", "--filename=-", input=manifest)
        self.wait_for_custom_resources()

    def wait_for_custom_resources(self) -> None:
        """Wait until every custom resource is served, from its watch cache.

        `kubectl wait` fails for a resource that is so new that it has no conditions.
        """
        crds = json.loads(self.kubectl("get", "crds", "--output=json").stdout)["items"]
        for spec in (crd["spec"] for crd in crds):
            path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
            self._wait_for("kube-apiserver", f"{path}?resourceVersion=0")

    def remove_crds(self, domain: str) -> None:
        """Deletes the stand-ins for the registry's APIs, with all objects of them."""
        names = self.kubectl("get", "crds", "--output=name").stdout.split()
        self.kubectl("delete", *(name for name in names if name.endswith(f".{domain}")))

    def account_kubeconfig(self, path: Path, namespace: str, account: str) -> Path:
        """Writes a kubeconfig for a service account."""
        token = self.kubectl(
            "create", "token", f"--namespace={namespace}", "--duration=8h", account
        ).stdout.strip()
        self.write_kubeconfig(path, token)
        return path

    def write_kubeconfig(self, path: Path, token: str) -> None:
        """Writes a kubeconfig for the owner of a token."""
        apiserver_files.write_kubeconfig(path, self.url, self.ca_file, token)

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._etcd_peer_port}"
        self._spawn(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def _start_apiserver(self) -> None:
        key = self.directory / "service-account.key"
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--cert-dir={self.ca_file.parent}",
            f"--bind-address={self._address}",
            f"--secure-port={self._port}",
            f"--advertise-address={self._address}",
            # A loopback address is no valid endpoint of the `kubernetes` service.
            f"--endpoint-reconciler-type={'none' if self._address.startswith('127.') else 'lease'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--service-account-issuer={self.url}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--admission-control-config-file={self.client_ca.parent / client.ADMISSION}",
            f"--audit-policy-file={self.directory / 'audit.yaml'}",
            f"--audit-log-path={self.audit_log}",
            *self._flags,
        )
        self._wait_for("kube-apiserver", "/readyz")
        # Created by a hook that /readyz does not wait for.
        self._wait_for("kube-apiserver", "/api/v1/namespaces/default")

    def _spawn(self, name: str, *args: str, program: Path | None = None) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [program or self.tools / name, *args], stdout=log, stderr=subprocess.STDOUT
            )

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _wait_for(self, name: str, path: str) -> None:
        """Waits until the API serves a path, which shows that the named process works."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers(path):
            dead = [key for key, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                culprit = dead[0] if dead else name
                tail = self._log(culprit).read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{culprit} does not serve {path}; the end of its log:\n{tail}")
            time.sleep(0.1)

    def _answers(self, path: str) -> bool:
        if not self.ca_file.exists():
            return False
        try:
            response = httpx.get(
                self.url + path,
                headers={"Authorization": f"Bearer {self.token}"},
                verify=ssl.create_default_context(cafile=self.ca_file),
                trust_env=False,
            )
        except (httpx.TransportError, ssl.SSLError):
            return False
        return response.is_success

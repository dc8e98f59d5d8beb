"""How this service is installed: the manifests of `install`, and the command that prints them."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace

from app.config.setting_types import CONTROLLERS
from app.doctor.snapshot import NotReadError, Snapshot
from app.doctor.workloads import SERVICE
from app.install import installing
from app.install.kustomization import Manifest
from app.model.domain import ApiDomain
from app.model.mode import MODES
from app.model.workloads import Container, Deployment


def with_manifests(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the manifests of `install`, with all controllers.

    The webhooks of controllers that the Deployment does not turn on are optional.
    """
    everything = _manifests(snapshot, CONTROLLERS)
    needed = _manifests(snapshot, _values(_container(snapshot), "controllers", CONTROLLERS))
    return replace(
        snapshot,
        installation=tuple(everything),
        optional_webhooks=frozenset(_webhooks(everything)) - frozenset(_webhooks(needed)),
    )


def install_command(snapshot: Snapshot) -> str:
    """The command that shows what `install` would change, with the options of the installation."""
    try:
        snapshot.find(Deployment, SERVICE, snapshot.service_namespace)
        note = "then kubectl apply"
    except NotReadError:
        note = "add your other options; then kubectl apply"
    options = " ".join(_options(snapshot))
    return f"registry-admission install {options}{place(snapshot)} | kubectl diff -f -   # {note}"


def place(snapshot: Snapshot) -> str:
    """The options that name the service's and the registry's namespace and the API domain.

    Each follows a space. Options with the default value are left out.
    """
    options = {
        "service-namespace": (snapshot.service_namespace, SERVICE),
        "registry-namespace": (snapshot.registry_namespace, snapshot.domain.registry_namespace),
        "api-domain": (snapshot.domain.name, ApiDomain().name),
    }
    return "".join(
        f" --{name} {value}" for name, (value, default) in options.items() if value != default
    )


def _manifests(snapshot: Snapshot, controllers: Iterable[str]) -> list[Manifest]:
    return installing.manifests(
        namespace=snapshot.service_namespace,
        image=installing.NAME,
        replicas=1,
        api_domain=snapshot.domain.name,
        registry_namespace=snapshot.registry_namespace,
        controllers=controllers,
    )


def _webhooks(manifests: Iterable[Manifest]) -> Iterator[str]:
    for manifest in manifests:
        if manifest["kind"] in installing.WEBHOOKS:
            yield from (webhook["name"] for webhook in manifest["webhooks"])


def _deployment(snapshot: Snapshot) -> Deployment | None:
    known = snapshot.known(Deployment, snapshot.service_namespace)
    return next((one for one in known if one.metadata.name == SERVICE), None)


def _container(snapshot: Snapshot) -> Container:
    """The service's container; an empty one if it is not known."""
    deployment = _deployment(snapshot)
    containers = deployment.spec.template.spec.containers if deployment else []
    return next((one for one in containers if one.name == SERVICE), Container())


def _options(snapshot: Snapshot) -> Iterator[str]:
    """The options of `install` that the Deployment shows."""
    deployment, container = _deployment(snapshot), _container(snapshot)
    yield f"--image {shlex.quote(container.image) if container.image else '<image>'}"
    if deployment and deployment.spec.replicas > 0:
        yield f"--replicas {deployment.spec.replicas}"
    if controllers := _values(container, "controllers", CONTROLLERS):
        yield f"--controllers {','.join(controllers)}"
    for mode in _values(container, "default-mode", MODES)[-1:]:
        yield f"--mode {mode}"
    if any(variable.name == "REGISTRY_ADMISSION_TLS_DIR" for variable in container.env):
        yield "--tls-dir <folder>"


def _values(container: Container, setting: str, known: Iterable[str]) -> list[str]:
    """The known values that flags of a container give a setting, else those of its variable."""
    flag, variable = f"--{setting}=", f"REGISTRY_ADMISSION_{setting.replace('-', '_').upper()}"
    flags = [text.removeprefix(flag) for text in container.args if text.startswith(flag)]
    given = flags or [one.value for one in container.env if one.name == variable]
    words = {word.strip() for text in given for word in text.split(",")}
    return [word for word in known if word in words]

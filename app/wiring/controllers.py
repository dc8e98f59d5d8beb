"""Builds the controllers that the settings name."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.cluster.api import KubeApi
from app.config.settings import Settings
from app.controllers import namespace_limits
from app.controllers.config import ConfigStatus, ConfigWatch
from app.controllers.metrics import ControllerMetrics, ControllersCollector
from app.controllers.namespace_limits import NamespaceLimits
from app.controllers.pull_secrets import controller as pull_secrets
from app.controllers.pull_secrets.controller import Options, PullSecretController
from app.controllers.pull_secrets.decision import Policy
from app.controllers.pull_secrets.hook import PullSecretHook
from app.controllers.s3_credentials import controller as s3_credentials
from app.controllers.s3_credentials.controller import S3CredentialController

logger = logging.getLogger("registry_admission.controllers")

Work = Callable[[], Coroutine[Any, Any, None]]
_RESTART = 5.0
"""Seconds."""


@dataclass(frozen=True)
class Controllers:
    everywhere: Sequence[Work]
    """Jobs of every replica: the hook reads Config/cluster."""
    leading: Sequence[Work]
    """Jobs of the leading replica. Each starts from the stored objects."""
    hook: PullSecretHook | None
    collector: ControllersCollector


def assemble(api: KubeApi, settings: Settings, identity: str) -> Controllers | None:
    """The controllers; None if the settings name none."""
    if not settings.controllers:
        return None
    domain, silence = settings.domain, settings.watch_silence
    watch = ConfigWatch(api, domain, silence)
    status = ConfigStatus(api, domain, identity)
    metrics: dict[str, ControllerMetrics] = {
        name: ControllerMetrics(name) for name in settings.controllers
    }
    leading: list[Work] = []
    hook = None
    if pull_secrets.CONTROLLER in metrics:
        options = Options(
            policy=Policy(settings.pull_secret_life, settings.pull_secret_refresh),
            rate=settings.controller_rate,
            silence=silence,
            internal_hosts=settings.internal_hosts,
            system_namespaces=[
                *settings.system_namespaces,
                settings.namespace,
                settings.registry_namespace,
            ],
            rivals=settings.rival_managers,
        )
        hook = PullSecretHook(watch, options)

        async def manage_pull_secrets() -> None:
            told = metrics[pull_secrets.CONTROLLER]
            await PullSecretController(api, domain, watch, status, options, told).run()

        leading.append(partial(_retry_forever, manage_pull_secrets))
    if s3_credentials.CONTROLLER in metrics:

        async def merge_credentials() -> None:
            controller = S3CredentialController(
                api,
                domain,
                watch,
                status,
                metrics[s3_credentials.CONTROLLER],
                namespace=settings.registry_namespace,
                silence=silence,
            )
            await controller.run()

        leading.append(partial(_retry_forever, merge_credentials))
    if namespace_limits.CONTROLLER in metrics:

        async def limit_namespaces() -> None:
            controller = NamespaceLimits(
                api,
                domain,
                metrics[namespace_limits.CONTROLLER],
                namespace=settings.namespace,
                selector=settings.limits_selector,
                protected=[*settings.system_namespaces, settings.registry_namespace, "default"],
                silence=silence,
            )
            await controller.run()

        leading.append(partial(_retry_forever, limit_namespaces))
    needs_config = metrics.keys() - {namespace_limits.CONTROLLER}
    everywhere = [watch.informer.run] if needs_config else []
    return Controllers(everywhere, leading, hook, ControllersCollector(list(metrics.values())))


async def _retry_forever(work: Work) -> None:
    """Restart a controller that fails: the leader's other jobs must go on."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("controller failed, it starts again")
        await asyncio.sleep(_RESTART)

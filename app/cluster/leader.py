"""Leader election, for work that only one replica does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.cluster.api import ApiError, KubeApi

logger = logging.getLogger("registry_admission.leader")

_LEASE = "registry-admission"
_LEASE_SECONDS = 15
_RENEW_SECONDS = 10
_RETRY_SECONDS = 2


async def lead(
    api: KubeApi, namespace: str, identity: str, work: Callable[[], Awaitable[None]]
) -> None:
    """Run `work` whenever this replica holds the Lease. Never returns."""
    from kubernetes_asyncio.leaderelection.electionconfig import Config
    from kubernetes_asyncio.leaderelection.leaderelection import LeaderElection
    from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock

    while True:
        leading: set[asyncio.Task[None]] = set()

        async def started(leading: set[asyncio.Task[None]] = leading) -> None:
            task = asyncio.current_task()
            if task is not None:
                leading.add(task)
            logger.info("leading", extra={"identity": identity})
            while True:
                # Nobody awaits this task: an exception would go unnoticed, and the Lease would be
                # kept.
                try:
                    await work()
                except Exception:
                    logger.exception("the leader's work failed and is started again")
                await asyncio.sleep(_RETRY_SECONDS)

        async def stopped() -> None:
            logger.info("no longer leading", extra={"identity": identity})

        lock = LeaseLock(_LEASE, namespace, identity, api.client)
        election = Config(lock, _LEASE_SECONDS, _RENEW_SECONDS, _RETRY_SECONDS, started, stopped)
        try:
            await LeaderElection(election).run()
        except Exception as error:
            # The library passes connection errors on and leaves the work running.
            logger.warning("leader election failed", extra={"problem": repr(error)})
        finally:
            for task in leading:
                task.cancel()
            if leading:
                await asyncio.shield(_release(api, namespace, identity))
        await asyncio.sleep(_RETRY_SECONDS)


async def _release(api: KubeApi, namespace: str, identity: str) -> None:
    """Release the Lease, so that another replica leads at once."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{_LEASE}"
    try:
        lease = await api.get(path)
        if lease["spec"].get("holderIdentity") == identity:
            version = {"resourceVersion": lease["metadata"]["resourceVersion"]}
            await api.merge(path, {"metadata": version, "spec": {"holderIdentity": None}})
    except ApiError as error:
        logger.warning("lease not released", extra={"problem": str(error)})

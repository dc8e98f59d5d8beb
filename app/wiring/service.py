"""Builds the application from settings and a backend."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import FastAPI

from app.admission.dispatch import Admission
from app.admission.enforcer import Enforcer
from app.admission.image_kinds import ImageAdmission
from app.admission.kinds import Deciders
from app.admission.object_kinds import ObjectAdmission
from app.admission.references import References
from app.admission.registry_kinds import RegistryAdmission
from app.api.admission import AdmissionApi
from app.api.app import create_app
from app.api.authorize import AuthorizeApi
from app.api.health import HealthApi
from app.api.metrics import RESERVATIONS, STATE_AGE, STATE_BROKEN, UNREADABLE, Metrics
from app.api.push import PushApi
from app.auth.authentication import Authenticator
from app.config.settings import Settings
from app.policy.verdict import Verdict
from app.registry.names import Repository
from app.registry.push import PushChecks
from app.wiring.backends import Backend, Observations
from app.wiring.jobs import Job
from app.wiring.lateness import Lateness
from app.wiring.usage_metrics import UsageMetrics


@dataclass(frozen=True)
class Service:
    enforcer: Enforcer
    admission: Admission
    metrics: Metrics
    app: FastAPI
    jobs: Sequence[Job] = ()
    """Jobs that run until the service ends, besides those of the backend."""
    is_late: Callable[[], bool] = lambda: False
    """Whether requests should go to another replica now."""


def build(
    settings: Settings, backend: Backend, draining: Callable[[], bool] = lambda: False
) -> Service:
    """Build the service on a backend. `draining`: whether the process is about to stop."""
    sources, observations, domain = backend.sources, backend.observations, settings.domain
    state, enforcement = sources.state, settings.enforcement
    enforcer = Enforcer(state, sources.ledgers, domain, settings.timing, enforcement=enforcement)
    references = References(state, settings.internal_hosts, sources.registry_hosts)
    images = ImageAdmission(
        state,
        enforcer,
        references,
        domain,
        settings.unknown_size,
        settings.followed_tags,
        sources.registry_image,
        sources.visibility,
        enforcement,
    )
    controllers = backend.controllers
    hook = controllers.hook.review if controllers and controllers.hook else None
    deciders = Deciders(
        images,
        ObjectAdmission(state, settings),
        RegistryAdmission(state, settings, sources.objects, claim=sources.registry_claim),
        hook,
    )
    admission = Admission(deciders, domain)
    metrics = Metrics()
    if controllers:
        metrics.collect(controllers.collector)
    metrics.gauge(RESERVATIONS, enforcer.reservations)
    metrics.gauge(STATE_AGE, lambda: time.time() - state.view().time)
    metrics.gauge(STATE_BROKEN, lambda: float(observations.broken()))
    metrics.gauges(UNREADABLE, observations.unreadable)

    unready = observations.unready or state.problems
    lateness = Lateness()

    def undecided() -> list[str]:
        """The problems of the state that other replicas have as well."""
        return [] if unready() else state.problems()

    def not_ready() -> list[str]:
        stopping = ["shutting down"] if draining() else []
        trust = backend.certificates.problems() if backend.certificates else []
        return [*stopping, *trust, *unready(), *lateness.problems()]

    api = AdmissionApi(
        admission,
        metrics,
        observations.refused,
        max_body_bytes=settings.max_body_bytes,
        max_concurrent_reviews=settings.max_concurrent_reviews,
        review_timeout=settings.review_timeout,
    )
    app = create_app(api, HealthApi(metrics, not_ready, undecided))
    if backend.authenticator is not None:
        _add_push_checks(app, backend.authenticator, images, metrics, observations, settings)
    jobs: list[Job] = [lateness.run]
    if settings.usage_metrics:
        usage = UsageMetrics(state, domain, settings.usage_metrics)
        metrics.collect(usage)
        jobs.append(usage.run)
    return Service(enforcer, admission, metrics, app, jobs, lateness.is_late)


def _add_push_checks(
    app: FastAPI,
    authenticator: Authenticator,
    images: ImageAdmission,
    metrics: Metrics,
    observations: Observations,
    settings: Settings,
) -> None:
    def tolerated(repository: Repository, verdict: Verdict) -> None:
        metrics.count_tolerated(verdict.tolerated, verdict.exemption)
        if not verdict.exemption:
            observations.refusals.push(repository, verdict)

    checks, limit = PushChecks(images, tolerated), settings.max_concurrent_reviews
    pushes = PushApi(
        checks,
        authenticator,
        observations.refusals.push,
        max_concurrent=limit,
        is_pusher=settings.is_pusher,
    )
    app.include_router(pushes.router())
    authorize = AuthorizeApi(checks, authenticator, settings.push_proxy, max_concurrent=limit)
    app.include_router(authorize.router())

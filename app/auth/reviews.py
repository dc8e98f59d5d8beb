"""Authentication by the API server: TokenReview, then SubjectAccessReview."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from cachetools import TTLCache
from pydantic import Field, ValidationError

from app.admission.review import UserInfo
from app.auth.authentication import Subject, Visible
from app.cluster.api import ApiError, Content
from app.cluster.workers import each
from app.model.base import KubeModel
from app.model.domain import ApiDomain
from app.quota.state import StateUnavailableError
from app.registry.names import Repository

_AUTHENTICATION = "/apis/authentication.k8s.io/v1/tokenreviews"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AUTHENTICATED = "system:authenticated"
"""The group that the API server adds for every authenticated user."""
_REMEMBERED = 10.0
"""Seconds that a right to push is cached."""
_VIEWS_REMEMBERED = 60.0
"""Seconds that a right to read is cached. A user needs one for each namespace."""
_CAPACITY = 10_000
_VIEWS = 100_000
_BUDGET = 200
"""Concurrent access reviews of one user's page."""
_TOKENS_AT_ONCE = 32
"""TokenReviews at once. Anybody can send tokens, and watches and ledgers use the same connections
to the API server."""
_TOKEN_PATIENCE = 10.0
"""Seconds to wait for a TokenReview, with the wait for a turn."""
_REVIEW_BUDGET = 20
"""Namespaces that one admission review may check. Further ones are not visible."""
_AT_ONCE = 20
_ALL = ""
"""The namespace that stands for all namespaces."""

Answer = TypeVar("Answer")


class Api(Protocol):
    """The method of KubeApi that is used here."""

    async def create(self, path: str, content: Content) -> Content: ...


class _Status(KubeModel):
    authenticated: bool = False
    allowed: bool = False
    user: UserInfo = Field(default_factory=UserInfo)


class _Review(KubeModel):
    status: _Status = Field(default_factory=_Status)


class KubernetesAccess:
    """Push needs the right to `update` `imagestreams/layers`, as in the registry itself. Reading
    needs the right to `get` `imagestreams`."""

    sees = "the namespaces in which you may get imagestreams"
    hint = "For example: kubectl create token SERVICEACCOUNT -n NAMESPACE"

    def __init__(
        self, api: Api, domain: ApiDomain, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._domain = domain
        self._subjects: TTLCache[Hashable, Subject | None] = TTLCache(
            _CAPACITY, _REMEMBERED, timer=clock
        )
        self._rights: TTLCache[Hashable, bool] = TTLCache(_CAPACITY, _REMEMBERED, timer=clock)
        self._views: TTLCache[Hashable, bool] = TTLCache(_VIEWS, _VIEWS_REMEMBERED, timer=clock)
        self._token_turns = asyncio.Semaphore(_TOKENS_AT_ONCE)

    async def authenticate(self, token: str) -> Subject | None:
        key = hashlib.sha256(token.encode(errors="replace")).digest()
        return await _cached(self._subjects, key, lambda: self._authenticate(token))

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject:
        return Subject(name, groups=(*groups, _AUTHENTICATED))

    async def may_push(self, subject: Subject, repository: Repository) -> bool:
        attributes = {
            "namespace": repository.namespace,
            "verb": "update",
            "subresource": "layers",
            "name": repository.stream,
        }
        key = (_key(subject), repository)
        return await _cached(self._rights, key, lambda: self._may(subject, attributes))

    async def seen_by(self, user: UserInfo, namespaces: Collection[str]) -> frozenset[str]:
        """The namespaces that the user of an admission review may see, out of these. At most
        _REVIEW_BUDGET are checked."""
        return (await self.visible(_subject(user), sorted(namespaces), _REVIEW_BUDGET)).namespaces

    async def visible(
        self, subject: Subject, namespaces: Sequence[str], budget: int = _BUDGET
    ) -> Visible:
        """One review for a user with a cluster-wide right, else one for each namespace, at most
        `budget` at once."""
        if await self._may_view(subject, _ALL):
            return Visible(frozenset(namespaces))
        person = _key(subject)
        known = {name: self._views.get((person, name)) for name in namespaces}
        unknown = [name for name, allowed in known.items() if allowed is None]

        async def ask(namespace: str) -> None:
            known[namespace] = await self._may_view(subject, namespace)

        await each(unknown[:budget], ask, at_once=_AT_ONCE)
        allowed = frozenset(name for name, allowed in known.items() if allowed)
        return Visible(allowed, len(unknown[budget:]))

    async def _may_view(self, subject: Subject, namespace: str) -> bool:
        attributes = {"namespace": namespace, "verb": "get"}
        key = (_key(subject), namespace)
        return await _cached(self._views, key, lambda: self._may(subject, attributes))

    async def _authenticate(self, token: str) -> Subject | None:
        try:
            async with asyncio.timeout(_TOKEN_PATIENCE), self._token_turns:
                status = await self._ask(_AUTHENTICATION, "TokenReview", {"token": token})
        except TimeoutError:
            raise StateUnavailableError(
                f"no TokenReview was answered in {_TOKEN_PATIENCE:g} s"
            ) from None
        return _subject(status.user) if status.authenticated else None

    async def _may(self, subject: Subject, attributes: Mapping[str, str]) -> bool:
        """Whether a user has a right on ImageStreams."""
        spec = {
            "user": subject.name,
            "uid": subject.uid,
            "groups": list(subject.groups),
            "extra": {name: list(values) for name, values in subject.extra.items()},
            "resourceAttributes": {
                "group": self._domain.image_group,
                "resource": "imagestreams",
                **attributes,
            },
        }
        return (await self._ask(_AUTHORIZATION, "SubjectAccessReview", spec)).allowed

    async def _ask(self, path: str, kind: str, spec: dict[str, Any]) -> _Status:
        group = path.removeprefix("/apis/").rpartition("/")[0]
        try:
            answer = await self._api.create(path, {"apiVersion": group, "kind": kind, "spec": spec})
            return _Review.model_validate(answer).status
        except (ApiError, ValidationError) as error:
            raise StateUnavailableError(f"{kind} failed: {error}") from None


def _subject(user: UserInfo) -> Subject:
    extra = {name: tuple(values) for name, values in user.extra.items()}
    return Subject(user.username, user.uid, tuple(user.groups), extra)


def _key(subject: Subject) -> Hashable:
    """The key of a right."""
    return subject.name, subject.uid, subject.groups, tuple(sorted(subject.extra.items()))


async def _cached(
    cache: TTLCache[Hashable, Answer], key: Hashable, ask: Callable[[], Awaitable[Answer]]
) -> Answer:
    """The cached answer, else a new one: a push of many layers asks once."""
    try:
        return cache[key]
    except KeyError:
        answer = cache[key] = await ask()
        return answer

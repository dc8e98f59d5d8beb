"""Authentication by the API server: TokenReview, then SubjectAccessReview."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from pydantic import Field, ValidationError

from app.cluster.api import ApiError, Content
from app.cluster.state import StateUnavailableError
from app.model.base import KubeModel
from app.model.domain import ApiDomain
from app.registry.authentication import Subject
from app.registry.names import Repository

_AUTHENTICATION = "/apis/authentication.k8s.io/v1/tokenreviews"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AUTHENTICATED = "system:authenticated"
"""The group that the API server adds for everybody whom it knows."""
_REMEMBERED = 10.0
"""Seconds: a right that is withdrawn holds no longer than this."""
_CAPACITY = 10_000

Answer = TypeVar("Answer")


class Api(Protocol):
    """The one thing that is asked of a KubeApi."""

    async def create(self, path: str, content: Content) -> Content: ...


class _User(KubeModel):
    username: str = ""
    uid: str = ""
    groups: list[str] = Field(default_factory=list)
    extra: Mapping[str, list[str]] = Field(default_factory=dict)


class _Status(KubeModel):
    authenticated: bool = False
    allowed: bool = False
    user: _User = Field(default_factory=_User)


class _Review(KubeModel):
    status: _Status = Field(default_factory=_Status)


class KubernetesAccess:
    """A pusher is whoever may `update` `imagestreams/layers`, as the registry itself asks."""

    def __init__(
        self, api: Api, domain: ApiDomain, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._domain = domain
        self._subjects = _Memory[Subject | None](clock)
        self._rights = _Memory[bool](clock)

    async def authenticate(self, token: str) -> Subject | None:
        key = hashlib.sha256(token.encode(errors="replace")).digest()
        return await self._subjects.get(key, lambda: self._authenticate(token))

    def certified(self, name: str, groups: tuple[str, ...]) -> Subject:
        return Subject(name, groups=(*groups, _AUTHENTICATED))

    async def may_push(self, subject: Subject, repository: Repository) -> bool:
        extra = tuple(sorted(subject.extra.items()))
        key = (subject.name, subject.uid, subject.groups, extra, repository)
        return await self._rights.get(key, lambda: self._may_push(subject, repository))

    async def _authenticate(self, token: str) -> Subject | None:
        status = await self._ask(_AUTHENTICATION, "TokenReview", {"token": token})
        if not status.authenticated:
            return None
        user = status.user
        extra = {name: tuple(values) for name, values in user.extra.items()}
        return Subject(user.username, user.uid, tuple(user.groups), extra)

    async def _may_push(self, subject: Subject, repository: Repository) -> bool:
        spec = {
            "user": subject.name,
            "uid": subject.uid,
            "groups": list(subject.groups),
            "extra": {name: list(values) for name, values in subject.extra.items()},
            "resourceAttributes": {
                "namespace": repository.namespace,
                "verb": "update",
                "group": self._domain.image_group,
                "resource": "imagestreams",
                "subresource": "layers",
                "name": repository.stream,
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


class _Memory(Generic[Answer]):
    """Answers for a short time, so that a push of many layers asks once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        known = self._answers.get(key)
        if known is not None and self._clock() < known[0]:
            return known[1]
        answer = await ask()
        self._answers[key] = (self._clock() + _REMEMBERED, answer)
        self._answers.move_to_end(key)
        if len(self._answers) > _CAPACITY:
            self._answers.popitem(last=False)
        return answer

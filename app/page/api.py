"""`/page`: read-only HTML pages, for authenticated users."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.api.body import BodyReader
from app.auth.authentication import Authenticator, Subject
from app.auth.bearer import bearer_token
from app.page import rendering
from app.page.query import Query
from app.page.rendering import Renderer
from app.page.security import HEADERS, is_own_form, own_path
from app.page.session import COOKIE, LIFE, Sessions, TokenTooLongError
from app.page.views import NothingThereError, Views
from app.quota.state import StateUnavailableError

logger = logging.getLogger("registry_admission.page")

_MAX_BODY = 32 * 1024
_MAX_CONCURRENT = 32
_REFRESH = 60
"""Seconds."""
_ASSET = {"Cache-Control": "public, max-age=31536000, immutable"}
"""For assets, whose addresses change with their content."""

Endpoint = Callable[[Request], Awaitable[Response]]
Show = Callable[[Request, Subject], Awaitable[str]]


@dataclass(frozen=True)
class _Problem:
    """The page that is shown if the requested page cannot be."""

    status: int
    title: str
    text: str
    retry_after: int | None = None


class _ProblemError(Exception):
    def __init__(self, problem: _Problem, reader: Subject | None = None) -> None:
        super().__init__(problem.title)
        self.problem = problem
        self.reader = reader


_NOT_FOUND = _Problem(404, "Not found", "This page does not exist, or you have no right to see it.")
_BUSY = _Problem(503, "Busy", "Too many pages are requested at the same time. Try again soon.", 1)
_FOREIGN = _Problem(403, "Not from here", "This form was sent from another site.")


class PageApi:
    """Signs users in, and shows them the namespaces that they may see."""

    def __init__(
        self,
        views: Views,
        authenticator: Authenticator,
        sessions: Sessions,
        renderer: Renderer,
        max_concurrent: int = _MAX_CONCURRENT,
    ) -> None:
        self._views = views
        self._authenticator = authenticator
        self._sessions = sessions
        self._renderer = renderer
        self._bodies = BodyReader(_MAX_BODY)
        self._max_concurrent = max_concurrent
        self._in_flight = 0

    def router(self) -> APIRouter:
        router = APIRouter()

        def add(
            path: str, endpoint: Callable[[Request], Awaitable[Response]], *methods: str
        ) -> None:
            router.add_route(path, endpoint, list(methods or ("GET",)), include_in_schema=False)

        stream = "/page/namespaces/{namespace}/streams/{stream:path}"
        add(rendering.STYLE, self._style)
        add(rendering.ICON, self._icon)
        for path, endpoint in (("sign-in", self._sign_in), ("sign-out", self._sign_out)):
            add(f"/page/{path}", endpoint, "POST")
            add(f"/page/{path}", self._start_over)
        add("/page", self._page(self._views.overview))
        add("/page/refusals", self._page(self._views.refusals))
        add("/page/namespaces/{namespace}", self._page(self._views.namespace))
        add(stream, self._page(self._views.stream))
        add("/page/{rest:path}", self._page(self._views.elsewhere))
        return router

    def _page(self, show: Show) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await self._answer(request, lambda: self._show(request, show))

        return endpoint

    async def _show(self, request: Request, show: Show) -> Response:
        token = bearer_token(request) or self._session(request)
        subject = await self._authenticator.authenticate(token) if token else None
        if subject is None:
            ended = COOKIE in request.cookies
            return self._ask_to_sign_in(
                _address(request), "Your session has ended." if ended else ""
            )
        try:
            answer = _html(await show(request, subject))
        except NothingThereError:
            raise _ProblemError(_NOT_FOUND, subject) from None
        except StateUnavailableError as error:
            raise _ProblemError(_unavailable(error), subject) from None
        if Query.parse(request.query_params).refresh:
            answer.headers["Refresh"] = str(_REFRESH)
        return answer

    async def _sign_in(self, request: Request) -> Response:
        return await self._answer(request, lambda: self._start_session(request))

    async def _start_session(self, request: Request) -> Response:
        if not is_own_form(request):
            raise _ProblemError(_FOREIGN)
        form = parse_qs((await self._bodies.read(request)).decode(errors="replace"))
        token, path = form.get("token", [""])[0].strip(), own_path(form.get("next", [""])[0])
        subject = await self._authenticator.authenticate(token) if token else None
        if subject is None:
            logger.info("sign-in refused")
            return self._ask_to_sign_in(path, "This token is unknown, or it has expired.")
        try:
            cookie = self._sessions.start(token)
        except TokenTooLongError as error:
            return self._ask_to_sign_in(path, f"Not signed in: {error}.")
        logger.info("signed in", extra={"user": subject.name})
        answer = _redirect(path)
        answer.set_cookie(COOKIE, cookie, LIFE, secure=True, httponly=True, samesite="strict")
        return answer

    async def _sign_out(self, request: Request) -> Response:
        return await self._answer(request, lambda: self._end_session(request))

    async def _end_session(self, request: Request) -> Response:
        if not is_own_form(request):
            raise _ProblemError(_FOREIGN)
        answer = _redirect("/page")
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
        return answer

    async def _start_over(self, request: Request) -> Response:
        """Answer a GET of a form's address: a user has reloaded the answer to the form."""
        return _redirect("/page")

    async def _answer(self, request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
        """Answer a request, at most `max_concurrent` at once, so that reviews are not delayed."""
        if self._in_flight >= self._max_concurrent:
            return self._problem(request, _ProblemError(_BUSY))
        self._in_flight += 1
        try:
            return await work()
        except _ProblemError as error:
            return self._problem(request, error)
        except StateUnavailableError as error:
            return self._problem(request, _ProblemError(_unavailable(error)))
        finally:
            self._in_flight -= 1

    def _session(self, request: Request) -> str | None:
        cookie = request.cookies.get(COOKIE)
        return self._sessions.token(cookie) if cookie else None

    def _ask_to_sign_in(self, path: str, problem: str) -> Response:
        """Show the sign-in form. After signing in, the user gets the page at `path`."""
        text = self._renderer.render(
            "sign_in",
            path=path,
            problem=problem,
            sees=self._authenticator.sees,
            hint=self._authenticator.hint,
        )
        return _html(text, 401, {"WWW-Authenticate": "Bearer"})

    def _problem(self, request: Request, error: _ProblemError) -> Response:
        """Show a problem. The navigation stays, so that the user can go on from there."""
        problem = error.problem
        # The answer must not show whether a page does not exist or may not be seen.
        passes = request.method == "GET" and problem is not _NOT_FOUND
        text = self._renderer.render(
            "problem",
            title=problem.title,
            text=problem.text,
            path=_address(request) if passes else "",
            viewer=error.reader.name if error.reader else None,
            session=COOKIE in request.cookies,
        )
        retry = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
        return _html(text, problem.status, retry)

    async def _style(self, request: Request) -> Response:
        return Response(rendering.style(), media_type="text/css", headers={**HEADERS, **_ASSET})

    async def _icon(self, request: Request) -> Response:
        headers = {**HEADERS, **_ASSET}
        return Response(rendering.icon(), media_type="image/svg+xml", headers=headers)


def _address(request: Request) -> str:
    """Path and query of a request, as the browser shows them."""
    path, query = request.scope["raw_path"], request.scope["query_string"]
    return own_path((path + b"?" + query if query else path).decode(errors="replace"))


def _unavailable(error: StateUnavailableError) -> _Problem:
    return _Problem(503, "Not now", f"{error}.", error.retry_after)


def _redirect(path: str) -> Response:
    return RedirectResponse(path, 303, HEADERS)


def _html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(text, status, {**HEADERS, **(headers or {})})

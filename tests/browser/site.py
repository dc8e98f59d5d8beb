"""One served page, and people who look at it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Page, Response

from tests.api.service import Running, serve
from tests.patience import PATIENCE

from . import state

ADMIN = "admin-token-0123456789"
TENANT = "tenant-token-0123456789"
TENANT_SEES = "billing-*"
_PUSH = Path(__file__).parents[1] / "payloads" / "push-allowed.json"

Theme = Literal["light", "dark"]


@dataclass
class Visitor:
    """A new browser window, and the errors in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Failed scripts, resources that the Content-Security-Policy blocks, and dialogs."""
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("response", self._check)

    async def sign_in(self, token: str = ADMIN) -> None:
        await self.page.get_by_label("Bearer token").fill(token)
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name="Sign in").click()

    async def open(self, path: str, token: str = ADMIN) -> None:
        """Open a page, and sign in if it asks."""
        await self.page.goto(path)
        await self.sign_in(token)

    def _check(self, response: Response) -> None:
        """A page may be an error on purpose. Its style sheet and icon may not."""
        if not response.ok and response.request.resource_type != "document":
            self.complaints.append(f"{response.status} {response.url}")

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.complaints.append(text)


@dataclass(frozen=True)
class Site:
    running: Running
    browser: Browser

    @asynccontextmanager
    async def visitor(
        self, *, theme: Theme = "light", width: int = 1280, scripts: bool = True
    ) -> AsyncIterator[Visitor]:
        context = await self.browser.new_context(
            base_url=self.running.url,
            ignore_https_errors=True,
            color_scheme=theme,
            java_script_enabled=scripts,
            viewport={"width": width, "height": 900},
        )
        context.set_default_timeout(1000 * PATIENCE)
        try:
            visitor = Visitor(await context.new_page())
            visitor.listen()
            yield visitor
        finally:
            await context.close()

    async def refuse(self, namespace: str, stream: str, times: int = 1) -> None:
        """Cause refusals by pushes of images that are too large."""
        review: dict[str, Any] = json.loads(_PUSH.read_text())
        request = review["request"]
        request["name"], request["namespace"] = stream, namespace
        request["object"]["metadata"] = {"name": stream, "namespace": namespace}
        request["object"]["image"]["dockerImageMetadata"] = {"Size": 2**31}
        for _ in range(times):
            answer = await self.running.client.post("/validate", json=review)
            assert answer.json()["response"]["allowed"] is False


@asynccontextmanager
async def site(folder: Path, count: int, browser: Browser) -> AsyncIterator[Site]:
    async with serve(folder, "--page", "on", *_prepare(folder, count)) as running:
        made = Site(running, browser)
        await made.refuse(state.name_of(1), "api", 7)
        await made.refuse(state.name_of(0), "frontend", 2)
        await made.refuse(state.name_of(3), "nightly", 1)
        yield made


def _prepare(folder: Path, count: int) -> tuple[str, ...]:
    """Flags for tokens and a state, made in a folder."""
    folder.mkdir()
    tokens = folder / "tokens"
    tokens.write_text(f"{ADMIN} admin *\n{TENANT} tenant {TENANT_SEES}\n")
    limits = state.write(folder / "state", count)
    return "--push-tokens", str(tokens), "--state", str(limits)

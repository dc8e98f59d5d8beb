"""What keeps the page from being used against the person who looks at it."""

import re
from urllib.parse import urlsplit

from starlette.requests import Request

HEADERS = {
    # Nothing but our own style sheet and icon: no script, no frame, no foreign form target.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_OWN_PATH = re.compile(r"/page(?:[/?][!-\[\]-~]*)?", re.ASCII)


def is_own_form(request: Request) -> bool:
    """Whether a form was sent from the page itself.

    SameSite=Strict protects what a session may do, not the signing in. Browsers say where a
    request comes from, the older ones with `Origin` only; a client that says nothing is none.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def own_path(text: str) -> str:
    """A path of the page to go on to; the overview for whatever leads elsewhere."""
    inside = _OWN_PATH.fullmatch(text) and "//" not in text.partition("?")[0]
    return text if inside else "/page"

"""Protects the users of the page: headers, and checks of forms and redirects."""

import re
from urllib.parse import urlsplit

from starlette.requests import Request

HEADERS = {
    # Allows our own style sheet, icon and forms: no script, no frame, no other site.
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

    `SameSite=Strict` protects a session, but not the sign-in. Browsers name the site that a request
    comes from in `Sec-Fetch-Site`, older ones in `Origin`. A client without both is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def own_path(text: str) -> str:
    """The path for a redirect: `text` if it is a path of the page, else the overview."""
    inside = _OWN_PATH.fullmatch(text) and "//" not in text.partition("?")[0]
    return text if inside else "/page"

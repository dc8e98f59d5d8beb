"""The bearer token of a request."""

from starlette.requests import Request


def bearer_token(request: Request) -> str:
    """What `Authorization: Bearer` holds; empty without it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

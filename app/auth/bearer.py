"""The bearer token of a request."""

from starlette.requests import Request


def bearer_token(request: Request) -> str:
    """The token of `Authorization: Bearer`; empty without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

"""How long a registry's token is used."""

import json

import pytest

from app.registry.credentials import Credentials
from app.registry.tokens import Challenge, Tokens

CHALLENGE = Challenge("bearer", "https://registry.example.com/token", "registry")


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param({"token": "t", "expires_in": 300}, 290, id="until shortly before it expires"),
        pytest.param({"access_token": "t"}, 50, id="a minute if the service does not say"),
        pytest.param({"token": "t", "expires_in": 5}, 0, id="not again if it expires at once"),
    ],
)
async def test_a_token_is_used_until_it_expires(answer: dict[str, object], seconds: int) -> None:
    async def send(*_arguments: object, **_options: object) -> bytes:
        return json.dumps(answer).encode()

    now = 1000.0
    tokens = Tokens(Credentials(), send, clock=lambda: now)

    assert await tokens.answer(CHALLENGE, "pull") == "Bearer t"
    now += seconds - 1
    assert tokens.header("pull") == ("Bearer t" if seconds else "")
    now += 1
    assert tokens.header("pull") == ""
    assert tokens.header("push") == ""

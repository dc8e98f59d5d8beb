"""Answers match the OpenAPI document: schemathesis sends the requests that it describes."""

from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from app.auth.authentication import StaticTokens
from app.cluster.embedded import EmbeddedState
from app.config import examples
from app.config.settings import Settings
from app.wiring import service
from app.wiring.backends import embedded

TOKEN = "0123456789abcdef"
OPERATIONS = (
    "post /validate",
    "post /mutate",
    "get /healthz",
    "get /readyz",
    "get /version",
    "get /metrics",
    "post /v1/push/blob",
    "post /v1/push/manifest",
    "post /v1/push/cancel",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"{TOKEN} registry team-*\n")
    chosen = Settings.model_validate({})
    backend = embedded(EmbeddedState(examples.state_folder(), chosen.domain), chosen)
    return service.build(chosen, replace(backend, authenticator=StaticTokens(tokens))).app


@pytest.fixture(scope="module")
def document(app: FastAPI) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize(
    ("operation", "mode"),
    [(operation, GenerationMode.POSITIVE) for operation in OPERATIONS]
    # An operation without a body cannot have a wrong body.
    + [(name, GenerationMode.NEGATIVE) for name in OPERATIONS if name.startswith("post")],
)
def test_answers_are_as_documented(
    document: BaseSchema, operation: str, mode: GenerationMode
) -> None:
    """No 5xx, and only the status codes, headers and shapes that are documented; without a token,
    no push check is answered.

    A request that the document allows may be refused, such as a repository without a namespace. A
    request that it does not allow may be accepted, such as `null` for an absent field.
    """
    method, path = operation.split()

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(document[path][method].as_strategy(generation_mode=mode))
    def asked(case: Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {TOKEN}"},
            excluded_checks=[negative_data_rejection, positive_data_acceptance],
        )

    asked()


def test_every_operation_is_documented(app: FastAPI) -> None:
    paths = app.openapi()["paths"].items()

    assert {f"{method} {path}" for path, item in paths for method in item} == set(OPERATIONS)

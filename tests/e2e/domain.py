"""The API domain that the end-to-end tests run under: `alauda.io`, or what E2E_DOMAIN names."""

import os

from app.config.shared_settings import ENV_PREFIX
from app.model.domain import ApiDomain

DOMAIN = os.environ.get("E2E_DOMAIN", "alauda.io")
API = ApiDomain(DOMAIN)
REGISTRY = API.registry_namespace

# For every command that a test runs.
os.environ[f"{ENV_PREFIX}API_DOMAIN"] = DOMAIN
os.environ[f"{ENV_PREFIX}REGISTRY_NAMESPACE"] = REGISTRY


def in_domain(text: str) -> str:
    """A text about Registry v2 in the names of the domain."""
    return text.replace("alauda.io", DOMAIN).replace("image-registry-system", REGISTRY)

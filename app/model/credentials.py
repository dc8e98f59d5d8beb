"""The Secret with the user's credentials for the registry's storage.

Its values are never part of a message, a log or a repr.
"""

from typing import Any

from pydantic import ConfigDict, Field, SecretStr, field_validator

from app.model.base import KubeObject

SECRET = "image-registry-private-configuration-user"  # noqa: S105 - a name
S3_ACCESS_KEY = "REGISTRY_STORAGE_S3_ACCESSKEY"
S3_SECRET_KEY = "REGISTRY_STORAGE_S3_SECRETKEY"  # noqa: S105 - a name
S3_KEYS = (S3_ACCESS_KEY, S3_SECRET_KEY)


def create_command(namespace: str) -> str:
    """The command of Registry v2's page that makes the Secret for S3 storage."""
    return (
        f"kubectl -n {namespace} create secret generic {SECRET} "
        f"--from-literal={S3_ACCESS_KEY}=<access-key-id> "
        f"--from-literal={S3_SECRET_KEY}=<secret-access-key>"
    )


def patch_command(namespace: str) -> str:
    """The same for a Secret that is there already, with other keys."""
    keys = f'"{S3_ACCESS_KEY}":"<access-key-id>","{S3_SECRET_KEY}":"<secret-access-key>"'
    return f"kubectl -n {namespace} patch secret {SECRET} -p '{{\"stringData\":{{{keys}}}}}'"


class CredentialsSecret(KubeObject):
    """With its values, as a request brings them."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: str = "Secret"
    data: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    """Base64."""
    string_data: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    """Text as it is; it wins over `data`."""

    @field_validator("data", "string_data", mode="before")
    @classmethod
    def _null_is_empty(cls, values: Any) -> Any:
        """An empty value that was stored comes back as null."""
        if not isinstance(values, dict):
            return values
        return {key: "" if value is None else value for key, value in values.items()}

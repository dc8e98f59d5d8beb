"""Webhook configurations."""

from typing import Any

from pydantic import Field

from app.model.stored import StoredObject


class WebhookConfiguration(StoredObject):
    webhooks: list[dict[str, Any]] = Field(default_factory=list)
    """All fields as they are, because any of them may have been changed."""


class ValidatingWebhookConfiguration(WebhookConfiguration):
    kind: str = "ValidatingWebhookConfiguration"


class MutatingWebhookConfiguration(WebhookConfiguration):
    kind: str = "MutatingWebhookConfiguration"


WEBHOOK_KINDS: tuple[type[WebhookConfiguration], ...] = (
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
)

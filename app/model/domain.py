"""The API domain. Only this module knows how the names of Registry v2 are spelled.

The default is `alauda.io`. `openshift.io` serves OKD clusters, whose kinds are the same.
"""

from dataclasses import dataclass
from functools import cached_property

DOMAINS = ("alauda.io", "openshift.io")
"""All API domains."""


@dataclass(frozen=True)
class ApiDomain:
    """All groups, types and resource names that follow from the API domain."""

    name: str = "alauda.io"

    @property
    def is_registry_v2(self) -> bool:
        """Whether the operator is Registry v2's rather than OKD's."""
        return self.name != "openshift.io"

    @cached_property
    def image_group(self) -> str:
        return f"image.{self.name}"

    @cached_property
    def operator_group(self) -> str:
        return f"imageregistry.operator.{self.name}"

    @cached_property
    def registry_namespace(self) -> str:
        """The namespace of the internal registry."""
        return {"openshift.io": "openshift-image-registry"}.get(self.name, "image-registry-system")

    @cached_property
    def config_namespace(self) -> str:
        """The namespace of the CA bundle that Config/cluster names; empty if it is the
        registry's."""
        return {"openshift.io": "openshift-config"}.get(self.name, "")

    @cached_property
    def image_type(self) -> str:
        """The LimitRange item type for single images."""
        return f"{self.name}/Image"

    @cached_property
    def stream_type(self) -> str:
        """The LimitRange item type for single ImageStreams."""
        return f"{self.name}/ImageStream"

    @cached_property
    def imagestreams(self) -> str:
        return f"{self.name}/imagestreams"

    @cached_property
    def images(self) -> str:
        return f"{self.name}/images"

    @cached_property
    def image_tags(self) -> str:
        return f"{self.name}/image-tags"

    @cached_property
    def mode_annotation(self) -> str:
        """The annotation on a LimitRange or ResourceQuota: `enforce`, `warn` or `audit`."""
        return f"registry-admission.{self.name}/mode"

    @cached_property
    def acknowledge_data_loss(self) -> str:
        """The annotation on Config/cluster that allows a change which may lose images."""
        return f"{self.operator_group}/acknowledge-data-loss"

"""Names of limits, invalid numbers and texts of refusals, for LimitRanges and ResourceQuotas."""

import pytest

from app.model.domain import ApiDomain
from app.policy.verdict import Verdict

DOMAIN = ApiDomain()
OKD = ApiDomain("openshift.io")
IMAGE, STREAM = "alauda.io/Image", "alauda.io/ImageStream"
IMAGES, TAGS, STREAMS = "alauda.io/images", "alauda.io/image-tags", "alauda.io/imagestreams"
NOT_ENFORCED = "is not enforced by registry-admission, which knows"

BAD_NUMBERS = [
    pytest.param("100m", "NotAnInteger", "a fraction; set it to a whole number", id="100m"),
    pytest.param("1.5", "NotAnInteger", "a fraction; set it to a whole number", id="1.5"),
    pytest.param("-1", "NegativeLimit", "below 0; set it to 0 or more", id="-1"),
    pytest.param("-500m", "NegativeLimit", "below 0; set it to 0 or more", id="-500m"),
    pytest.param(
        "Gi", "NoNumber", "a suffix without a number; write the number before it", id="Gi"
    ),
]
PRINTED = {"1.5": "1500m", "Gi": "0", "Mi": "0"}


def refusals(verdict: Verdict) -> list[tuple[str, str]]:
    return [(violation.reason, str(violation)) for violation in verdict.violations]

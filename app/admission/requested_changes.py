"""The change of a request, for each kind. Each function parses the objects that it needs.

All raise ValidationError for an object whose shape is wrong, and TooManyReferencesError.
"""

from app.admission import changes
from app.admission.changes import Change
from app.admission.references import References
from app.admission.review import AdmissionRequest
from app.model.stream import (
    ImageStream,
    ImageStreamImport,
    ImageStreamMapping,
    ImageStreamTag,
    ImageTag,
)


def of_mapping(request: AdmissionRequest, _references: References) -> Change:
    return changes.of_mapping(request.new(ImageStreamMapping), request.namespace)


def of_stream(request: AdmissionRequest, references: References) -> Change:
    return changes.of_stream(
        request.new(ImageStream),
        request.old(ImageStream),
        request.namespace,
        references,
        status=request.sub_resource == "status",
    )


def of_stream_tag(request: AdmissionRequest, references: References) -> Change:
    new, old = request.new(ImageStreamTag), request.old(ImageStreamTag)
    return changes.of_stream_tag(new, old, request.namespace, references)


def of_image_tag(request: AdmissionRequest, references: References) -> Change:
    new, old = request.new(ImageTag), request.old(ImageTag)
    return changes.of_stream_tag(new, old, request.namespace, references)


def of_import(request: AdmissionRequest, references: References) -> Change:
    wanted = request.new(ImageStreamImport)
    return changes.of_import(wanted, request.namespace, references, uid=request.uid)

"""From an AdmissionReview to a change and a verdict."""

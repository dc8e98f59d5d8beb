"""AdmissionReview v1: what the API server asks, and what it is answered."""

"""registry-admission keeps a Kubernetes cluster's image registry inside its limits."""

# A name with a digest builds the same image again: --build-arg BASE=docker.io/library/python:3.13-slim-bookworm@sha256:…
ARG BASE=docker.io/library/python:3.13-slim-bookworm

# Build: install the locked dependencies and the project into a virtual environment.
FROM ${BASE} AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/build && python -m venv --without-pip /opt/registry-admission
COPY requirements-build.lock ./
RUN PIP_PYTHON=/opt/build/bin/python pip install --no-cache-dir --require-hashes -r requirements-build.lock
ENV PIP_PYTHON=/opt/registry-admission/bin/python
COPY requirements.lock ./
COPY image image
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && \
    python -m image.leave_out /opt/registry-admission/lib/python3.*/site-packages && \
    /opt/build/bin/cyclonedx-py requirements requirements.lock --output-reproducible \
      --output-file /opt/registry-admission/sbom.cdx.json
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY manifests manifests
COPY tests/payloads tests/payloads
RUN PIP_PYTHON=/opt/build/bin/python pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . && \
    pip install --no-cache-dir --no-deps /wheels/*.whl

# Result: the environment alone, without compilers and pip of its own, for an unprivileged user.
FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="registry-admission" \
      org.opencontainers.image.description="Keeps a Kubernetes cluster's image registry inside its limits" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /opt/registry-admission /opt/registry-admission
ENV PATH=/opt/registry-admission/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    REGISTRY_ADMISSION_HOST=0.0.0.0
USER 65532:65532
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["registry-admission"]
CMD ["serve"]

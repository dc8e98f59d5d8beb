# Build: install the locked dependencies and the project into a virtual environment.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/registry-admission
ENV PIP_PYTHON=/opt/registry-admission/bin/python
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY manifests manifests
COPY tests/payloads tests/payloads
RUN pip install --no-cache-dir --no-deps .

# Result: the environment alone, without compilers and pip of its own, for an unprivileged user.
FROM python:3.13-slim-bookworm
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

# Needs git, make and Python 3.11 or newer; everything else is made in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint unit coverage fuzz mutation audit audit-service e2e e2e-oldest faults e2e-tools
.PHONY: registry registry-tools node node-faults node-upgrade page monitoring docs docs-tests bench clean

# Installs what the service needs, some 50 packages, and nothing else.
run: $(VENV)/.runtime
	$(BIN)/registry-admission serve --log-format text $(ARGS)

test: lint unit

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app
	$(BIN)/hadolint Dockerfile

unit: $(VENV)/.installed
	$(BIN)/pytest tests/unit tests/api tests/fuzz -n auto $(MEASURED)

# The same tests. Fails if coverage of these packages is below 95 % (lines and branches).
coverage: MEASURED := --cov=app.policy --cov=app.quota --cov=app.admission --cov=app.model \
	--cov=app.migration \
	--cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95
coverage: unit

# Searches for inputs that fail, guided by coverage. They are stored in tests/fuzz/corpus, and
# `make test` tries them again.
SECONDS ?= 60
FUZZ ?= legacy manifests quantities reviews routes stores
fuzz: $(VENV)/.hardening
	for target in $(FUZZ); do $(BIN)/python -m tests.fuzz $$target $(SECONDS) || exit 1; done

# Puts small mistakes into migration/, policy/ and quota/, one at a time: mutants. Lists the mutants
# that no test fails for. docs/mutation.md explains which are accepted. MUTANTS='app.quota.*' tries a part.
mutation: $(VENV)/.hardening
	PATH="$(abspath $(BIN)):$$PATH" mutmut run $(MUTANTS)
	$(BIN)/mutmut results | sed '/caught by type check\|not checked/d'

# Known vulnerabilities; needs PyPI's own service, which mirrors do not have.
audit: audit-service
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-hardening.lock

# Fails if the service reports nothing for a version with known vulnerabilities, because its data is
# then incomplete.
audit-service: $(VENV)/.hardening
	echo jinja2==2.4.1 | $(BIN)/pip-audit --disable-pip --no-deps -r /dev/stdin 2>&1 | grep '^Found'

# A real kube-apiserver and etcd: built with Go, kept outside the tree, or KUBEBUILDER_ASSETS. All
# tests for Registry v2, and once more for OKD those that depend on the API domain. Twenty hostile
# clients and 10,000 pushes need the machine for themselves: they are part of `make faults`.
OKD := quota image_api image_imports webhook_scope kubectl service
e2e: $(VENV)/.installed e2e-tools
	$(BIN)/pytest tests/e2e --ignore tests/e2e/test_adversary.py \
		--ignore tests/e2e/test_pushes_under_faults.py
	E2E_DOMAIN=openshift.io $(BIN)/pytest $(OKD:%=tests/e2e/test_%.py)

# What depends on the API server, once more with the oldest Kubernetes that the service supports;
# five minutes to build it the first time.
OLDEST := 1.30
ON_OLDEST := webhook_scope kubectl install chart
e2e-oldest: $(VENV)/.installed
	KUBERNETES=$(OLDEST) tests/e2e/tools/build
	KUBERNETES=$(OLDEST) $(BIN)/pytest $(ON_OLDEST:%=tests/e2e/test_%.py)

# The times of docs/faults.md.
faults: $(VENV)/.installed e2e-tools registry-tools
	$(BIN)/pytest tests/e2e/test_faults.py tests/e2e/test_pushes_under_faults.py \
		tests/e2e/test_adversary.py tests/registry/test_gateway_faults.py -s

e2e-tools:
	tests/e2e/tools/build

# Debian's docker-registry and skopeo, and crane built with Go, before and behind the gateway.
registry: $(VENV)/.installed registry-tools
	$(BIN)/pytest tests/registry -n 2

registry-tools:
	tests/registry/tools/build

# The image, built with buildah, on a Kubernetes node in namespaces of its own (root, Debian, Go);
# logs of its programs are left in build/node. NODE_TESTS=tests/node/test_install.py tries a part.
NODE_TESTS = tests/node --ignore tests/node/long
node: $(VENV)/.installed
	tests/node/tools/run $(BIN)/pytest $(NODE_TESTS)

# The table of docs/faults.md for a node.
node-faults: $(VENV)/.installed
	tests/node/tools/run $(BIN)/pytest -s tests/node/test_changes.py tests/node/long/test_changes.py \
		tests/node/test_first_install.py tests/node/test_gateway.py

# Its rows of an upgrade from another revision, a tag or a commit, and of the way back.
node-upgrade: $(VENV)/.installed
	NODE_FROM=$(FROM) tests/node/tools/run $(BIN)/pytest -s tests/node/long/test_upgrade.py

# The page in Debian's Chromium; pictures of it are left in build/screenshots.
page: $(VENV)/.installed
	tests/browser/tools/build
	$(BIN)/pytest tests/browser

# Alert rules, dashboard and routes, as promtool and amtool of Debian read them.
monitoring: $(VENV)/.installed
	$(BIN)/pytest tests/monitoring -n 2

# The pages in docs/ as a site, in site/; nothing in it is fetched from elsewhere.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The commands of the documentation, and the site in Debian's Chromium.
docs-tests: docs
	$(BIN)/pytest tests/docs tests/site -n auto

# Figures for benchmarks/RESULTS.md; the last ones need the tools of the end-to-end and registry tests.
bench: $(VENV)/.installed e2e-tools registry-tools
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.reports
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.review
	$(BIN)/python -m benchmarks.creates
	$(BIN)/python -m benchmarks.creates --apart
	$(BIN)/python -m benchmarks.handshakes
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.whole_registry
	$(BIN)/python -m benchmarks.pull_secrets 5000 100

$(VENV)/.runtime: requirements.lock pyproject.toml app/version.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.installed: requirements-dev.lock pyproject.toml app/version.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.runtime

$(VENV)/.hardening: requirements-hardening.lock $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-hardening.lock
	touch $@

$(VENV)/.docs: $(VENV)/.installed requirements-docs.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	touch $@

clean:
	rm -rf $(VENV) site mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Every routine task. `make` alone lists them; continuous integration calls the same ones.
# Works with GNU make 3.81 and newer.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
CI := $(BIN)/python -m ci
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
# Compiled code is kept between processes, also where the shell says otherwise: there are hundreds.
export PYTHONDONTWRITEBYTECODE :=
# Test processes at a time: tests wait more than they compute.
WORKERS ?= 3
# Each lock begins with the command that made it, in the form that Renovate reads and runs again.
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version=3.11 --generate-hashes

E2E := $(BIN)/python -m pytest -p no:xdist -v -rs --no-header

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up: each stamp is newer than the lock it was installed from -------------------------------

$(VENV)/run.stamp: requirements.txt apps/coworking/requirements.txt apps/coworking/pyproject.toml treecheck/pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed and none is on the PATH; install it, or say PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Installing what the service needs into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable apps/coworking --editable treecheck
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/dev.stamp ## Install what the tasks need, without doing any

.PHONY: install-write-back
install-write-back: ## Install what the write-back's build needs, and nothing else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements-write-back.txt
	@# The checker's errors are ci's too; a path is enough, and needs no build backend.
	@echo '$(CURDIR)/treecheck' >"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/treecheck.pth"

.venv-checkov/dev.stamp: requirements-checkov.txt
	@echo "Installing checkov into .venv-checkov ..."
	@test -x .venv-checkov/bin/python || $(PYTHON) -m venv .venv-checkov
	@.venv-checkov/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-checkov.txt
	@touch $@

# --- the service ---------------------------------------------------------------------------------

.PHONY: up
up: $(VENV)/run.stamp ## Run the service with a database and demo data on http://127.0.0.1:5153
	@exec $(CI) up

# --- the tree that deploys it: ENV is an environment of settings.yaml -----------------------------

.PHONY: render seal seal-cert configure snapshots checkov cluster
render: $(VENV)/run.stamp ## Print what Argo CD would apply: ENV=dev
	@$(CI) render '$(ENV)'

seal: $(VENV)/run.stamp ## Seal a password: ENV=dev; ARGS=--access-key, --backup-key, --drop-old, --fetch, --stdin, --age (docs/secrets.md)
	@$(CI) seal $(ENV) $(ARGS)

seal-cert: $(VENV)/run.stamp ## Fetch the certificate to seal with from the cluster of KUBECONFIG: ENV=dev
	@$(CI) seal-cert $(ENV) $(ARGS)

# A setting of settings.yaml is given by its name in capitals; `--git-url` is GIT_URL.
SETTINGS = $(shell sed -n 's/^\([a-z_]*\): .*/\1/p' settings.yaml | tr a-z A-Z)
option = $(subst _,-,$(shell echo $(1) | tr A-Z a-z))
configure: $(VENV)/run.stamp ## Turn a fork into its owner's: ACCOUNT= REGION= ZONES= GIT_URL= … (docs/fork.md)
	@$(CI) configure $(foreach name,$(SETTINGS),$(if $($(name)),--$(call option,$(name)) '$($(name))'))

snapshots: $(VENV)/run.stamp ## Accept what each environment renders to now (tests/manifests/snapshots)
	@$(CI) snapshots

checkov: $(VENV)/dev.stamp .venv-checkov/dev.stamp ## Check every environment with checkov
	@$(BIN)/python -m pytest -q tests/manifests/test_checkov.py

cluster: $(VENV)/run.stamp ## Make a cluster here with kind and Docker (needs the internet; CI doesn't run it)
	@$(CI) cluster $(ARGS)

# --- AWS -----------------------------------------------------------------------------------------

.PHONY: plan capacity
plan: $(VENV)/run.stamp ## Print every step of a first deploy, and run none; ARGS=--check says how far it is
	@$(CI) plan $(ARGS)

capacity: $(VENV)/run.stamp ## Say whether everything fits the nodes described, how full, at what price
	@$(CI) capacity $(ARGS)

# --- before a merge ------------------------------------------------------------------------------

.PHONY: test test-long test-builds test-loads pod-security test-backups test-image e2e e2e-long validate agree docs check format
TESTS := tests treecheck/tests --ignore=tests/e2e --ignore=tests/postgres --ignore=tests/manifests/test_checkov.py
SIDE_BY_SIDE = $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -rs
test: $(VENV)/dev.stamp ## Run the tests of everything that need no cluster, no Docker engine and no AWS, in minutes
	@$(SIDE_BY_SIDE) -m 'not slow and not thorough and not browser' $(TESTS) $(ARGS)

NONE_IS_FINE = $(if $(ARGS),|| test $$? = 5) # a file may have tests of one half only
test-long: test-builds test-loads ## Run the rest: both halves, one after the other

test-builds: $(VENV)/dev.stamp ## Run the half of test-long that may be slow: pages in Chromium, whole builds, PostgreSQL 15
	@$(SIDE_BY_SIDE) --timeout=600 -m '(thorough or browser) and not slow' $(or $(ARGS),$(TESTS)) $(NONE_IS_FINE)

# Few tests, which put all processors to work by themselves.
test-loads: $(VENV)/dev.stamp ## Run the half of test-long that wants a quiet machine: loads, races, kills
	@$(BIN)/python -m pytest -q -p no:xdist -rs -m slow $(or $(ARGS),$(TESTS)) $(NONE_IS_FINE)

pod-security: $(VENV)/dev.stamp ## Fetch Kubernetes' own Pod Security fixtures for the tests (needs the program go)
	@$(BIN)/python treecheck/tests/upstream/fetch.py .local/pod-security

test-backups: $(VENV)/dev.stamp ## Back up, break and restore: PostgreSQL 15 and pgBackRest of Debian, S3 by moto
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -rs tests/postgres $(ARGS)

test-image: $(VENV)/dev.stamp ## Run COWORKING_IMAGE, COWORKING_POSTGRES_IMAGE and a whole build on a Docker engine
	@$(BIN)/python -m pytest -q -p no:xdist -rs tests/docker tests/postgres_image tests/ci/local/codebuild/test_whole_build.py

e2e: $(VENV)/dev.stamp ## Deploy everything to a throw-away cluster and try what can go wrong (docs/e2e.md)
	@$(E2E) -m 'not long' $(or $(ARGS),tests/e2e)

e2e-long: $(VENV)/dev.stamp ## The end-to-end tests that take minutes each, the last of which tears down
	@$(E2E) -m long $(or $(ARGS),tests/e2e)

validate: $(VENV)/run.stamp ## Look for what would break after the merge, in all environments and Argo CD's tree
	@$(CI) validate $(ARGS)

agree: $(VENV)/run.stamp ## Ask the API server of KUBECONFIG (a throw-away cluster) whether it agrees
	@$(BIN)/python treecheck/tests/agree $(ARGS)

docs: $(VENV)/run.stamp ## Write the generated pages: every rule, verb and variable
	@$(BIN)/python -m ci.rules_page
	@$(BIN)/python treecheck/tests/rule_pages.py
	@$(BIN)/python -m ci.reference

check: $(VENV)/dev.stamp ## Look for mistakes without running anything: ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/dev.stamp ## Format the Python code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# --- measurements --------------------------------------------------------------------------------

.PHONY: bench
bench: $(VENV)/dev.stamp ## Measure what the documentation claims, and write JSON into .local/bench
	@$(BIN)/python -m bench $(ARGS)

# --- dependencies --------------------------------------------------------------------------------

.PHONY: lock upgrade base-images flags
lock: $(VENV)/dev.stamp ## Write the lock files again from the *.in files, keeping the versions that still fit
	@$(UV_COMPILE) $(UPGRADE) --output-file=apps/coworking/requirements.txt apps/coworking/requirements.in
	@$(UV_COMPILE) $(UPGRADE) --constraints=apps/coworking/requirements.txt --output-file=requirements.txt requirements.in
	@$(UV_COMPILE) $(UPGRADE) --constraints=requirements.txt --output-file=requirements-write-back.txt requirements-write-back.in
	@$(UV_COMPILE) $(UPGRADE) --constraints=requirements.txt --output-file=requirements-dev.txt requirements-dev.in
	@$(UV_COMPILE) $(UPGRADE) --output-file=requirements-checkov.txt requirements-checkov.in

base-images: $(VENV)/run.stamp ## Move the image's base to the digest that its tag has now
	@$(CI) base-images

upgrade: ## Move every pinned dependency to its newest release, the image's base too
	@$(MAKE) lock UPGRADE=--upgrade
	@$(MAKE) base-images

flags: $(VENV)/dev.stamp ## Print a tool's flags for the tests: TOOL=argocd PROGRAM=/path/to/argocd
	@$(BIN)/python -m tests.docs.commands.from_help '$(TOOL)' '$(PROGRAM)'

.PHONY: clean
clean: ## Remove the environments and the local database
	rm -rf .venv .venv-checkov .local

# SPDX-License-Identifier: GPL-2.0-only
# `make demo` tries mermapctl, `make test` tests it. Both print what they install.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TREE ?= $(CURDIR)/linux
SOURCE ?=
APT := $(shell command -v apt-get)

# A container often sets it. Then each of the tests' thousand processes compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

# The packages to build and boot a kernel, and to run mermapctl. `mermapctl doctor` prints their names
# on other distributions.
DEMO_PACKAGES := python3 python3-venv git make gcc flex bison bc perl libelf-dev libssl-dev \
	xz-utils bzip2 kmod cpio qemu-system-x86
BENCH_PACKAGES := $(DEMO_PACKAGES) ccache
# The kernels of e2e tests have most objects in common: ccache halves the CPU time of their builds.
TEST_PACKAGES := $(BENCH_PACKAGES) chromium chromium-driver fonts-dejavu-core

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo
demo: demo-packages $(VENV)/.done ## Install what is missing, build a kernel, boot it, print the tables
	$(BIN)/mermapctl tree prepare '$(TREE)' $(if $(SOURCE),--source '$(SOURCE)')
	$(BIN)/mermapctl run --tree '$(TREE)'

.PHONY: test
test: test-packages $(VENV)/.done lint ## Lint, type check and test, real kernels included
	$(BIN)/pytest -n 2 -m 'not e2e'
	MERMAPCTL_TEST_TREE='$(TREE)' $(BIN)/pytest -m 'e2e and not nightly'

.PHONY: nightly
nightly: test-packages $(VENV)/.done ## Test more real kernels: modules, hangs, seeded faults, more machines
	HYPOTHESIS_PROFILE=search $(BIN)/pytest -n 2 $$(grep -l 'from hypothesis\|import .*SEARCH' tests/test_*.py tests/*/test_*.py)
	MERMAPCTL_TEST_TREE='$(TREE)' $(BIN)/pytest -m nightly
	$(BIN)/python -m tests.soak

.PHONY: soak
soak: $(VENV)/.done ## Kill 200 runs at random moments, fill up 20 disks (root); print what was lost (SEED)
	$(BIN)/python -m tests.soak --seed $(or $(SEED),1)

.PHONY: faults
faults: test-packages $(VENV)/.done ## Build, boot and judge every seeded fault; write docs/faults.md
	$(BIN)/mermapctl tree prepare '$(TREE)'
	$(BIN)/python -m tests.faults --tree '$(TREE)'

.PHONY: check
check: $(VENV)/.done lint ## Run the part of `make test` that needs no kernel
	$(BIN)/pytest -n 2 -m 'not e2e'

.PHONY: lint
lint: $(VENV)/.done
	$(BIN)/ruff check
	$(BIN)/mypy

.PHONY: bench
bench: bench-packages $(VENV)/.done ## Measure against kunit.py, as ratios in the same run (PARTS, ROUNDS)
	$(BIN)/mermapctl tree prepare '$(TREE)'
	MERMAPCTL_TEST_TREE='$(TREE)' $(BIN)/python -m benchmarks --rounds $(or $(ROUNDS),5) $(PARTS)

.PHONY: schema
schema: $(VENV)/.done ## Write docs/schema.json from the record's types
	$(BIN)/python -m mermapctl.render.documents.json_schema > docs/schema.json

.PHONY: reference
reference: $(VENV)/.done ## Write docs/findings.md and docs/variants.md from faults, consoles and configs/
	$(BIN)/python -m docs.reference

.PHONY: screenshots
screenshots: test-packages $(VENV)/.done ## Draw the pictures of docs/ and README from a stored run (RUN=ID)
	$(BIN)/python -m docs.screenshots $(or $(RUN),latest)

.PHONY: man
man: $(VENV)/.done ## Write the man pages to build/man
	$(BIN)/python -m docs.manpages build/man

.PHONY: docs
docs: $(VENV)/.done ## Build the documentation as a site, build/site; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo 'build/site/index.html; its search needs a server: $(BIN)/python -m mkdocs serve'

.PHONY: dist
dist: $(VENV)/.done ## Build the wheel and the sdist with man pages and completion: dist/
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*

.PHONY: pythons
pythons: $(VENV)/.done ## Run the fast tests under each installed Python of 3.11, 3.12, 3.13 (TESTS)
	@failed=0; for version in 3.11 3.12 3.13; do \
		python$$version -c '' 2>/dev/null || { echo "no python$$version here: not tested"; continue; }; \
		echo "python$$version"; \
		$(BIN)/uv run --quiet --isolated --no-project --python $$version --with pip --with-editable '.[test]' \
			python -m pytest -n 2 -p no:cacheprovider -m 'not e2e' $(TESTS) || failed=1; \
	done; exit $$failed

.PHONY: clean
clean: ## Remove the environment, the tree and what tests left
	rm -rf $(VENV) linux build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: demo-packages test-packages bench-packages
demo-packages: PACKAGES := $(DEMO_PACKAGES)
test-packages: PACKAGES := $(TEST_PACKAGES)
bench-packages: PACKAGES := $(BENCH_PACKAGES)
# Installs only what is missing, and uses the network only for that. The kernel source is the newest of
# the distribution, unless SOURCE is given or the tree exists.
demo-packages test-packages bench-packages:
ifeq ($(APT),)
	@echo 'This is neither Debian nor Ubuntu: the packages that `mermapctl doctor` lists must be installed.'
else
	@missing() { for p in "$$@"; do \
		dpkg-query -W -f '$${db:Status-Status}\n' "$$p" 2>/dev/null | grep -qx installed || echo "$$p"; \
	done; }; \
	install() { \
		echo "installing with apt-get: $$*"; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$$@" \
			>apt.log 2>&1 || { tail -n 20 apt.log; rm -f apt.log; exit 1; }; rm -f apt.log; }; \
	updated=; update() { [ -n "$$updated" ] || $(SUDO) apt-get update -q >/dev/null; updated=1; }; \
	need=$$(missing $(PACKAGES)); \
	if [ -n "$$need" ]; then update; install $$need; fi; \
	if [ -z '$(SOURCE)' ] && [ ! -e '$(TREE)/Makefile' ] \
	   && ! compgen -G '/usr/src/linux-source-*.tar.*' >/dev/null \
	   && ! compgen -G '/usr/src/linux-source-*/*.tar.*' >/dev/null; then \
		update; \
		source=$$(apt-cache pkgnames linux-source- | grep -xE 'linux-source-[0-9.]+' | sort -V | tail -n 1); \
		[ -n "$$source" ] || { echo 'no linux-source-* package: set SOURCE=TARBALL' >&2; exit 1; }; \
		install $$source; \
	fi
endif

$(VENV)/.done: pyproject.toml
	@echo 'making $(VENV): click, rich, gitpython and what the tests need, from PyPI'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo '$(PYTHON) is older than 3.11: set PYTHON=python3.11' >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check -e '.[test]'
	@touch $@

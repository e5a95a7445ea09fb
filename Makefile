# Every command that a person or CI runs. `make` alone lists them.
#
# Needed on the machine: Rust (rustup reads rust-toolchain.toml), Python 3.11 or newer with its
# venv module, a C compiler and make. All else goes into .venv and target/, in this folder.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
# One command after the other, but where `demo` does two things at once.
ifndef AT_ONCE
.NOTPARALLEL:
endif
.PHONY: help setup setup-demo build build-demo demo up down env logs capacity test check lint \
  stack-test bench soak mutants docs fmt clean

PYTHON ?= python3
VENV := .venv
LOCAL := $(VENV)/bin/python infra/local

# The tools' own folder first, so that cargo and sam find cargo-lambda.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1

help:  ## List the commands
	@echo 'Usage: make COMMAND'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Start with `make demo`. It takes about 3 minutes the first time, and needs no AWS account.'

# ---------------------------------------------------------------- Tools

setup: $(VENV)/.installed-build  ## Install the pinned tools into .venv (the others call it)

# All that runs and deploys a stack. The list names every package, so there is nothing to resolve;
# compiling the installed Python files would take as long again, and most are never used.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --requirement
$(VENV)/.installed: infra/requirements.txt
	@command -v cargo > /dev/null || { \
	  echo 'cargo is missing: install Rust from https://rustup.rs, then try again.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Python 3.11 or newer is needed. If there is one, name it: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo 'The venv module is missing: apt install python3-venv (or your system'\''s package), then try again.' >&2; exit 1; }
	@echo '  installing the tools into $(VENV) (about a minute, once)' >&2
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(INSTALL) $<
	@touch $@

# What builds the functions as they are deployed: half a gigabyte that the demo does without.
$(VENV)/.installed-build: infra/requirements-build.txt $(VENV)/.installed
	@echo '  installing the tools that build the functions (half a minute, once)' >&2
	@$(VENV)/bin/python $(INSTALL) $<
	@touch $@

# checkov has an environment of its own: it needs other versions of what the tools need too.
LINT := $(VENV)/lint
$(LINT)/.installed: infra/requirements-lint.txt $(VENV)/.installed
	@echo '  installing checkov into $(LINT) (about a minute, once)' >&2
	@test -x $(LINT)/bin/python || $(PYTHON) -m venv $(LINT)
	@$(LINT)/bin/python $(INSTALL) $<
	@touch $@

# ---------------------------------------------------------------- Run

# The demo's program and a quick build of the functions, so that the AWS SDK is built once for all.
DEMO := --package demo --bin demo
DEMO_POOLS := tools/demo/pools.json
FUNCTIONS := $(notdir $(wildcard functions/*))

demo:  ## Watch two people phone each other without seeing each other's number
	@$(MAKE) --no-print-directory --jobs=2 AT_ONCE=1 setup-demo build-demo
	@$(LOCAL) run --name demo --kafka --pools $(DEMO_POOLS) --programs target/quick -- target/quick/demo

setup-demo: $(VENV)/.installed
	@:

build-demo:
	@echo '  building the demo and a quick build of the functions (about 2 minutes on 2 cores, once)'
	@cargo build --locked --profile quick --target-dir target $(DEMO) \
	  $(foreach function,$(FUNCTIONS),--package $(function) --bin $(function))

up: setup  ## Start the whole stack on this machine, or deploy changes into it; KAFKA=1 with a Kafka broker
	@$(LOCAL) up $(if $(KAFKA),--kafka)

down: setup  ## End what `up` started
	@$(LOCAL) down

env: setup  ## Print what points a shell at it: eval "$(make -s env)"
	@$(LOCAL) env

logs: setup  ## Print what its functions logged; FUNCTION=assign, GREP=text, FOLLOW=1
	@$(LOCAL) logs $(if $(FUNCTION),--function '$(FUNCTION)') $(if $(GREP),--grep '$(GREP)') $(if $(FOLLOW),--follow)

# ---------------------------------------------------------------- Plan

capacity:  ## Plan how many numbers to rent: make capacity ARGS=--help
	@mkdir -p target
	@cargo run --quiet --locked --release --package capacity -- --chart target/capacity.svg $(ARGS)

# ---------------------------------------------------------------- Build

build: setup  ## Build the functions as they are deployed
	@$(LOCAL) build

docs:  ## Write the documentation of all crates, private items too, as a site into target/doc
	cargo doc --workspace --no-deps --document-private-items --locked
	@echo 'The documentation is in target/doc/resolve_call/index.html; each function and crate is in the list on the left.'

fmt:  ## Format the code
	cargo fmt --all

clean:  ## Remove what was built (the tools in .venv stay)
	@! test -e $(VENV)/bin/python || $(LOCAL) down
	cargo clean
	rm -rf infra/.aws-sam

# ---------------------------------------------------------------- Test

# In this order, so that the quickest to fail comes first.
test: lint check stack-test  ## Run all tests: format, lints, unit, handlers, template, end to end
	@echo
	@echo 'All passed: format, clippy, template lint, unit and handler tests, end-to-end tests.'

# Licences, bans and sources are checked by `tidy`, out of the same deny.toml. What it can't know
# is which versions are known to be vulnerable: that takes cargo-deny, and its database.
define DENY
if ! cargo deny --version > /dev/null 2>&1; then \
  echo 'NOT CHECKED: advisories. cargo-deny is not installed: cargo install cargo-deny'; \
elif ! cargo deny --locked fetch db > target/deny.log 2>&1; then \
  echo 'NOT CHECKED: advisories. Their database can not be reached:'; tail -2 target/deny.log; \
else cargo deny --locked check; fi
endef

lint: setup $(LINT)/.installed  ## Check format, clippy, documentation, dependencies, the rules of ARCHITECTURE.md and the template
	cargo fmt --all --check
	cargo test --quiet --package tidy --locked
	cargo clippy --workspace --all-targets --all-features --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --quiet --workspace --no-deps --document-private-items --locked
	@$(DENY)
	cfn-lint infra/template.yaml
	sam validate --lint --template infra/template.yaml
	$(LINT)/bin/python $(LINT)/bin/checkov --config-file infra/checkov.yaml

check:  ## Run the tests that need no emulator
	cargo test --workspace --locked

# Every story is played three times: on exclusive pools, on shared ones, and with order events that
# come on a Kafka topic. (The whole workspace is named
# so that the AWS SDK is built with the same features as for `check`, and not once more.)
STORIES := cargo test --workspace --features stack-tests/stack --test stack --locked
stack-test: setup  ## Run the end-to-end tests against the deployed template
	$(LOCAL) run --name test --pools tests/stack/pools.json -- $(STORIES)
	$(LOCAL) run --name test-shared --pools "$$(sed 's/"id":/"allocation": "shared", "id":/' tests/stack/pools.json)" -- $(STORIES) -- --shared
	$(LOCAL) run --name test-kafka --kafka --pools tests/stack/pools.json -- $(STORIES)

# ---------------------------------------------------------------- Speed, size, cost

# The functions as they are deployed, and the plain ones beside them, built alike.
bench: setup  ## Measure the functions beside plain ones; QUICK=1 only sees that it works
	@$(LOCAL) build
	@for reference in bench/reference/*/; do \
	  (cd $$reference && cargo lambda build --quiet --release --locked) || exit; done
	@cargo run --quiet --locked --profile soak --package bench -- $(if $(QUICK),--quick)

# ---------------------------------------------------------------- Doubt

SECONDS ?= 60

soak:  ## Run the simulation under faults for SECONDS (60), on new seeds or those FROM one, or repeat one SEED; KIND=rental for pools
	@cargo run --quiet --locked --package simulation --profile soak --bin soak -- \
	  $(if $(KIND),--kind $(KIND)) $(if $(SEED),--seed $(SEED),--seconds $(SECONDS) $(if $(FROM),--from $(FROM)))

# cargo-mutants is built into target/tools, once. It lists the mutants; what parses the sources, so
# that all of them are built together, goes into .venv/mutants.
CARGO_MUTANTS := target/tools/bin/cargo-mutants
MUTANTS := $(VENV)/mutants
mutants: $(CARGO_MUTANTS) $(MUTANTS)/.installed  ## Change the product in small ways: the tests must notice. ARGS='--sample 60', ARGS=--help
	@PATH="$(CURDIR)/target/tools/bin:$$PATH" $(MUTANTS)/bin/python tests/mutants/run.py $(ARGS)

$(MUTANTS)/.installed: infra/requirements-mutants.txt $(VENV)/.installed
	@test -x $(MUTANTS)/bin/python || $(PYTHON) -m venv $(MUTANTS)
	@$(MUTANTS)/bin/python $(INSTALL) $<
	@touch $@

$(CARGO_MUTANTS):
	@echo '  building cargo-mutants (about 2 minutes, once)'
	@cargo install --quiet --locked --root target/tools cargo-mutants@27.1.0

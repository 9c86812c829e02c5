SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Absolute, because ansible ignores a configuration file found in a world-writable folder
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: tools
tools: ## Python tools into .venv, collections into .cache/collections
	@tools/bootstrap dev

.PHONY: run-tools
run-tools:
	@tools/bootstrap run

.PHONY: test-tools
test-tools:
	@tools/bootstrap test
	@lab/bootstrap

.PHONY: lock
lock: ## renew the locked Python requirements
	@tools/lock

.PHONY: test
test: test-tools ## lint, unit tests, the stand-in's, the lab's and the contract's tests, the molecule scenarios
	@python tools/test.py unit lint standin lab contract molecule

.PHONY: lint
lint: tools ## style, types, documentation and structure of everything
	@python tools/test.py lint

.PHONY: unit
unit: test-tools ## unit tests, without machines
	@python tools/test.py unit standin

.PHONY: molecule
molecule: test-tools ## the molecule scenarios; SCENARIO=name for one
	@python tools/test.py $(if $(SCENARIO),molecule-$(SCENARIO),molecule)

.PHONY: sanity
sanity: tools ## ansible-test sanity on a copy of the collection
	@PYTHONPATH=. python tools/sanity.py

.PHONY: build
build: tools ## the collection as a tarball, installed and syntax-checked in a scratch folder
	@python tools/build.py

.PHONY: test-all
test-all: test ## make test, then the judge's mutants, the whole contract, the slower scenarios and ansible-test sanity
	@python tools/test.py slow
	@$(MAKE) sanity

.PHONY: bench
bench: test-tools ## the figures of the README; ROUNDS=3, ROUNDS=drill for the leader's faults alone
	@python tools/bench.py $(ROUNDS)

.PHONY: docs
docs: tools ## tables of variables in the roles' READMEs, from their argument specs; of codes in docs/health.md
	@PYTHONPATH=. python tools/role_docs.py

.PHONY: changelog
changelog: tools ## CHANGELOG.rst from the fragments, for a release
	@antsibull-changelog release

include $(wildcard lab/lab.mk tests/contract/contract.mk)

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

.PHONY: lock
lock: ## renew the locked Python requirements
	@tools/lock

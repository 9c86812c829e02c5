# Verbs of the lab; included by the Makefile.
LAB_INVENTORY ?= inventories/lab
LAB = .venv/bin/python -m lab.hosts
LAB_NEEDS = lab/bootstrap && $(MAKE) run-tools

.PHONY: lab
lab: ## the whole cloud on this machine, deployed and healthy
	@$(LAB_NEEDS)
	@.venv/bin/python -m lab.up --inventory $(LAB_INVENTORY)

.PHONY: lab-status
lab-status: run-tools ## how the lab's hosts are
	@$(LAB) status --inventory $(LAB_INVENTORY)

.PHONY: lab-shell
lab-shell: run-tools ## a shell on a host of the lab: HOST=one1
	@$(LAB) shell $(or $(HOST),$(error say which host: make lab-shell HOST=one1)) --inventory $(LAB_INVENTORY)

.PHONY: lab-destroy
lab-destroy: run-tools ## remove the lab's hosts and all that they need on this machine
	@$(LAB) destroy --inventory $(LAB_INVENTORY)

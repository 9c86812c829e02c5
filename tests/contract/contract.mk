.PHONY: contract
contract: tools ## the stand-in against every recording of a real zone; ONE_SOURCE=FOLDER asks a real zone instead
	@lab/bootstrap
	@python -m pytest -q tests/contract
	@python -m tests.contract

# Everything a person types. Needs Python 3.11 or newer and make; the rest is set up in .venv, and every target is safe to repeat.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
WORKERS ?= 2

.PHONY: help demo test coverage test-slow test-long test-all bench lint format lock setup setup-dev clean clean-kernels

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup ## Run the whole chain on the sample prices, train models, search weights, then serve the UIs until Ctrl-C
	@$(BIN)/mech-exo run
	@$(BIN)/mech-exo learn
	@$(BIN)/mech-exo search
	@$(BIN)/mech-exo up

FAST := -n $(WORKERS) --durations=40 --durations-min=5 -m "not slow"

test: setup-dev ## Fast tests (under ten minutes on two cores)
	$(BIN)/python -m pytest $(FAST)

coverage: setup-dev ## The same with what they have run of the package: fails below 95 %
	$(BIN)/python -m pytest $(FAST) --cov

SLOW := -n $$(($(WORKERS) + 1)) --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=20

test-slow: setup-dev ## Slow tests: servers, kills, browser; a worker more than cores, since many wait for a daemon
	$(BIN)/python -m pytest $(SLOW) -m "slow and not long"

test-long: setup-dev ## Long tests: rates by thousands of simulations, ten kills instead of three
	$(BIN)/python -m pytest $(SLOW) -m long

test-all: test test-slow test-long ## All tests, an hour or more on two cores

lint: setup-dev ## ruff, the type checker and the storey contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check
	$(BIN)/lint-imports

format: setup-dev ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev $(VENV)-peers/.installed ## Speeds as ratios to named peers, measured in the same run
	$(BIN)/python -m mech_exo_tests.benchmarks

setup: $(VENV)/.runtime ## Make .venv with what the product needs
setup-dev: $(VENV)/.dev ## The same, with what the tests need

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "mech-exo needs Python 3.11 or newer, and '$(PYTHON)' is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/uv
	$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	$(UV) pip install --quiet --no-deps --editable .
	@$(MAKE) --no-print-directory clean-kernels
	@$(BIN)/python -m mech_exo_assets.quant.warm_up
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime | $(BIN)/uv
	$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements-dev.lock
	@touch $@

# The peers we are compared with live apart: their licences and pins are not ours (see docs/dependencies.md).
$(VENV)-peers/.installed: requirements-peers.lock | $(BIN)/uv
	$(BIN)/python -m venv $(VENV)-peers
	VIRTUAL_ENV=$(CURDIR)/$(VENV)-peers $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements-peers.lock
	@touch $@

LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock: | $(BIN)/uv ## Resolve the dependencies anew into the four lock files
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) pyproject.toml --extra postgres --extra dask --extra kubernetes -c requirements.lock -o requirements-server.lock
	$(LOCK) requirements-peers.in -o requirements-peers.lock

# Numba keys a compiled kernel by its own file, and does not see an edit of a helper in another one.
clean-kernels: ## Remove compiled kernels; wanted after an edit of a helper that kernels of other files call
	find mech_exo_assets -name '*.nb[ci]' -delete

clean: clean-kernels ## Remove environments, caches and test leftovers; data/ stays
	rm -rf $(VENV) $(VENV)-peers .pytest_cache .ruff_cache .coverage .coverage.* htmlcov

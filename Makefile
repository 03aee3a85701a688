# make run    sets everything up, then runs the whole chain on a real corpus
# make test   sets everything up, then passes the tests
# make test-integration   sets up real servers on loopback (PostgreSQL, by apt), then passes the tests that need them
# make check  format, lint, types      make bench  benchmarks      make clean  forget what was built
# make bench-train CORPUS=<folder>   the trainer beside nanoGPT's loop and Hugging Face's Trainer
# make bench-data CORPUS=<folder> TASKS=<folder>   benchmarks of the data stages beside their peers, on real documents
#
# TORCH_INDEX=<address of an index that holds CPU builds of torch>: without it, pip takes torch from the index it is
# configured with, which outside of a machine with a CPU build of its own means several GB of CUDA libraries.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
QUICKSTART = .nightmill/quickstart

.PHONY: run test test-integration check bench bench-data bench-train setup quickstart-corpus clean
.DELETE_ON_ERROR:

run: quickstart-corpus
	@.venv/bin/nightmill run deployments/quickstart/pipeline.yaml

test: .venv/ready-dev
	.venv/bin/python -m pytest -n 2 --dist worksteal

test-integration: .venv/ready-dev
	tests/integration_services/install.sh
	.venv/bin/python -m pytest tests/integration_services

check: .venv/ready-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: .venv/ready-dev quickstart-corpus
	.venv/bin/python tests/benchmarks/bench_spine.py

BENCH = .venv/bin/python tests/benchmarks
FIGURES = .nightmill/benchmarks

bench-data: .venv/ready-dev .venv-peers/ready
	@test -n "$(CORPUS)" -a -n "$(TASKS)" || { echo "say on what: make bench-data CORPUS=<folder> TASKS=<folder>"; exit 3; }
	mkdir -p $(FIGURES)
	$(BENCH)/bench_data.py $(CORPUS) --json $(FIGURES)/data.json
	$(BENCH)/bench_collect.py $(CORPUS) --memory --json $(FIGURES)/collect.json
	$(BENCH)/bench_http.py --json $(FIGURES)/http.json
	$(BENCH)/bench_clean.py $(CORPUS) --json $(FIGURES)/clean.json
	$(BENCH)/bench_clean_limits.py $(CORPUS)
	$(BENCH)/bench_dedup.py $(CORPUS) --json $(FIGURES)/dedup.json
	$(BENCH)/bench_decontaminate.py $(CORPUS) $(TASKS) --json $(FIGURES)/decontaminate.json
	$(BENCH)/bench_validate.py $(CORPUS) --json $(FIGURES)/validate.json

bench-train: .venv/ready-dev .venv-peers/ready
	@test -n "$(CORPUS)" || { echo "say on what: make bench-train CORPUS=<folder>"; exit 3; }
	mkdir -p $(FIGURES)
	$(BENCH)/bench_train.py $(CORPUS) --json $(FIGURES)/train.json
	$(BENCH)/bench_train_quality.py $(CORPUS) $(if $(SHORT),--short) --json $(FIGURES)/train-quality.json

setup: .venv/ready

quickstart-corpus: .venv/ready .nightmill/quickstart-packages/.ready
	@.venv/bin/python -m deployments.quickstart.harvest

# A stamp is written last, so that an interrupted installation is simply gone on with.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(PIP) --editable .
	touch $@

.venv/ready-dev: .venv/ready
	$(PIP) --editable '.[dev]'
	touch $@

.nightmill/quickstart-packages/.ready: deployments/quickstart/requirements.txt .venv/ready
	rm -rf .nightmill/quickstart-packages
	mkdir -p .nightmill
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--target .nightmill/quickstart-packages --requirement deployments/quickstart/requirements.txt
	touch $@

clean:
	rm -rf .nightmill

.venv-peers/ready: tests/benchmarks/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/benchmarks/peers.txt
	touch $@

# Two commands do everything on a fresh machine: `make demo` and `make test`. Each sets up what it needs in .venv.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# Tests wait for disks and processes more than half of their time.
WORKERS ?= $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) )))
STAMP = $(VENV)/.done-$(1)

.PHONY: demo test check format lint types imports unit test-all test-faults test-redteam test-escape test-screen test-bench test-text test-money eval bench bench-parallel lock clean help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: $(VENV)/.done-run ## Watch the whole product work, offline, on the embedded scripted model
	@$(BIN)/equitrcoder demo

test: check ## Format check, lint, types, import rules and all tests

check: format lint types imports unit

format: $(VENV)/.done-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.done-dev
	$(BIN)/ruff check .

types: $(VENV)/.done-dev
	$(BIN)/mypy

imports: $(VENV)/.done-dev
	$(BIN)/lint-imports

# A machine under load can starve a process past its time. A few tests that failed get a second look, alone; what fails
# there as well is broken.
unit: $(VENV)/.done-dev
	@rm -f .failed-tests
	FAILED_TESTS=.failed-tests $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow" $(TESTS) || { \
		test -s .failed-tests && test "$$(sort -u .failed-tests | wc -l)" -le 8 && echo "Once more, alone:" && cat .failed-tests && \
		sort -u .failed-tests | tr '\n' '\0' | xargs -0 $(BIN)/pytest -n 0; }

test-all: $(VENV)/.done-dev ## All tests, the slow ones included, every command started anew
	EQUITR_TEST_START=cold $(BIN)/pytest -n $(WORKERS) --dist loadgroup

test-faults: $(VENV)/.done-dev ## Every kill point of the fault suite, and the races between processes
	$(BIN)/pytest -n $(WORKERS) tests/faults tests/e2e/test_two_processes.py

test-redteam: $(VENV)/.done-dev ## Every lying and every honest worker
	$(BIN)/pytest -n $(WORKERS) tests/redteam tests/e2e/test_receipts.py

test-escape: $(VENV)/.done-dev ## Every attempt to get out of the sandbox, and the harm each does without one
	$(BIN)/pytest -n $(WORKERS) tests/escape tests/adapters/sandbox

test-screen: $(VENV)/.done-dev ## Every place of the screen at every size, and the real one in a terminal
	$(BIN)/pytest -n $(WORKERS) tests/tui tests/e2e/test_screen.py tests/e2e/test_screen_epic.py

test-bench: $(VENV)/.done-dev ## That the measurements measure, and that every task of the evaluation can be failed and solved
	$(BIN)/pytest -n $(WORKERS) tests/bench

test-text: $(VENV)/.done-dev ## Every end-to-end run with tools offered as text instead of natively
	EQUITR_E2E_TOOLS=text $(BIN)/pytest -n $(WORKERS) -m "not slow" tests/e2e

test-money: $(VENV)/.done-dev ## The ledger's laws over 10,000 schedules
	$(BIN)/pytest -n $(WORKERS) -m slow tests/budget

bench: $(VENV)/.done-dev ## Measure start-up, time between turns, memory, request size
	$(BIN)/python bench/run.py

bench-parallel: $(VENV)/.done-dev ## Measure many workers: utilization, overhead, speed, git, memory; and the pool of worktrees
	$(BIN)/python bench/parallel.py --workers 1,8,16,32 --single
	$(BIN)/python bench/parallel.py --lease 5000

eval: $(VENV)/.done-run ## 20 small tasks on your own models, under a cap (EVAL_BUDGET, default 2.00 USD)
	$(BIN)/python bench/eval.py --budget $${EVAL_BUDGET:-2.00}

lock: ## Resolve the pinned, hashed requirements anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.done-venv:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed, and none was found on PATH"; echo "hint: install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 2; }
	@if command -v uv >/dev/null 2>&1; then uv venv -q --clear -p "$$(command -v $(PYTHON))" $(VENV); else $(PYTHON) -m venv --clear $(VENV); fi
	@touch $@

$(VENV)/.done-run: $(VENV)/.done-venv requirements/run.txt pyproject.toml
	@test -e $(VENV)/.done-dev || ./requirements/install $(VENV) requirements/run.txt
	@touch $@

$(VENV)/.done-dev: $(VENV)/.done-venv requirements/dev.txt pyproject.toml
	@./requirements/install $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.done-run

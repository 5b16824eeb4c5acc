# Everything a person needs. Finer things: `cargo dev`, `.venv/bin/pytest`, CONTRIBUTING.md.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-rust test-interpreters test-python wheel bench lint docs clean
.NOTPARALLEL:

PYTHON := .venv/bin/python
RUST_TESTS := --workspace --exclude ferdelance-python

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@scripts/setup.sh

build: setup ## install what is missing, build the extension module into python/ferdelance
	@scripts/build.sh

demo: build ## a picture by five engines; a slow program recorded, advised on, changed, and run again
	@$(PYTHON) examples/mandelbrot.py
	@$(PYTHON) examples/loop.py

test: test-rust test-interpreters test-python ## all tests: Rust, Python, conformance, fuzzing, wheel

test-rust: setup
	@echo "=== Rust"
	@cargo test $(RUST_TESTS)

test-interpreters: build
	@echo "=== other interpreters"
	@scripts/test-interpreters.sh

test-python: build
	@echo "=== Python"
	@scripts/test-python.sh $(PYTHON)

wheel: build ## a wheel for CPython 3.10 and later, in dist/
	@$(PYTHON) -m maturin build --release --compatibility manylinux_2_34 --out dist

bench: build ## measure beside NumPy, Numba, Pythran and C, in one run; rewrites docs/benchmarks.md
	@$(PYTHON) benchmarks/run.py $(BENCH)

lint: setup ## formatting and lints of Rust and Python
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@if cargo deny --version > /dev/null 2>&1; then cargo deny check; \
	else echo "cargo-deny is not installed: dependencies not checked"; fi

docs: setup ## the documentation as HTML, links checked, in docs/_build/
	@$(PYTHON) scripts/docs.py

clean: ## remove what was built (the virtual environments stay)
	@cargo clean
	@rm -rf dist docs/_build fuzz/out python/ferdelance/*.so .pytest_cache .ruff_cache .hypothesis
	@find python tests examples benchmarks fuzz scripts -name __pycache__ -prune -exec rm -rf {} +

# `make demo`: set up and run the main job. `make test`: set up and run every check. `make docs`: the pages as a site.
PYTHON ?= python3
BIN := .venv/bin
RUN_TIME := .venv/.installed
DEVELOPMENT := .venv/.installed-dev

.PHONY: demo test check docs clean

demo: $(RUN_TIME)
	$(BIN)/disbench sweep quick --out demo
	$(BIN)/disbench plot demo
	$(BIN)/disbench report demo

# Two processes with a thread each: on small tensors that beats one process with two.
test: $(DEVELOPMENT) check
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal --durations 10

check: $(DEVELOPMENT)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -rf build && $(BIN)/pip install --quiet --no-deps --target build/typecheck .
	MYPYPATH=build/typecheck $(BIN)/mypy -p disbench.bench -p disbench.metrics -p disbench.datasets

# The pages as a site in build/site, which needs no server; a link that leads nowhere is an error.
docs: $(DEVELOPMENT)
	rm -rf build/pages && mkdir -p build/pages && cp -R README.md CHANGELOG.md LICENSE docs results build/pages
	$(BIN)/mkdocs build --quiet --strict

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit('disbench needs Python 3.11 or newer' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv .venv

$(RUN_TIME): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --constraint constraints.txt --editable .
	touch $@

$(DEVELOPMENT): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --constraint constraints.txt --editable '.[dev]'
	touch $(RUN_TIME) $@

clean:
	rm -rf .venv build demo *.egg-info

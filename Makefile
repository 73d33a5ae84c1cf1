# Everything a fresh machine needs is installed into .venv by the first target that runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench check docs clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

demo: $(VENV)/ready  ## the three shares, a priced run, and a chart of each in demo/
	mkdir -p demo
	$(BIN)/computebill spend --plot demo/spend.png
	$(BIN)/computebill run --params 405B --tokens 15.6T --accelerator h100 --count 16384 \
		--mfu 0.36..0.43 --price 1.5..3 --operator Meta --plot demo/run.png
	@echo "Charts: demo/spend.png, demo/run.png"

test: $(VENV)/ready  ## the tests
	$(BIN)/python -m pytest -n auto

bench: $(VENV)/ready  ## speed, against a baseline in the same run
	$(BIN)/python -m pytest bench

docs: $(VENV)/ready  ## regenerate the outputs in README.md
	$(BIN)/cog -r README.md

check: $(VENV)/ready  ## lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cog --check README.md

clean:
	rm -rf $(VENV) build demo *.egg-info

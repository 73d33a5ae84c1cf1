# Everything a fresh machine needs is installed into .venv by the first target that runs, at the
# versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Instead of all tests on every core: make test-oldest PYTEST_ARGS='-n 2 -m "not slow"'
PYTEST_ARGS ?= -n auto

PUBLISHED := openai-2024 minimax-2025 zai-2025

.PHONY: sinks demo test test-newest test-oldest fuzz mutants parsers lock accuracy pictures bench check docs clean

# pip and setuptools first: those that came with Python are not the lock's.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip setuptools
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[test]"
	touch $@

# The lock and the lowest versions are those of the oldest Python that pyproject.toml allows.
$(VENV)-lock/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "needs PYTHON=python3.11")'
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --constraint constraints.txt pip pip-tools uv
	touch $@

lock: $(VENV)-lock/ready  ## constraints.txt from pyproject.toml: the newest releases that fit
	CUSTOM_COMPILE_COMMAND="make lock" $(VENV)-lock/bin/pip-compile --quiet \
		--output-file constraints.txt pyproject.toml
	sed -i 's/+cpu$$//' constraints.txt
	$(VENV)-lock/bin/python tests/support/locked.py

demo: $(VENV)/ready  ## the three shares, a priced run, and a chart of each in demo/
	mkdir -p demo
	$(BIN)/computebill spend $(PUBLISHED) --plot demo/spend.png
	$(BIN)/computebill run --params 405B --tokens 15.6T --accelerator h100 --count 16384 \
		--mfu 0.36..0.43 --price 1.5..3 --operator Meta --plot demo/run.png
	@echo "Charts: demo/spend.png, demo/run.png"

test: $(VENV)/ready  ## the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-newest:  ## the tests with the newest releases; torch as constraints.in has it
	$(PYTHON) -m venv --clear --upgrade-deps $(VENV)-newest
	$(VENV)-newest/bin/pip install --quiet --constraint constraints.in --editable ".[test]"
	$(VENV)-newest/bin/python -m pytest $(PYTEST_ARGS)

test-oldest: $(VENV)-lock/ready  ## the tests with the lowest releases that pyproject.toml allows
	$(PYTHON) -m venv --clear --upgrade-deps $(VENV)-oldest
	$(VENV)-lock/bin/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 \
		--extra test --output-file $(VENV)-oldest/constraints.txt pyproject.toml
	$(VENV)-oldest/bin/pip install --quiet --constraint $(VENV)-oldest/constraints.txt \
		--editable ".[test]"
	$(VENV)-oldest/bin/python -m pytest $(PYTEST_ARGS)

sinks:  ## a watch into Weights & Biases, MLflow, TensorBoard and a Trainer, each installed for it
	$(PYTHON) -m venv --clear --upgrade-deps $(VENV)-sinks
	$(VENV)-sinks/bin/pip install --quiet --constraint constraints.txt --editable ".[test]"
	$(VENV)-sinks/bin/pip install --quiet wandb mlflow-skinny sqlalchemy alembic tensorboard accelerate
	$(VENV)-sinks/bin/python -m pytest -n 0 tests/watching/test_real_sinks.py

COUNT ?= 1000
SEED ?= 0

fuzz: $(VENV)/ready  ## mutants of every kind of input; COUNT of each, SEED, what broke in demo/fuzz/
	$(BIN)/python tests/fuzz/large.py --count $(COUNT) --seed $(SEED) --out demo/fuzz

mutants: $(VENV)/ready  ## faults in copies of the step's kernels: which of them no test finds
	$(BIN)/python tests/mutants_of_steps.py

PARSERS := $(patsubst tests/launch/parsers/%.txt,%,$(wildcard tests/launch/parsers/*.txt))
# Megatron-LM and nanotron are read in checkouts of theirs: make parsers CHECKOUTS=FOLDER
CHECKOUTS ?=

$(VENV)-parsers/%/ready: tests/launch/parsers/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	touch $@

parsers: $(VENV)/ready $(PARSERS:%=$(VENV)-parsers/%/ready)  ## what plan --emit writes, by the frameworks' own parsers
	COMPUTEBILL_PARSERS=$(CURDIR)/$(VENV)-parsers COMPUTEBILL_CHECKOUTS=$(CHECKOUTS) \
		$(BIN)/python -m pytest -n 0 tests/launch/test_own_parsers.py

NOTE := computebill's own table of published training steps; see docs/measured-steps.md

accuracy: $(VENV)/ready  ## shipped efficiencies and spread of memory, and docs/accuracy.md's figures
	mkdir -p demo
	$(BIN)/python bench/memory_accuracy.py --spread estimator/training/memory_spread.toml
	OMP_NUM_THREADS=1 $(BIN)/computebill calibrate -o estimator/training/efficiency.toml \
		--note "$(NOTE)" --json > demo/calibrate.json
	$(BIN)/python docs/judged.py < demo/calibrate.json > docs/judged.json

SHOT := chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=8000

pictures: $(VENV)/ready  ## the pictures of README.md and docs/, by the tool and Debian's chromium
	mkdir -p demo docs/pictures
	$(BIN)/computebill spend $(PUBLISHED) --plot docs/pictures/spend.svg --json > demo/spend.json
	$(BIN)/computebill run examples/run.toml --json > demo/run.json
	$(BIN)/computebill score examples/models.csv -o demo/scored.csv --json > demo/score.json
	$(BIN)/computebill report demo/spend.json demo/run.json demo/score.json -o demo/report.html
	$(SHOT) --window-size=1100,1500 --screenshot=docs/pictures/report.png file://$(CURDIR)/demo/report.html
	$(BIN)/computebill serve --port 8130 & server=$$!; sleep 8; \
		$(SHOT) --window-size=1100,1000 --screenshot=docs/pictures/serve.png \
		'http://127.0.0.1:8130/?view=run'; kill $$server

bench: $(VENV)/ready  ## speed, against a baseline in the same run
	$(BIN)/python -m pytest bench

$(VENV)/docs: $(VENV)/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[docs,test]"
	touch $@

docs: $(VENV)/docs  ## regenerate the outputs in README.md and docs/; the site in build/site/
	$(BIN)/cog -I docs -r README.md docs/*.md
	$(BIN)/python -m sphinx -W -n -q -c docs . build/site

check: $(VENV)/ready  ## lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cog -I docs --check README.md docs/*.md

clean:
	rm -rf $(VENV) $(VENV)-lock $(VENV)-newest $(VENV)-oldest $(VENV)-parsers build demo *.egg-info

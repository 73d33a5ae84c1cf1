# Everything a fresh machine needs is installed into .venv by the first target that runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test fuzz pictures bench check docs clean

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

COUNT ?= 1000
SEED ?= 0

fuzz: $(VENV)/ready  ## mutants of every kind of input; COUNT of each, SEED, what broke in demo/fuzz/
	$(BIN)/python tests/fuzz/large.py --count $(COUNT) --seed $(SEED) --out demo/fuzz

SHOT := chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=8000

pictures: $(VENV)/ready  ## the README's pictures of the report and the page, by Debian's chromium
	mkdir -p demo docs/pictures
	$(BIN)/computebill spend --json > demo/spend.json
	$(BIN)/computebill run examples/run.toml --json > demo/run.json
	$(BIN)/computebill score examples/models.csv -o demo/scored.csv --json > demo/score.json
	$(BIN)/computebill report demo/spend.json demo/run.json demo/score.json -o demo/report.html
	$(SHOT) --window-size=1100,1500 --screenshot=docs/pictures/report.png file://$(CURDIR)/demo/report.html
	$(BIN)/computebill serve --port 8130 & server=$$!; sleep 8; \
		$(SHOT) --window-size=1100,1000 --screenshot=docs/pictures/serve.png \
		'http://127.0.0.1:8130/?view=run'; kill $$server

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

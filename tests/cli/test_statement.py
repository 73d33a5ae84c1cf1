from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from computebill.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
STATEMENT, PLAN = str(EXAMPLES / "statement.toml"), str(EXAMPLES / "plan.toml")
FEW = ("--samples", "512")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["statement", *arguments])


def test_json_is_what_python_says() -> None:
    done = run(STATEMENT, "--json", "--rules", "eu-cumulative", "--rules", "sb53", *FEW)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert list(told["totals"]) == ["eu-cumulative", "sb53"]
    assert told["about"]["command"].startswith("computebill statement ")
    assert told["seed"] == 0
    assert re.fullmatch(r"[0-9a-f]{64}", told["inputs_sha256"])


def test_csv_has_a_row_a_line() -> None:
    done = run(STATEMENT, "--csv", *FEW)
    header, *rows = done.stdout.splitlines()
    assert header.startswith("source,part,item,flop_p5")
    assert header.endswith(",all")
    assert len(rows) > 8


def test_a_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(STATEMENT, "--html", str(page), *FEW).exit_code == 0
    assert "Training compute of SmolLM3-3B" in page.read_text(encoding="utf-8")


def test_the_card_and_the_form() -> None:
    card = run(STATEMENT, "--card", *FEW)
    assert card.stdout.startswith("## Training compute of SmolLM3-3B")
    form = run(STATEMENT, "--form", *FEW)
    assert "2.1e23 FLOP" in form.stdout
    assert run(STATEMENT, "--markdown", *FEW).stdout.startswith("## Training compute of SmolLM3")
    (line,) = run(STATEMENT, "--brief", *FEW).stdout.splitlines()
    assert line.startswith("SmolLM3-3B: 2.1e23 FLOP by eu-updates, above 1e23; ")
    assert line.endswith("Arithmetic, not legal advice.")
    for told in (card.stdout, form.stdout):
        assert "not legal advice" in told
        assert "Read second-hand, at least in part: raise" in told
    fields = json.loads(run(STATEMENT, "--form", "--json", *FEW).stdout)["fields"]
    assert {"section": "General information", "title": "Model name"}.items() <= fields[1].items()


def test_a_rule_set_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\ntitle = "Mine"\nmeasures = "m"\nread_on = 2026-11-30\nhow_read = "whole"\n'
        '[sources.own]\ntitle = "Mine"\n[[line]]\nitem = "exploratory_research"\n'
        'treatment = "counts"\nbasis = "text"\nwhere = "1"\nsource = "own"\nread = "primary"\n'
        'words = "All of it."\n',
        encoding="utf-8",
    )
    told = json.loads(run(STATEMENT, "--json", "--rules", str(own), *FEW).stdout)
    line = next(each for each in told["lines"] if each["item"] == "exploratory_research")
    assert told["totals"]["own"]["flop"]["p50"] == line["flop"]["p50"]


def test_a_planned_run() -> None:
    told = json.loads(run(PLAN, "--planned", "--json", "--synthetic", "1T", *FEW).stdout)
    assert told["planned"]["rule_set"] == "eu-cumulative"
    assert [each["name"] for each in told["stages"]] == ["pretraining", "data made by the model"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([STATEMENT, "--rules", "eu"], "rules: got 'eu'; allowed: eu-updates, eu-cumulative"),
        ([STATEMENT, "--start", "2027-01-01"], "--start: is of a planned run; give --planned"),
        ([PLAN, "--planned", "--start", "soon"], "--start: got 'soon'; allowed: a day"),
        ([PLAN, "--planned", "--synthetic", "much"], "--synthetic: got 'much'; allowed: a num"),
        ([STATEMENT, "--card", "--form"], "--card: got --form as well"),
        ([STATEMENT, "--card", "--json"], "--card: is printed alone"),
        ([STATEMENT, "--form", "--csv"], "--form: is printed as a table"),
        ([PLAN], "stage is missing; allowed: one or more; a plan is asked of --planned"),
        (["nosuch.toml"], "nosuch.toml: cannot be read"),
    ],
)
def test_what_is_wrong_ends_with_status_2(arguments: list[str], told: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


def test_a_refused_statement_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[model]\nname = "m"\n[[stage]]\nkind = "pretrain"\n', encoding="utf-8")
    script = (
        "import sys\nfrom computebill.cli import main\n"
        "try:\n    main(['statement', sys.argv[1]])\n"
        "except SystemExit as stop:\n    print('torch' in sys.modules, stop.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        check=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.stdout.splitlines()[-1] == "False 2"
    assert "stage[0]: tokens: is missing; allowed with kind pretrain: tokens" in done.stderr

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from known import LLAMA_ROW
from scipy.stats import norm

import computebill as cb
from computebill.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "models.csv"


def scored(rules: str | None = "eu-cumulative", **changes: str | None) -> pd.Series:
    row = {key: value for key, value in {**LLAMA_ROW, **changes}.items() if value is not None}
    found = cb.score_catalogue(pd.DataFrame([row], dtype="string"), rules=rules)
    assert found.scored is not None
    return found.scored.iloc[0]


def test_odds_are_those_of_the_rows_interval() -> None:
    row = scored()
    sigma = math.log(row["flop_p95"] / row["flop_p50"]) / norm.ppf(0.95)
    for threshold, name in ((1e25, "1e25"), (1e26, "1e26")):
        expected = norm.sf(math.log(threshold / row["flop_p50"]) / sigma)
        assert row[f"odds_above_{name}"] == pytest.approx(expected, rel=1e-9)
    assert row["odds_above_1e23"] > row["odds_above_1e25"] > row["odds_above_1e26"]


def test_without_rules_there_are_no_odds() -> None:
    assert not [name for name in scored(None).index if name.startswith("odds")]


def test_a_tune_says_what_becomes_of_its_base() -> None:
    assert "counts the base's training" in scored(**{"Base model": "Llama 3"})["notes"]
    told = scored("eu-modification", **{"Base model": "Llama 3"})["notes"]
    assert "does not count the base's training" in told


def test_the_command_adds_columns_and_refuses_unknown_rules(tmp_path: Path) -> None:
    output = tmp_path / "scored.csv"
    asked = ["score", str(EXAMPLES), "-o", str(output), "--rules"]
    assert CliRunner().invoke(main, [*asked, "eu-cumulative"]).exit_code == 0
    rows = pd.read_csv(output)
    assert rows["odds_above_1e25"].between(0, 1).all()
    assert len(rows) == len(pd.read_csv(EXAMPLES))
    refused = CliRunner().invoke(main, [*asked, "eu"])
    assert refused.exit_code == 2
    assert "rules: got 'eu'; allowed: eu-updates" in refused.output

"""Rules: what they match, what is wrong with them, and those that are proposed."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.ledger import read_ledger
from computebill.ledger.cells import read_words
from computebill.ledger.groups import proposed
from computebill.ledger.rules import Rule, Rules, read_rules, rules_of
from computebill.ledger.schema import FINAL

HEAD = "JobID|JobName|User|Account|Partition|State|Elapsed|AllocTRES"


def sacct(path: Path, *names: str) -> Path:
    rows = [
        f"{number}|{name}|ann|alpha|gpu|COMPLETED|02:00:00|gres/gpu=8"
        for number, name in enumerate(names)
    ]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[rule]]\nkind = "finals"\nname = "x"', "allowed: final run"),
        ('[[rule]]\nkind = "idle"', "looks at nothing"),
        ('[[rule]]\nkind = "idle"\nname = "(?=x)"', "look-around"),
        ('[[rule]]\nkind = "idle"\nname = "(x"', "regular expression"),
        ('[[rule]]\nkind = "idle"\nnames = "x"', "names"),
        ('[[accelerator]]\npartition = "x"\nprofile = "h1000"', "not a known accelerator"),
        ('[prices]\n"h100-sxm" = -1', "prices"),
        ('[[rule]]\nkind = "idle"\nname = ""', "name: got ''; allowed: a regular expression"),
        ('[[rule]]\nkind = "idle"\nmin_hours = 5\nmax_hours = 1', "min_hours 5 is above"),
        ('[rates]\nEUR = "x"', "rates.EUR: got 'x'; allowed: a number"),
        ("[chains]\ngap_hours = inf", "allowed: a finite number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_rules(path)


def test_an_expression_that_would_never_end_ends(tmp_path: Path) -> None:
    name = "a" * 4000 + "b"
    rules = Rules.model_validate({"rule": [{"kind": "final run", "name": "^(a+)+$"}]})
    begun = time.perf_counter()
    found = read_ledger([sacct(tmp_path / "a.txt", name)], rules)
    assert list(found.parts["kind"]) == ["unknown"]
    assert time.perf_counter() - begun < 20


LOOKED: list[dict[str, object]] = [
    {"name": "^a"},
    {"name": "b|c"},
    {"user": "x"},
    {"name": "c", "user": "y"},
    {"name": "a", "min_hours": 3.0},
    {"max_accelerators": 4.0},
    {"host": "n"},
    {"project": "p"},
]


@pytest.mark.parametrize("seed", range(6))
def test_rules_are_those_of_a_loop(seed: int) -> None:
    """Rules of one text, which are looked at text by text, among those of several and of limits."""
    rng = np.random.default_rng(seed)
    columns = {
        "name": rng.choice(["a", "ab", "bc", "c", "d"], 300),
        "user": rng.choice(["x", "y", ""], 300),
        "project": np.full(300, ""),
    }
    hours, accelerators = rng.integers(1, 6, 300).astype(float), rng.choice([2.0, 8.0, np.nan], 300)
    told = [LOOKED[place] for place in rng.permutation(len(LOOKED))]
    rules = [Rule.model_validate({"kind": FINAL, **each}) for each in told]
    words = {name: read_words(pa.array(list(values))) for name, values in columns.items()}
    found = rules_of(tuple(rules), words, None, accelerators, hours)

    def is_meant(each: dict[str, object], row: int) -> bool:
        looked = [name for name in ("name", "user", "host", "project") if name in each]
        cells = [columns[name][row] if name in columns else "" for name in looked]
        pairs = zip(looked, cells, strict=True)
        texts = all(cell and re.search(str(each[name]), cell) for name, cell in pairs)
        least = hours[row] >= float(str(each.get("min_hours", 0)))
        few = "max_accelerators" not in each or bool(accelerators[row] <= 4.0)
        return texts and least and few

    for row in range(300):
        assert found[row] == next((at for at, each in enumerate(told) if is_meant(each, row)), -1)


def test_the_first_rule_that_matches_counts(tmp_path: Path) -> None:
    rules = {
        "rule": [
            {"kind": "evaluation", "name": "eval", "project": "^alpha$"},
            {"kind": "final run", "name": "eval|big"},
            {"kind": "failed or restarted", "state": "failed"},
        ]
    }
    path = sacct(tmp_path / "a.txt", "eval-1", "big", "small")
    found = read_ledger([path], Rules.model_validate(rules))
    assert {name: each.jobs for name, each in found.parts["kind"].items()} == {
        "evaluation": 1,
        "final run": 1,
        "unknown": 1,
    }


def test_a_rule_that_names_no_job_is_told(tmp_path: Path) -> None:
    """One that matches none, and one that a rule before it leaves nothing to."""
    path = sacct(tmp_path / "a.txt", "train-1", "train-2", "eval-1")
    rules = Rules.model_validate(
        {
            "rule": [
                {"kind": "final run", "name": "^train"},
                {"kind": "evaluation", "name": "^evals"},
                {"kind": "post-training", "name": "train-2"},
            ]
        }
    )
    found = read_ledger([path], rules)
    assert found.named.tolist() == [2, 0, 0]
    told = {each.name: each.value for each in found.assumptions if each.name.startswith("rule")}
    assert told == {"rule[1], evaluation": "no job", "rule[2], post-training": "no job"}


def test_proposed_rules_are_rules_and_sort_what_they_were_made_from(tmp_path: Path) -> None:
    names = ["sft-7b-lr1", "sft-7b-lr2", "eval.mmlu (a+b)", 'odd "name"', "zzz"]
    path, target = sacct(tmp_path / "a.txt", *names), tmp_path / "rules.toml"
    result = CliRunner().invoke(main, ["ledger", "init", str(path), "-o", str(target)])
    assert result.exit_code == 0, result.output
    text = target.read_text()
    assert text.index("^sft-") < text.index("^eval")  # most hours first
    found = read_ledger([path], read_rules(target))
    assert {name: each.jobs for name, each in found.parts["kind"].items()} == {
        "unknown": 2,
        "post-training": 2,
        "evaluation": 1,
    }
    again = CliRunner().invoke(main, ["ledger", "init", str(path), "-o", str(target)])
    assert again.exit_code == 2
    assert "--force" in again.output


def test_a_proposal_of_nothing_is_a_file_of_rules() -> None:
    assert tomllib.loads(proposed(pd.DataFrame(), "a")) == {}

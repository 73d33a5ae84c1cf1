"""The first sentence of every result."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from results import told

from computebill.views.answers import KINDS, answer_of, kind_of, plan, score
from computebill.views.answers.answer import Figure, figure
from computebill.views.report import reports_of

Results = dict[str, dict[str, Any]]
OF = {
    "laid-out": "run",
    "spends": "several programmes",
    "stages": "run of stages",
    "validate": "validate or calibrate",
}


def test_figures_are_read_from_their_text() -> None:
    assert figure("", "32.1 k (21.9–46.4) MWh") == Figure("", "32.1 k MWh", "21.9–46.4")
    assert figure("", "3.80e25") == Figure("", "3.80e25")
    assert figure("", "32.1 k (21.9–46.4) MWh").text == "32.1 k MWh (21.9–46.4)"


def test_every_result_has_a_sentence_that_its_page_says(results: Results) -> None:
    for name, result in results.items():
        kind = kind_of(result)
        assert kind == OF.get(name, name.replace("hardware-show", "hardware show"))
        answer = answer_of(result)
        assert answer is not None
        assert re.fullmatch(r"\S.*\d.*\.", answer.sentence)  # one line, a number, a full stop
        page = reports_of([("x.json", result)])[0]
        assert (page.title, page.answer) == (answer.title, answer.sentence)
        assert [each.label for each in page.figures] == [each.label for each in answer.figures]


def test_a_list_has_no_answer() -> None:
    assert answer_of({"models": []}) is None
    assert answer_of({}) is None


def test_a_run_that_does_not_fit_says_so_first() -> None:
    small = ("run", "--params", "8B", "--tokens", "50M", "--accelerator", "rtx-4090", "--json")
    found = told(*small, "--count", "1", "--samples", "64")
    answer = answer_of(found)
    assert answer is not None
    # 2 B of weight, 4 of gradient, 4 of master weight, 8 of moments: ZeRO, arXiv:1910.02054, with
    # gradients in 32 bits as Megatron-LM keeps them.
    assert answer.sentence.startswith("Does not fit as all weights are usually trained: ")
    assert f"take {8 * 18} GB" in answer.sentence
    assert "on 1 x 24 GB; 6 of them have that" in answer.sentence
    assert not any(note in answer.sentence for note in answer.notes)
    assert found["notes"][0] in answer.sentence
    enough = answer_of(told(*small, "--count", "8", "--samples", "64"))
    assert enough is not None
    assert enough.sentence.startswith("The run takes ")


@pytest.mark.parametrize("kind", ["hardware", "hardware-show"])
def test_what_needs_no_tensors_and_no_charts_loads_none(results: Results, kind: str) -> None:
    script = (
        "import sys, json; from computebill.views.answers import answer_of;"
        "print(answer_of(json.load(sys.stdin)).sentence); "
        "sys.exit('torch' in sys.modules or 'altair' in sys.modules)"
    )
    given = json.dumps(results[kind])
    done = subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = answer_of(results[kind])
    assert answer is not None
    assert done.stdout == f"{answer.sentence}\n"


def test_answers_draw_nothing() -> None:
    names = ", ".join(sorted({place.split(".")[0] for _, place in KINDS.values()}))
    script = f"import sys; from computebill.views.answers import {names};"
    script += "sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_layout_is_told_without_what_is_one() -> None:
    layout = dict.fromkeys((*plan.DEGREES, "etp"), 1) | {"zero": 1, "shards": None}
    layout |= {"micro_batch": 2, "schedule": "1f1b"}
    one = {"layout": {**layout, "recompute": "none", "accelerators": 8}}
    assert plan.described(one) == "no parallel degree, zero 1, micro-batch 2"
    one["layout"] |= {"tp": 8, "schedule": "zero-bubble", "recompute": "full"}
    assert plan.described(one) == "tp 8, zero 1, micro-batch 2, zero-bubble, recompute full"
    one["layout"] |= {"ep": 4, "dp": 2, "cp": 4, "etp": 8, "zero": 3, "shards": 8}
    assert plan.described(one).startswith("tp 8, cp 4, dp 2, ep 4, etp 8, zero 3 in 8, micro-batch")


def test_an_unknown_end_is_the_median() -> None:
    row = {"flop_p5": None, "flop_p50": 1e24, "flop_p95": 2e24}
    assert score.spread(row, "flop").p5 == 1e24
    assert not score.spread({**row, "flop_p50": None}, "flop").is_known

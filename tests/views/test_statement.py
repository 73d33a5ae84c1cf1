from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from looks import printed
from rich.console import Console

import computebill as cb
from computebill.statements.estimate import DISCLAIMER
from computebill.views import statement as view
from computebill.views import statement_tables as parts
from computebill.views.answers.statement import answer
from computebill.views.statement_card import markdown
from computebill.views.tables import narrowed

EXAMPLE = Path(__file__).parents[2] / "examples" / "statement.toml"
Results = dict[str, dict[str, Any]]


def shown(found: cb.Statement | cb.Watch) -> str:
    console = Console(width=160, markup=False, emoji=False, color_system=None)
    with console.capture() as captured:
        for part in view.full(found):
            console.print(part)
    return captured.get()


@pytest.fixture(scope="module")
def text() -> str:
    return shown(cb.state(EXAMPLE, samples=512))


@pytest.mark.parametrize(
    "told",
    [
        DISCLAIMER,
        "Read second-hand, at least in part: raise, fmf.",
        "SmolLM3-3B: training compute (* held to)",
        "Both methods; utilisation that the first makes of the hours, and what was told",
        "When the running total crosses; sooner where that is known before",
        "Of servers of the accelerators that the stages name",
        "Why",
        "What the rules leave open of how to count",
        "inputs SHA-256",
    ],
)
def test_the_terminal_tells(text: str, told: str) -> None:
    assert told in re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_heading_and_no_figure_is_cut(results: Results, width: int) -> None:
    """Of tables whose columns went whole; headings may be on several lines."""
    found = cb.state(EXAMPLE, samples=512)
    for told in parts.all_tables(results["statement"]):
        given = next(each for each in view.full(found) if getattr(each, "title", "") == told.title)
        table = narrowed(given, width)
        shown = printed([table], width)
        letters = "".join(shown.split())
        gone = str(table.caption or "").partition(": ")[2].partition(";")[0].split(", ")
        places = [at for at, heading in enumerate(told.headings) if heading not in gone]
        assert len(places) >= 2, told.title
        assert max(map(len, shown.splitlines())) <= width
        lines = [line.split() for line in shown.splitlines()]
        for place in places:
            for word in told.headings[place].replace("-", "- ").split():
                assert any(word in line for line in lines), (told.title, word)
            if place and told.headings[place] not in told.left:
                for row in told.rows:
                    assert "".join(row[place].split()) in letters, (told.title, row)
        if width == 120:
            assert table.caption is None, told.title


def test_what_nobody_read_is_on_no_side_of_a_threshold(results: Results) -> None:
    rows = {row[0]: row for row in parts.totals(results["statement"]).rows}
    assert set(rows["fmf"][-3:]) == {"–"}
    assert set(rows["sb53"][-3:]) == {"yes", "no", "no *"}


def test_the_sentence_says_what_it_rests_on() -> None:
    stage = {"name": "pre", "tokens": 1e12, "gpu_hours": 1e5, "mfu": 0.4, "accelerator": "h100"}
    data = {"model": {"name": "m", "params": 1e9}, "stage": [stage]}
    told = answer(cb.state(data, rules=["raise", "sb53"]).to_dict()).sentence
    assert "FLOP by raise (read second-hand), not above 1e26; 6.0e21 FLOP by sb53, not" in told
    assert told.endswith(
        "The two methods differ by more than the margin in pre. Arithmetic, not legal advice."
    )


def test_every_line_is_told_with_its_treatment(results: Results) -> None:
    result = results["statement"]
    table = parts.lines(result)
    assert len(table.rows) == len(result["lines"])
    place = list(table.headings).index("eu-cumulative")
    told = {(row[0], row[1]): row[place] for row in table.rows}
    assert told["pretraining", "pretraining"] == "yes"
    assert told["first attempt", "runs whose weights were dropped"] == "need not"
    assert told["Qwen3-32B", "a teacher's own training"] == "need not"


def test_a_lower_bound_and_odds_are_said() -> None:
    data = {
        "model": {"name": "m", "params": 1e10},
        "lineage": [{"name": "base"}],
        "stage": [{"tokens": {"low": 1e12, "high": 2e12}}],
    }
    found = cb.state(data, samples=512, rules=["eu-cumulative", "eu-updates"])
    told = answer(found.to_dict()).sentence
    assert told.startswith("m: at least 9.0e22 FLOP by eu-cumulative, not above 1e25; ")
    assert "9.0e22 FLOP by eu-updates, with odds of 33 % above 1e23" in told
    assert "As a modification (* of the threshold" in shown(found)


def test_a_planned_run_is_told_with_what_moves_it() -> None:
    data = {"model": {"name": "m", "params": 1e10}, "stage": [{"tokens": 1e12}]}
    told = shown(cb.watch(data, samples=512, rules=["eu-cumulative"]))
    assert "Each alone reaches it, all else as planned" in told
    assert re.search(r"half the tokens of pretrain +3\.0e22", told)
    assert re.search(r"1e23 +1\.67 T", told)


def test_markdown_is_one_table_after_the_other(results: Results) -> None:
    result = results["statement"]
    told = markdown("a | b", result)
    assert told.startswith("## Training compute of SmolLM3-3B\n\na \\| b\n\n- ")
    widths: list[int] = []
    for line in told.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if line.startswith("|"):
            widths.append(cells)
            assert cells == widths[0]
        else:
            widths = []
    for each in result["sources"].values():
        assert each["title"].split("*")[0] in told
    assert result["inputs_sha256"] in told

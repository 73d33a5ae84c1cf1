from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from known import LLAMA_8B
from measured_device import whole_bench
from results import EXAMPLES, HEADER, MEASURED, SWEEP
from rich.console import Console
from rich.table import Table

import computebill as cb
from computebill.base.quantity import parse_quantity
from computebill.views import notebook
from computebill.views import run as run_view

HOSTILE = '<script>alert("1")</script>'
RUN: dict[str, Any] = {"params": "7B", "tokens": "2T", "accelerator": "h100", "mfu": 0.4}
RUN |= {"price": 2, "count": 8}
CONFIG = LLAMA_8B
ROLLOUTS: dict[str, Any] = {
    "kind": "rl", "params": "8B", "steps": 10, "prompts": 64, "samples_per_prompt": 16,
    "answer_mean": 3000, "accelerator": "h100", "count": 16, "mfu": 0.4,
}  # fmt: skip


class Reader(HTMLParser):
    """Every text in order; each tag is closed in its turn, none loads or runs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe", "object")
        assert {name for name, _ in attrs} <= {"class"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        else:
            assert "url(" not in data
            assert "@import" not in data


def read(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader.texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


def made(kind: str, folder: Path) -> Any:
    sweep, measured, config = (folder / name for name in ("s.toml", "m.csv", "config.json"))
    config.write_text(json.dumps(CONFIG))
    sweep.write_text(SWEEP)
    measured.write_text(HEADER + MEASURED)
    fit = {"model": str(config), "tokens": "1T", "accelerator": "h100", "global_batch": 512}
    fit |= {"sequence_length": 4096, "price": 2, "count": 32}
    makers = {
        "RunEstimate": lambda: cb.estimate_run(RUN, samples=64),
        "StagedEstimate": lambda: cb.estimate_stages({"stage": [RUN]}, samples=64),
        "Plan": lambda: cb.plan(fit),
        "ComparedPlan": lambda: cb.compare_plans({**fit, "deadline": 90}),
        "RolloutPlan": lambda: cb.plan_rollouts(ROLLOUTS, samples=64),
        "ModelCard": lambda: cb.describe_model(CONFIG),
        "Utilisation": lambda: cb.utilisation(
            CONFIG, speed=cb.Speed(tokens_per_second_per_gpu=9000), accelerator="h100"
        ),
        "SpendEstimate": lambda: cb.compare_spend("openai-2024", samples=64),
        "SweepEstimate": lambda: cb.price_sweep(sweep, samples=64),
        "Statement": lambda: cb.state(EXAMPLES / "statement.toml", samples=64),
        "Watch": lambda: cb.watch(EXAMPLES / "plan.toml", samples=64),
        "Score": lambda: cb.score_catalogue(pd.read_csv(EXAMPLES / "models.csv")),
        "Validation": lambda: cb.validate(measured),
        "Ledger": lambda: cb.read_ledger([EXAMPLES / "ledger" / "runs.csv"]),
        "Bench": whole_bench,
        "Forecast": lambda: cb.forecast_spend("openai-2024", parse_quantity("2"), samples=64),
    }
    return makers[kind]()


@pytest.mark.parametrize("kind", list(notebook.VIEWS))
def test_results_are_brief_in_text_and_tables_in_html(kind: str, folder: Path) -> None:
    result = made(kind, folder)
    told = repr(result)
    assert told.startswith(f"<{kind} ")
    assert len(told) <= 160
    assert "\n" not in told
    html = result._repr_html_()
    assert html.count("<table") >= 1
    shown = "".join(read(html))
    # The same words as on the terminal, in the same order.
    console = Console(width=4000, markup=False, emoji=False, color_system=None)
    view = notebook._view(result)
    beside = [view.elsewhere_of(result)] if kind == "SpendEstimate" else []
    answer = notebook._answer(result)
    with console.capture() as captured:
        console.print(answer.sentence)
        for each in answer.figures:
            console.print("".join(each))
        for part in view.full(result, *beside):
            console.print(part)
    letters = re.sub(r"[\s─━]", "", captured.get())
    assert sorted(re.sub(r"\s", "", shown)) == sorted(letters)


def test_names_are_no_markup() -> None:
    result = cb.estimate_run({**RUN, "name": HOSTILE}, samples=64)
    html = result._repr_html_()
    assert "<script" not in html
    assert any(HOSTILE in text for text in read(html))


def test_a_long_table_is_folded_and_the_answer_is_not() -> None:
    result = cb.estimate_run(RUN, samples=64)
    html = result._repr_html_()
    first = next(each for each in run_view.full(result) if isinstance(each, Table))
    assert html.index(str(first.title)) < html.index("<details>")
    assert "<summary>What went in</summary>" in html


def test_a_long_name_leaves_the_line_short() -> None:
    result = cb.estimate_run({**RUN, "name": "a " * 50 + "b" * 90}, samples=64)
    assert len(repr(result)) <= notebook.LONGEST_LINE + len("<RunEstimate >")


def test_what_a_session_names_is_one_line() -> None:
    programme = cb.load_programme("minimax-2025")
    for each in (
        cb.find_accelerator("h100"),
        cb.read_architecture(CONFIG),
        cb.load_sweep("smollm3"),
        cb.Layout(tp=8),
        programme,
        programme.programme,
    ):
        assert len(repr(each)) <= 160
        assert "\n" not in repr(each)


def test_names_of_the_package_are_the_public_ones() -> None:
    assert dir(cb) == sorted(cb.__all__)

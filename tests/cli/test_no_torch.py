"""What needs no tensors is answered without torch, whose import takes a second and more.

And without numpy, whose import is a quarter of what a refusal takes, but where records are read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import contextlib, io, json, sys
from computebill.cli import main
for line in sys.stdin:
    had, told = {"numpy", "torch"} & sys.modules.keys(), io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
            main(json.loads(line), prog_name="computebill")
    except SystemExit as stop:
        loaded = sorted({"numpy", "torch"} & sys.modules.keys() - had)
        print(json.dumps([loaded, stop.code, told.getvalue()]))
"""
"""Of many requests in one process the first that needs a library is the one that loads it."""

RUN = ["run", "--params", "8B", "--tokens", "1T", "--accelerator", "h100", "--count", "8"]


LISTS = (["hardware"], ["hardware", "show", "h100"], ["sweep"])

REFUSED = (
    (["spend", "nosuch"], "programme: got 'nosuch'"),
    (["spend", "minimax-2025", "--variant", "nosuch"], "variant: "),
    (["spend", "--draws", "draws.parquet"], "--draws: allowed: one programme"),
    (["spend", "lab.toml"], "lab.toml: "),
    (["spend", "zai-2025", "--set", "assumptions.prise=2"], "nearest: price"),
    (["sweep", "nosuch"], "sweep: got 'nosuch'"),
    (["sweep", "smollm3", "--gpus", "many"], "--gpus: "),
    (["sweep", "smollm3", "--price", "dear"], "--price: "),
    (["sweep", "smollm3", "--budget", "all"], "--budget: "),
    (["sweep", "smollm3", "--experiments", "rows.csv"], "--experiments: "),
    (["sweep", "lab.toml"], "lab.toml: "),
    (["run", "--brief", "--json"], "--json: got --brief as well"),
    ([*RUN, "--lost", "110%"], "--lost: got '110%'"),
    ([*RUN, "--lora-rank", "16"], "layout (lora_rank): needs model"),
    (["run"], "  run: give params (or params_active, or model) and tokens, or flop"),
    ([*RUN, "--mfu", "40"], "--mfu: got 40; allowed: above 0, up to 1; did you mean 40%?"),
    ([*RUN, "--failure", "3"], "Did you mean '--failures-per-gpu-day'?"),
    ([*RUN, "--accelerator", "256 x H100"], "apart: --accelerator 'H100' --count 256"),
    ([*RUN, "--accelerator", "h100,b200"], "give one, h100; `computebill plan` compares"),
    (["plan", "--model", "llama-3.1-8b", *RUN[3:], "--lost", "much"], "--lost: "),
    (["report", "lab.toml"], "lab.toml: is not JSON"),
    (["report", "config.json"], "config.json: is no result of a command that has a page"),
    (["statement", "nosuch.toml"], "nosuch.toml: cannot be read"),
    (["statement", "lab.toml", "--rules", "nosuch"], "rules: got 'nosuch'"),
    (["run", "--kind", "nosuch"], "--kind: got 'nosuch'"),
    (["run", "--kind", "rl", "--params", "8B", "--steps", "5"], "prompts: is missing"),
    (["run", "--launch", "nosuch.sh"], "nosuch.sh: cannot be read"),
    (["run", "--launch", "lab.toml"], "lab.toml: is of no framework that is known"),
    (["ledger"], "RECORDS"),
    (["ledger", "nosuch.csv"], "nosuch.csv: cannot be read"),
)
"""Requests, and what each is told."""


WITH_NUMPY = ["ledger", "nosuch.csv"]
"""The last request, whose records are columns."""

Answered = dict[str, tuple[list[str], int, str]]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """Return which libraries a request loaded, its exit status, and what it was told."""
    folder = tmp_path_factory.mktemp("requests")
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (folder / "lab.toml").write_text('nosuch = 1\n[[groups]]\nname = "a"\n', encoding="utf-8")
    requests = [json.dumps(each) for each in (*LISTS, *(asked for asked, _ in REFUSED))]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(requests),
        capture_output=True,
        check=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(requests, found, strict=True))


@pytest.mark.parametrize("arguments", LISTS)
def test_lists_need_no_torch(answered: Answered, arguments: list[str]) -> None:
    loaded, status, _ = answered[json.dumps(arguments)]
    assert (loaded, status) == ([], 0)


@pytest.mark.parametrize(("arguments", "told"), REFUSED)
def test_a_refused_request_needs_no_torch(
    answered: Answered, arguments: list[str], told: str
) -> None:
    loaded, status, error = answered[json.dumps(arguments)]
    assert (loaded, status) == (["numpy"] if arguments == WITH_NUMPY else [], 2)
    assert told in error

"""What needs no tensors is answered without torch, whose import takes a second and more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from computebill.cli import main
try:
    main(sys.argv[1:], prog_name="computebill")
except SystemExit as stop:
    print("torch" in sys.modules, stop.code)
"""


def answered(folder: Path, *arguments: str) -> tuple[str, str]:
    """Return whether torch was loaded and the exit status; and what was told."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        check=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    return done.stdout.splitlines()[-1], done.stderr


RUN = ["run", "--params", "8B", "--tokens", "1T", "--accelerator", "h100", "--count", "8"]


@pytest.mark.parametrize("arguments", [["hardware"], ["hardware", "show", "h100"], ["sweep"]])
def test_lists_need_no_torch(tmp_path: Path, arguments: list[str]) -> None:
    assert answered(tmp_path, *arguments)[0] == "False 0"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
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
    ],
)
def test_a_refused_request_needs_no_torch(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (tmp_path / "lab.toml").write_text('nosuch = 1\n[[groups]]\nname = "a"\n', encoding="utf-8")
    ended, error = answered(tmp_path, *arguments)
    assert ended == "False 2"
    assert told in error

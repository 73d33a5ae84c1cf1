"""Small results of every command that has a page, as ``--json`` prints them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from known import LLAMA_8B
from measured_device import whole_bench

from computebill.cli import main
from computebill.cli.outputs import to_json
from computebill.programmes.opened import opened_bars

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = ("run", "--params", "7B", "--tokens", "2T", "--accelerator", "h100", "--count", "512")
FEW = ("--samples", "512", "--json")
RUN += ("--mfu", "0.3..0.45", "--price", "1.5..3", "--samples", "512", "--json")
FIT = ("--tokens", "1T", "--accelerator", "h100", "--global-batch", "512")
FIT += ("--sequence-length", "4096", "--price", "2")
BENCH_ABOUT = {"command": "computebill bench --json", "computebill": "0.1.0"}
SPEED = ("--tokens-per-second", "9000", "--accelerator", "h100")
SWEEP = """
name = "Mine"
price = "1.5..3"
[defaults]
accelerator = "h100"
[final]
gpu_hours = 5000
[cluster]
gpus = 64
[[groups]]
name = "ladder"
count = 8
grid = { params = ["100M", "400M", "1B"], tokens_per_param = [5, 20] }
[[groups]]
name = "words"
kind = "generate"
params = "8B"
tokens = "1B"
output_tokens = 1000
count = 8
"""
STAGES = """
name = "Mine in stages"
params = "7B"
accelerator = "h100"
count = 64
price = "1.5..3"
[[stage]]
tokens = "1T"
mfu = 0.4
[[stage]]
kind = "preference"
from = "pretrain"
tokens = "1B"
[[stage]]
kind = "rl"
from = "preference"
steps = 50
prompts = 64
samples_per_prompt = 8
answer_length = "500..4000"
kept_share = 0.5
goodput = 1
mfu = 0.3
"""
HEADER = (
    "source_id,model,gpu,n_gpus,n_layers,hidden,n_heads,ffn_hidden,gated_mlp,vocab,seq_len,tp,pp,"
    "dp,micro_batch,global_batch_seqs,precision,framework,year,iter_seconds\n"
)
MEASURED = """\
a,Small,H100-SXM-80GB,8,32,4096,32,14336,1,128256,4096,1,1,8,1,64,bf16,nemo,2025,3.1
b,Small,A100-80GB,8,32,4096,32,14336,1,128256,4096,1,1,8,1,64,bf16,nemo,2025,7.5
b,Odd,A100-80GB,8,32,4096,32,14336,1,128256,4096,,,8,1,64,bf16,nemo,2025,7.5
"""


def told(*arguments: str) -> dict[str, Any]:
    """Return what a command prints with --json."""
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def asked(*arguments: str) -> dict[str, Any]:
    """Return what a command prints when --json is put after its arguments."""
    return told(*arguments, "--json")


@cache
def told_ledger() -> dict[str, Any]:
    """Return what the example's records tell, beside the best known programmes."""
    folder = EXAMPLES / "ledger"
    records = (str(folder / "sacct.txt"), str(folder / "runs.csv"))
    rules = ("--rules", str(folder / "rules.toml"))
    return {**told("ledger", *records, *rules, "--json"), "beside": opened_bars("A")}


@cache
def all_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return one result of each kind; made once a folder."""
    names = ("config.json", "s.toml", "m.csv", "stages.toml")
    config, sweep, measured, stages = (folder / name for name in names)
    config.write_text(json.dumps(LLAMA_8B))
    sweep.write_text(SWEEP)
    measured.write_text(HEADER + MEASURED)
    stages.write_text(STAGES)
    model = ("--model", str(config))
    layout = ("--tp", "2", "--dp", "32", "--mfu", "0.4", "--count", "64", "--name", "Mine")
    lab = str(EXAMPLES / "lab.toml")
    catalogue = str(EXAMPLES / "models.csv")
    return {
        "run": told(*RUN),
        "laid-out": told("run", *model, *FIT, *layout, "--samples", "512", "--json"),
        "stages": told("run", str(stages), "--samples", "512", "--json"),
        "plan": told("plan", *model, *FIT, "--count", "32,64", "--json"),
        "model": told("model", str(config), "--json"),
        "mfu": told(
            "mfu", *model, "--tokens-per-second", "9000", "--accelerator", "h100", "--json"
        ),
        "sweep": told("sweep", str(sweep), "--budget", "1M", "--samples", "512", "--json"),
        "spend": told("spend", lab, "--samples", "512", "--json"),
        "spends": told("spend", lab, "openai-2024", "--samples", "512", "--json"),
        "statement": told("statement", str(EXAMPLES / "statement.toml"), *FEW),
        "ledger": told_ledger(),
        "score": told("score", catalogue, "-o", str(folder / "scored.csv"), "--json"),
        "validate": told("validate", str(measured), "--json"),
        "hardware": told("hardware", "--json"),
        "hardware-show": told("hardware", "show", "h100", "--json"),
        "bench": {**json.loads(to_json(whole_bench().to_dict())), "about": BENCH_ABOUT},
    }

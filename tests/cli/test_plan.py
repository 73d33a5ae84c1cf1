from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from computebill.cli import main

FLAGS = ["--tokens", "1T", "--accelerator", "h100", "--global-batch", "512"]
FLAGS += ["--sequence-length", "4096"]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["plan", *arguments])


def test_a_table_by_default(llama_config: str) -> None:
    done = invoke("--model", llama_config, *FLAGS, "--count", "64")
    assert done.exit_code == 0, done.output
    assert "Fastest: 64 x h100-sxm, bf16" in done.output
    assert "odds that they are really slower" in done.output
    assert "Nothing else beats these" in done.output
    assert "are legal and fit" in done.output
    assert "fits the memory" in done.output


def test_json_and_nothing_else(llama_config: str) -> None:
    done = invoke("--model", llama_config, *FLAGS, "--count", "64", "--json", "--top", "3")
    found = json.loads(done.stdout)
    assert found["best"]["layout"]["accelerators"] == 64
    assert len(found["runners_up"]) == 2
    assert found["evaluated"] > found["feasible"] > 0


def test_a_file_and_flags_that_go_before_it(llama_config: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        f'name = "Mine"\nmodel = {json.dumps(Path(llama_config).name)}\ntokens = "1T"\n'
        'accelerator = ["h100", "b200"]\ncount = [32, 64]\nglobal_batch = 512\n'
        'sequence_length = 4096\nobjective = "cost"\ntp = [1, 2]\n'
    )
    found = json.loads(invoke(str(path), "--json").stdout)
    assert found["name"] == "Mine"
    assert found["objective"] == "cost"
    assert found["best"]["layout"]["tp"] in (1, 2)
    found = json.loads(invoke(str(path), "--json", "--max-gpus", "16", "--tp", "8").stdout)
    assert found["best"]["layout"]["accelerators"] in (8, 16)
    assert found["best"]["layout"]["tp"] == 8


def test_rows_and_pictures(llama_config: str, tmp_path: Path) -> None:
    rows, picture = tmp_path / "plan.csv", tmp_path / "plan.svg"
    flags = ["--model", llama_config, *FLAGS, "--max-gpus", "64"]
    done = invoke(*flags, "-o", str(rows), "--plot", str(picture))
    assert done.exit_code == 0, done.output
    assert "Fastest" in done.output
    assert rows.read_text().startswith("role,accelerator,precision,")
    drawn = picture.read_text()
    assert "days" in drawn
    assert "cost, rented (USD)" in drawn
    one = tmp_path / "one.svg"
    invoke("--model", llama_config, *FLAGS, "--count", "64", "--plot", str(one))
    assert "memory of the fullest GPU" in one.read_text()


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ([], "give count or max_gpus"),
        (["--count", "64", "--tp", ""], "--tp: got nothing; allowed: one or more"),
        (["--count", "64", "--price", "b200=2"], "price.b200: no such accelerator"),
        (["--count", "many"], "--count: got 'many'"),
        (["--count", "7"], "none of"),
        (["--count", "64", "--tp", "3"], "tp: got 3; allowed: a divisor of 32 heads"),
        (["--count", "64", "--max-days", "0.01"], "max_days: got 0.01; the least of"),
        (["--count", "64", "--objective", "fame"], "--objective: got 'fame'"),
        (["--count", "64", "--zero", "5"], "--zero"),
        (["--count", "64", "--top", "0"], "--top: got 0"),
        (["--count", "64", "--fit-odds", "0"], "--fit-odds: got '0'; allowed: 0.5 or more"),
        (["--count", "64", "--fit-odds", "1"], "--fit-odds: got '1'; allowed: below 1"),
        (["--count", "64", "--fit-odds", "sure"], "--fit-odds: got 'sure'"),
        (
            ["--count", "64", "--software", "modern", "--framework", "nemo"],
            "give software or framework, not both",
        ),
    ],
)
def test_wrong_requests_end_with_one_message(
    llama_config: str, flags: list[str], problem: str
) -> None:
    done = invoke("--model", llama_config, *FLAGS, *flags)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_what_is_missing_is_named() -> None:
    done = invoke("--tokens", "1T")
    assert done.exit_code == 2
    assert "model" in done.stderr


def test_a_batch_in_tokens_and_goodput_are_a_run_s(llama_config: str) -> None:
    flags = ["--model", llama_config, "--tokens", "1T", "--accelerator", "h100", "--count", "64"]
    flags += ["--sequence-length", "4096", "--pp", "1", "--cp", "1", "--top", "1", "--json"]
    done = invoke(*flags, "--global-batch", "2M")
    assert done.exit_code == 2
    # 2e6 / 4096 = 488.3
    assert "is this tokens? --global-batch-tokens 2M is 488 sequences" in done.stderr
    # 2^21 tokens are 512 sequences of 4,096.
    tokens = json.loads(invoke(*flags, "--global-batch-tokens", "2097152").stdout)
    same = json.loads(invoke(*flags, "--global-batch", "512").stdout)
    assert tokens["best"]["days"] == same["best"]["days"]
    less = json.loads(invoke(*flags, "--global-batch", "512", "--goodput", "0.8").stdout)
    never = json.loads(
        invoke(*flags, "--global-batch", "512", "--failures-per-gpu-day", "0").stdout
    )
    ratio = less["best"]["days"]["p50"] / never["best"]["days"]["p50"]
    assert ratio == pytest.approx(1 / 0.8)


def test_a_fine_tune_of_a_quantised_base(llama_config: str) -> None:
    flags = ["--tokens", "1B", "--accelerator", "rtx-4090", "--count", "1", "--global-batch", "16"]
    flags += ["--sequence-length", "2048", "--json"]
    assert invoke("--model", llama_config, *flags).exit_code == 2  # all weights: nothing fits
    done = invoke("--model", llama_config, *flags, "--qlora", "--lora-targets", "q_proj,v_proj")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    layout = found["best"]["layout"]
    assert (layout["weights"], layout["lora_rank"]) == ("nf4", 16)
    assert found["best"]["memory_gb"] < 24
    wrong = invoke("--model", llama_config, *flags, "--weights", "nf4")
    assert wrong.exit_code == 2
    assert "allowed where all are trained (no lora_rank): fp32, bf16" in wrong.output


def test_weights_on_the_host_are_fully_sharded(llama_config: str) -> None:
    flags = ["--model", llama_config, *FLAGS, "--count", "1", "--json"]
    away = ["--offload", "optimizer,weights", "--recipe", "bf16"]
    found = json.loads(invoke(*flags, *away).stdout)
    assert found["best"]["layout"]["zero"] == 3
    assert found["best"]["layout"]["offload"] == ["optimizer", "weights"]
    refused = invoke(*flags, *away, "--zero", "1")
    assert refused.exit_code == 2
    assert "offload: got weights; allowed with zero 1" in refused.output


RL = ["--kind", "rl", "--params", "8B", "--steps", "100", "--prompts", "64"]
RL += ["--samples-per-prompt", "16", "--answer-mean", "3000", "--accelerator", "h100"]


def test_a_stage_of_reinforcement_learning_is_shared_out(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = invoke(*RL, "--count", "16", "--json", "--html", str(page))
    found = json.loads(done.stdout)
    assert found["best"]["train"]["count"] + found["best"]["generate"]["count"] >= 16
    assert "What each role does in a step" in page.read_text(encoding="utf-8")
    file = tmp_path / "rl.toml"
    file.write_text(
        'kind = "rl"\nparams = 8e9\nsteps = 100\nprompts = 64\nsamples_per_prompt = 16\n'
        'answer_mean = 3000\naccelerator = "h100"\ncount = 16\n',
        encoding="utf-8",
    )
    other = invoke(str(file), "--set", "prompts=32", "--brief")
    assert other.exit_code == 0, other.output
    assert "write" in other.output
    refused = invoke(*RL, "--count", "16", "--emit", "megatron")
    assert refused.exit_code == 2
    assert "--emit" in refused.output


@pytest.mark.parametrize("flag", ["tp", "uneven", "market", "deadline", "cluster", "max-gpus"])
def test_what_says_nothing_of_who_writes_and_who_trains_is_refused(
    tmp_path: Path, flag: str
) -> None:
    file = tmp_path / "64"
    file.write_text('accelerator = "h100"\n', encoding="utf-8")
    done = invoke(*RL, "--count", "16", f"--{flag}", str(file))
    assert done.exit_code == 2
    told = "is of no use to a plan of reinforcement learning; allowed: of a run of tokens"
    assert done.stderr == f"Error: --{flag}: {told}\n"


def test_flags_of_a_layout_that_a_search_decides_are_not_offered() -> None:
    """A first stage with layers of its own needs a pipeline, which the search has none of yet."""
    for flag in ("--first-layers", "--last-layers", "--recompute-layers", "--dp"):
        done = invoke(*FLAGS, "--count", "64", flag, "7")
        assert done.exit_code == 2
        assert f"No such option '{flag}'" in done.stderr


@pytest.mark.parametrize("flags", [["--market", "on-demand", "--price", "2"], ["--cluster", "F"]])
def test_one_market_or_cluster_alone_is_told_as_a_plan(
    llama_config: str, tmp_path: Path, flags: list[str]
) -> None:
    file = tmp_path / "east.toml"
    file.write_text('accelerator = "h100"\ncount = 64\nprice = 2\n', encoding="utf-8")
    one = ["--model", llama_config, "--tokens", "1T", "--global-batch", "512"]
    one += ["--sequence-length", "4096", "--pp", "1", "--brief"]
    own = ["--accelerator", "h100", "--count", "64"] if "--market" in flags else []
    done = invoke(*one, *own, *(str(file) if each == "F" else each for each in flags))
    assert done.exit_code == 0, done.output
    alone = invoke(*one, "--accelerator", "h100", "--count", "64", "--price", "2")
    assert done.stdout == alone.stdout


def test_a_launch_file_of_reinforcement_learning_is_shared_out(tmp_path: Path) -> None:
    launch = tmp_path / "grpo.yaml"
    launch.write_text(
        "grpo: {num_prompts_per_step: 64, num_generations_per_prompt: 16, max_num_steps: 100}\n"
        "policy: {model_name: llama-3.1-8b, max_total_sequence_length: 4096,\n"
        "  train_global_batch_size: 512, train_micro_batch_size: 1,\n"
        "  generation: {max_new_tokens: 4096}}\n"
        "cluster: {gpus_per_node: 8, num_nodes: 2}\n",
        encoding="utf-8",
    )
    flags = ["--launch", str(launch), "--accelerator", "h100", "--answer-length", "2000"]
    done = invoke(*flags, "--prompt-length", "200", "--count", "16", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["stage"] == "rl"


def test_markets_and_clusters_stand_side_by_side(llama_config: str, tmp_path: Path) -> None:
    for name, network in (("near", "3200gbit"), ("far", "100gbit")):
        text = f'accelerator = "h100"\ncount = 64\nnode_network = "{network}"\n'
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    flags = ["--model", llama_config, "--tokens", "1T", "--global-batch", "512"]
    flags += ["--cluster", str(tmp_path / "near.toml"), "--cluster", str(tmp_path / "far.toml")]
    flags += ["--market", "on-demand,spot", "--price", "on-demand=2,spot=1", "--deadline", "40"]
    lacking = invoke(*flags)
    assert lacking.exit_code == 2
    assert "aws-5-10" in lacking.output
    done = invoke(*flags, "--interruptions-per-gpu-day", "aws-5-10", "--json")
    found = json.loads(done.stdout)
    names = [(each["cluster"], each["market"]) for each in found["alternatives"]]
    assert names[0] == ("near", "on-demand")
    assert len(names) == 4
    assert all(0 <= each["deadline_odds"] <= 1 for each in found["alternatives"])

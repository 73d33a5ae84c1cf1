"""Commands that take launch files in place of flags."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from results import asked

from computebill.cli import main
from computebill.launch import read_launch

EXAMPLE = Path(__file__).parents[2] / "examples" / "train.sh"
LAUNCH = ("--launch", str(EXAMPLE))
STATEMENT = str(EXAMPLE.with_name("statement.toml"))


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


def test_a_run_is_filled_from_a_launch_file_as_from_flags(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 128256, "tie_word_embeddings": False, "max_position_embeddings": 8192,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    own = asked("run", *LAUNCH, "--accelerator", "h100")
    by_flags = asked(
        "run", "--model", str(tmp_path / "config.json"), "--accelerator", "h100", "--count", "64",
        "--sequence-length", "8192", "--global-batch", "512", "--tokens", str(25000 * 512 * 8192),
        "--tp", "2", "--dp", "32", "--zero", "1", "--precision", "bf16", "--recompute", "selective",
        "--framework", "megatron-lm",
    )  # fmt: skip
    assert (own["layout"], own["memory_gb"]) == (by_flags["layout"], by_flags["memory_gb"])
    for key in ("mfu", "step_seconds", "days"):  # a file states more: its ends are nearer
        assert own[key]["p50"] == pytest.approx(by_flags[key]["p50"], rel=1e-4)
    assert own["launch"]["framework"] == "megatron-lm"
    facts = {each["name"]: (each["value"], each["line"]) for each in own["launch"]["facts"]}
    assert facts["tp"] == (2, 43)
    assert facts["accelerator"] == ("h100", 3)
    unused = {each["setting"]: each["why"] for each in own["launch"]["unused"]}
    assert list(unused) == ["--recompute-modules"]


def test_flags_win_and_tables_tell_what_the_files_say() -> None:
    done = invoke("run", *LAUNCH, "--count", "128", "--tp", "4", "--tokens", "1T")
    assert done.exit_code == 0, done.output
    assert "128 x NVIDIA H100" in done.output
    assert "What train.sh says (Megatron-LM)" in done.output
    assert "train.sh line 43" in done.output
    assert "What it says and is not used" in done.output
    assert "as none is run: hostname" in done.output


def test_what_a_file_does_not_say_is_asked_for_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "sft.yaml"
    path.write_text(
        "base_model: Qwen/Qwen3-8B\nsequence_len: 4096\nmicro_batch_size: 1\nnum_epochs: 3\n"
    )
    script = (
        "import sys; from computebill.cli import main\ntry: main(sys.argv[1:])\n"
        "except SystemExit as end: print('torch' in sys.modules, end.code)"
    )
    command = [sys.executable, "-c", script, "run", "--launch", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False 2"
    assert "sft.yaml: does not say: the tokens that it trains on (--tokens); the accelerator" in (
        done.stderr
    )
    assert "sft.yaml line 4, num_epochs counts passes over data whose tokens no file" in done.stderr


def test_a_model_is_counted_from_a_launch_file() -> None:
    assert asked("model", *LAUNCH, "--no-memory")["params"] == 8_030_261_248
    found = asked("model", *LAUNCH)
    assert found["launch"]["title"] == "Megatron-LM"


def test_a_speed_is_read_with_a_launch_file() -> None:
    speed = ("--step-seconds", "9.5", "--accelerator", "h100")
    own = asked("mfu", *LAUNCH, *speed)
    more = ("--count", "64", "--global-batch", "512", "--sequence-length", "8192")
    same = asked("mfu", "--params", "8030261248", *speed, *more)
    assert own["mfu"]["6nd"] == pytest.approx(same["mfu"]["6nd"])
    # A speed without --count is of one accelerator, whatever number a file has.
    one = asked("mfu", *LAUNCH, "--tokens-per-second", "6900", "--accelerator", "h100")
    assert one["mfu"]["6nd"] == pytest.approx(own["mfu"]["6nd"], rel=0.01)


def test_a_plan_starts_from_a_launch_file_and_is_handed_back(tmp_path: Path) -> None:
    target = tmp_path / "layout.sh"
    found = asked("plan", *LAUNCH, "--emit", "megatron", "--emit-to", str(target), "--top", "1")
    assert found["launch"]["framework"] == "megatron-lm"
    best = found["best"]["layout"]
    read = read_launch(target)
    assert (read.get("tp"), read.get("micro_batch")) == (best["tp"], best["micro_batch"])
    assert "# Predicted: " in target.read_text()
    printed = invoke("plan", *LAUNCH, "--emit", "torchtitan", "--top", "1")
    assert printed.exit_code == 0
    assert "--parallelism.tensor_parallel_degree" in printed.stdout
    assert "What went in" not in printed.stdout


def test_what_is_handed_to_a_framework_is_searched_for_it(tmp_path: Path) -> None:
    """But where a flag says another; torchtitan has ZeRO 0, 2 and 3, and no distributed Adam."""
    own, other = tmp_path / "own.sh", tmp_path / "other.sh"
    emit = ("--emit", "torchtitan", "--top", "1", "--emit-to")
    found = asked("plan", *LAUNCH, *emit, str(own))
    assert found["best"]["layout"]["zero"] in (0, 2, 3)
    assert "# Of the layouts of torchtitan: tp, pp, vpp, cp, ep; zero 0, 2, 3;" in own.read_text()
    back = asked("run", *LAUNCH, "--launch", str(own), "--framework", "torchtitan")
    assert back["layout"] == found["best"]["layout"]
    assert back["days"]["p50"] == pytest.approx(found["best"]["days"]["p50"], rel=2e-3)
    asked("plan", *LAUNCH, *emit, str(other), "--framework", "megatron-lm")
    assert "# Of the layouts of torchtitan" not in other.read_text()


def test_a_statement_is_made_of_a_launch_file_as_of_its_fields(tmp_path: Path) -> None:
    """6ND of the model that the script's sizes make, and what its selective recomputation adds."""
    own = asked("statement", *LAUNCH, "--samples", "256")
    (stage,) = own["stages"]
    tokens, params = 25000 * 512 * 8192, 8_030_261_248
    # The embedding is looked up, and multiplies nothing.
    multiplied = params - 128256 * 4096
    assert stage["flop"]["updates"]["p50"] == pytest.approx(6 * multiplied * tokens, rel=0.07)
    assert {line["part"] for line in own["lines"]} == {"updates", "recomputed"}
    assert own["launch"]["framework"] == "megatron-lm"

    path = tmp_path / "statement.toml"
    path.write_text(
        '[model]\nname = "mine"\n[[stage]]\nname = "one"\nparams = 1e9\ntokens = 2e12\n'
        '[[stage]]\nname = "two"\nkind = "midtrain"\nglobal_batch_tokens = 4194304\n'
    )
    both = asked("statement", str(path), *LAUNCH, "--of", "two", "--samples", "256")
    flop = {each["name"]: each["flop"]["updates"]["p50"] for each in both["stages"]}
    assert flop["one"] == pytest.approx(6 * 1e9 * 2e12)
    assert flop["two"] == pytest.approx(stage["flop"]["updates"]["p50"])
    told = {line["source"]: line["item"] for line in both["lines"] if line["part"] == "updates"}
    assert told["two"] == "mid_training"

    watched = asked("statement", *LAUNCH, "--planned", "--start", "2027-01-15", "--samples", "256")
    assert watched["stages"][0]["flop"] == stage["flop"]


def test_reinforcement_learning_is_a_stage_whose_answers_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "grpo.sh"
    path.write_text(
        "python3 -m verl.trainer.main_ppo data.train_batch_size=64 data.max_prompt_length=512 \\\n"
        " data.max_response_length=4096 actor_rollout_ref.model.path=Qwen/Qwen3-8B \\\n"
        " actor_rollout_ref.rollout.n=8 trainer.n_gpus_per_node=8 trainer.nnodes=4 \\\n"
        " trainer.total_training_steps=100 algorithm.adv_estimator=grpo\n"
    )
    flags = ("run", "--launch", str(path), "--accelerator", "h100", "--mfu", "0.3")
    refused = invoke(*flags)
    assert refused.exit_code == 2
    assert "does not say: the tokens of an answer as they come, not the most (--answer-" in (
        refused.output
    )
    found = asked(*flags, "--answer-length", "500..3000", "--samples", "512")
    (stage,) = found["stages"]
    assert stage["kind"] == "rl"
    same = asked(
        "run", "--kind", "rl", "--model", "qwen3-8b", "--steps", "100", "--prompts", "64",
        "--samples-per-prompt", "8", "--prompt-length", "512", "--longest-answer", "4096",
        "--answer-length", "500..3000", "--accelerator", "h100", "--count", "32", "--mfu", "0.3",
        "--samples", "512",
    )  # fmt: skip
    flop, other = (each["stages"][0]["flop"]["updates"]["p50"] for each in (found, same))
    assert flop == pytest.approx(other, rel=1e-6)
    # A mean answer says as much as lengths do.
    of_mean = asked(*flags, "--answer-mean", "1500", "--samples", "64")
    assert of_mean["stages"][0]["kind"] == "rl"
    path.write_text(path.read_text().replace("grpo", "gae"))
    assert asked(*flags, "--answer-mean", "1500", "--samples", "64")["stages"][0]["kind"] == "ppo"


def test_ranks_that_share_weights_by_the_dozen_have_no_other_numbers(tmp_path: Path) -> None:
    path = tmp_path / "hsdp.toml"
    path.write_text(
        '[model]\nname = "qwen3"\nflavor = "8B"\n[training]\nlocal_batch_size = 1\nseq_len = 4096\n'
        "steps = 100\n[parallelism]\ndata_parallel_replicate_degree = 2\n"
        "data_parallel_shard_degree = 8\n"
    )
    found = asked("run", "--launch", str(path), "--accelerator", "h100")
    assert (found["layout"]["accelerators"], found["layout"]["shards"]) == (16, 8)
    assert found["scaling"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", *LAUNCH, "--emit", "jax"], "--emit: got 'jax'; allowed: accelerate, axolotl"),
        (["plan", *LAUNCH, "--emit", "nemo", "--json"], "--emit: got another output as well"),
        (["plan", *LAUNCH, "--emit-to", "x"], "--emit-to: allowed: with --emit"),
        (["plan", *LAUNCH, "--emit", "nemo", "--emit-to", "no/x"], "its folder does not exist"),
        (["statement", STATEMENT, *LAUNCH], "--of: got no name; allowed: one of first attempt, p"),
        (["statement", STATEMENT, *LAUNCH, "--of", "x"], "--of: got 'x'; allowed: one of first"),
        (["statement", STATEMENT, "--of", "x"], "--of: is the stage of a launch file; give --laun"),
        (["statement"], "Missing argument 'FILE', or option '--launch'"),
        (["run", "--launch", "nosuch.sh"], "nosuch.sh: cannot be read: No such file"),
        (["run", *LAUNCH, "--tp", "0"], "--tp: "),
        (["run", *LAUNCH, "--count", "7"], "--count: got 7 accelerators; allowed: a multiple of"),
        (["run", *LAUNCH, "--accelerator", "abacus"], "abacus"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], told: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    assert told in done.output


def test_what_hangs_on_what_nobody_knows_is_told_beside_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    kept = EXAMPLE.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in kept if not line.startswith("TP=")))
    told = "--tensor-model-parallel-size hangs on TP, which the file does not set"
    for form in ("--brief", "--markdown"):
        done = invoke("run", "--launch", str(path), "--accelerator", "h100", form)
        assert done.exit_code == 0, done.output
        assert told in done.stderr
        assert told not in done.stdout
    found = asked("run", "--launch", str(path), "--accelerator", "h100")
    assert [each.partition(", ")[2] for each in found["launch"]["hanging"]] == [told]
    assert asked("run", *LAUNCH, "--accelerator", "h100")["launch"]["hanging"] == []


def test_a_layout_that_does_not_fit_is_told_with_its_place() -> None:
    done = invoke("model", *LAUNCH, "--pp", "5")
    assert done.exit_code == 2
    assert "64 accelerators; allowed: a multiple of tp x pp x cp, 10; give --count, or --dp" in (
        done.stderr
    )
    done = invoke("run", *LAUNCH, "--accelerator", "h100", "--count", "2048")
    assert done.exit_code == 2
    assert "got 512; allowed: a multiple of micro-batch x dp, 1024 (train.sh line " in done.stderr


def test_a_step_s_seconds_ask_for_the_length_of_a_sequence(tmp_path: Path) -> None:
    path = tmp_path / "full.yaml"
    path.write_text("base_model: Qwen/Qwen3-8B\nmicro_batch_size: 1\nnum_epochs: 3\n")
    speed = ("--step-seconds", "9.5", "--accelerator", "h100", "--count", "8")
    done = invoke("mfu", "--launch", str(path), *speed)
    assert done.exit_code == 2
    assert "full.yaml: does not say: the tokens of a sequence (--sequence-length)" in done.stderr

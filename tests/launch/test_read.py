"""Launch files of every framework, small ones of our own, read with the line of each fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.launch import Launch, read_launch

FILES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "megatron-lm": (
        "train.sh",
        "#!/bin/bash\n#SBATCH --nodes=4\n#SBATCH --gpus-per-node=h100:8\n"
        "#SBATCH --time=2-12:00:00\n"
        "TP=4\nARGS=(\n  --num-layers 32\n  --hidden-size 4096\n  --num-attention-heads 32\n"
        "  --seq-length 8192\n  --micro-batch-size 1\n  --global-batch-size 256\n  --bf16\n"
        "  --train-samples 1000000\n  --tensor-model-parallel-size $TP\n"
        "  --use-distributed-optimizer\n  --recompute-granularity full\n)\n"
        "srun torchrun --nnodes $SLURM_NNODES --nproc_per_node 8 pretrain_gpt.py ${ARGS[@]}\n",
        {"layers": (32, 7), "hidden": (4096, 8), "tp": (4, 15), "zero": (1, 16), "nodes": (4, 19),
         "recompute": ("full", 17), "precision": ("bf16", 13), "samples": (1_000_000, 14),
         "hours": (60.0, 4), "accelerator": ("h100", 3), "node_devices": (8, 19)},
    ),
    "megatron-lm (arguments)": (
        "model_config.yaml",
        "ENV_VARS:\n  X: 1\nMODEL_ARGS:\n  --num-layers: 24\n  --hidden-size: 1024\n"
        "  --num-attention-heads: 16\n  --seq-length: 512\n  --pipeline-model-parallel-size: 2\n"
        "  --bf16: true\n  --fp16: false\n",
        {"layers": (24, 4), "pp": (2, 8), "precision": ("bf16", 9)},
    ),
    "megatron-lm (log)": (
        "run.log",
        "starting\n[rank0] using world size: 16\n------------------------ arguments -----------\n"
        "  bf16 ............................................ True\n"
        "  context_parallel_size ........................... 1\n"
        "  fp16 ............................................ False\n"
        "  global_batch_size ............................... 128\n"
        "  hidden_size ..................................... 4096\n"
        "  micro_batch_size ................................ 2\n"
        "  num_attention_heads ............................. 32\n"
        "\x1b[32m  num_layers ...................................... 40\x1b[0m\n"
        "  optimizer ....................................... adam\n"
        "  pipeline_model_parallel_size .................... 2\n"
        "  rampup_batch_size ............................... ['16', '16', '300000']\n"
        "  recompute_granularity ........................... None\n"
        "  seq_length ...................................... 4096\n"
        "  tensor_model_parallel_size ...................... 8\n"
        "  train_iters ..................................... 1000\n"
        "  use_distributed_optimizer ....................... True\n"
        "  vocab_size ...................................... None\n"
        "  world_size ...................................... 16\n"
        "  some_other_setting .............................. 3\n"
        "  another_setting ................................. 4\n"
        "  a_third_setting ................................. 5\n"
        "-------------------- end of arguments ---------\n iteration 1/1000 | loss 11\n",
        {"layers": (40, 11), "tp": (8, 17), "count": (16, 21), "zero": (1, 19),
         "batch_rampup": (("16", "16", "300000"), 14), "precision": ("bf16", 4)},
    ),
    "torchtitan": (
        "a.toml",
        '[model]\nname = "llama3"\nflavor = "8B"\n[training]\nlocal_batch_size = 2\n'
        'seq_len = 8192\n'
        "steps = 1000\n[parallelism]\ndata_parallel_shard_degree = -1\ntensor_parallel_degree = 4\n"
        '[activation_checkpoint]\nmode = "selective"\nselective_ac_option = "op"\n',
        {"model": ("meta-llama/Llama-3.1-8B", 3), "rank_batch": (2, 5), "tp": (4, 10),
         "dp_shards": (-1, 9), "recompute": ("operators", 12)},
    ),
    "torchtitan (dumped)": (
        "config.json",
        '{"training": {"local_batch_size": 2, "seq_len": 4096, "steps": 5},\n'
        ' "parallelism": {"pipeline_parallel_degree": 4,\n'
        '  "pipeline_parallel_schedule": "1F1B"},\n'
        ' "activation_checkpoint": {"mode": "none"}}\n',
        {"pp": (4, 2), "pipeline": ("1F1B", 3), "recompute": ("none", 4)},
    ),
    "nemo": (
        "gpt.yaml",
        "run:\n  time_limit: 1-00:00:00\ntrainer:\n  num_nodes: 16\n  devices: 8\n"
        "  precision: bf16\n"
        "  max_steps: 10\nexp_manager: {name: x}\nmodel:\n  micro_batch_size: 4\n"
        "  global_batch_size: 2048\n  encoder_seq_length: 2048\n  num_layers: 24\n"
        "  hidden_size: 4096\n  ffn_hidden_size: ${multiply:4, ${.hidden_size}}\n"
        "  num_attention_heads: 32\n  tensor_model_parallel_size: 2\n  optim:\n"
        "    name: mcore_distributed_optim\n",
        {"nodes": (16, 4), "ffn": (16384, 15), "zero": (1, 19), "tp": (2, 17), "hours": (24.0, 2)},
    ),
    "megatron-bridge": (
        "override.yaml",
        "model:\n  seq_length: 4096\n  tensor_model_parallel_size: 2\ntrain:\n  train_iters: 100\n"
        "  global_batch_size: 8\n  micro_batch_size: 1\nddp:\n  grad_reduce_in_fp32: true\n",
        {"tp": (2, 3), "steps": (100, 5), "gradients": ("fp32", 9)},
    ),
    "nemo-automodel": (
        "sft.yaml",
        "recipe: X\nstep_scheduler:\n  global_batch_size: 32\n  local_batch_size: 2\n"
        "  max_steps: 9\n"
        "model:\n  pretrained_model_name_or_path: Qwen/Qwen3-8B\ndistributed:\n  strategy: fsdp2\n"
        "  tp_size: 2\n  dp_size: none\n",
        {"model": ("Qwen/Qwen3-8B", 7), "rank_batch": (2, 4), "tp": (2, 10), "zero": (3, 9)},
    ),
    "nemo-rl": (
        "grpo.yaml",
        "grpo: {num_prompts_per_step: 64, num_generations_per_prompt: 32}\npolicy:\n"
        "  model_name: Qwen/Qwen3-8B\n  train_global_batch_size: 512\n  train_micro_batch_size: 1\n"
        "  max_total_sequence_length: 4096\n"
        "  dtensor_cfg: {enabled: false, tensor_parallel_size: 8}\n"
        "  megatron_cfg:\n    enabled: true\n    tensor_model_parallel_size: 2\n"
        "cluster: {gpus_per_node: 8, num_nodes: 2}\n",
        {"rl_prompts": (64, 1), "rl_answers": (32, 1), "tp": (2, 10), "nodes": (2, 11)},
    ),
    "nanotron": (
        "llama.yaml",
        "model:\n  dtype: bfloat16\n  model_config:\n    is_llama_config: true\n"
        "    hidden_size: 2048\n    num_hidden_layers: 24\noptimizer: {zero_stage: 1}\n"
        "parallelism: {dp: 4, tp: 2, pp: 1, pp_engine: 1f1b, tp_mode: REDUCE_SCATTER}\n"
        "tokens:\n  micro_batch_size: 3\n  sequence_length: 4096\n  train_steps: 1_000\n"
        "  batch_accumulation_per_replica: 2\n",
        {"config.hidden_size": (2048, 5), "dp": (4, 8), "zero": (1, 7), "steps": (1000, 12),
         "sequence_parallel": (True, 8), "config.model_type": ("llama", 4)},
    ),
    "olmo-core": (
        "config.json",
        '{"model": {"d_model": 2048, "n_layers": 16, "vocab_size": 100352,\n'
        '  "block": {"attention": {"n_heads": 16}, "feed_forward": {"hidden_size": 8192}}},\n'
        ' "train_module": {"rank_microbatch_size": 16384, "max_sequence_length": 4096,\n'
        '  "dp_config": {"name": "hsdp", "param_dtype": "bfloat16"}},\n'
        ' "data_loader": {"global_batch_size": 2097152},\n'
        ' "trainer": {"max_duration": {"value": 4000000000000, "unit": "tokens"}}}\n',
        {"hidden": (2048, 1), "heads": (16, 2), "micro_batch_tokens": (16384, 3), "zero": (3, 4),
         "global_batch_tokens": (2097152, 5), "tokens": (4e12, 6)},
    ),
    "maxtext": (
        "llama.yml",
        'base_config: base.yml\nmodel_name: "llama3.1-70b"\nper_device_batch_size: 4\n'
        "max_target_length: 8192\nremat_policy: full\nici_fsdp_parallelism: 8\n"
        "dcn_fsdp_parallelism: 2\nsteps: 30\n",
        {"model": ("meta-llama/Llama-3.1-70B", 2), "device_batch": (4.0, 3), "dp_shards": (16, 7)},
    ),
    "llm-foundry": (
        "mpt.yaml",
        "variables: {n: 2048}\nmax_seq_len: ${variables.n}\nmodel:\n  name: mpt_causal_lm\n"
        "  d_model: 4096\n  n_layers: 32\n  n_heads: 32\nmax_duration: 63900ba\n"
        "global_train_batch_size: 1024\ndevice_train_microbatch_size: 8\nprecision: amp_bf16\n"
        "fsdp_config:\n  sharding_strategy: FULL_SHARD\n  activation_checkpointing: true\n",
        {"sequence_length": (2048, 2), "config.d_model": (4096, 5), "steps": (63900, 8),
         "zero": (3, 13), "recompute": ("full", 14)},
    ),
    "deepspeed": (
        "ds.json",
        '{\n "train_micro_batch_size_per_gpu": 4,\n "gradient_accumulation_steps": 2,\n'
        ' "zero_optimization": {\n  "stage": 3,\n  "offload_optimizer": {"device": "cpu"}\n },\n'
        ' "bf16": {"enabled": true}\n}\n',
        {"micro_batch": (4, 2), "zero": (3, 5), "offload_optimizer": (True, 6),
         "precision": ("bf16", 8)},
    ),
    "transformers": (
        "args.json",
        '{"model_name_or_path": "Qwen/Qwen3-8B",\n "per_device_train_batch_size": 2,\n'
        ' "gradient_accumulation_steps": 8,\n "bf16": true,\n "optim": "adamw_torch_fused",\n'
        ' "fsdp": "full_shard auto_wrap",\n "learning_rate": 1e-5}\n',
        {"micro_batch": (2, 2), "zero": (3, 6), "optimizer": ("adamw_torch_fused", 5)},
    ),
    "trl": (
        "sft.sh",
        "accelerate launch --num_processes 8 trl/scripts/sft.py --model_name_or_path "
        "Qwen/Qwen3-8B \\\n"
        "  --per_device_train_batch_size 2 --max_length 4096 --gradient_checkpointing \\\n"
        "  --use_peft --lora_r 32 --lora_target_modules all-linear\n",
        {"count": (8, 1), "micro_batch": (2, 2), "recompute": ("full", 2), "lora_rank": (32, 3)},
    ),
    "accelerate": (
        "fsdp.yaml",
        "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nfsdp_config:\n"
        "  fsdp_reshard_after_forward: true\n  fsdp_version: 2\nmixed_precision: bf16\n"
        "num_machines: 2\nnum_processes: 16\n",
        {"zero": (3, 4), "count": (16, 8), "precision": ("bf16", 6)},
    ),
    "axolotl": (
        "qlora.yml",
        "base_model: Qwen/Qwen3-8B\nload_in_4bit: true\nadapter: qlora\nlora_r: 16\n"
        "sequence_len: 2048\nmicro_batch_size: 2\ngradient_accumulation_steps: 4\n"
        "optimizer: paged_adamw_8bit\nbf16: auto\nlora_target_linear: true\n",
        {"in_4_bits": (True, 2), "lora_rank": (16, 4), "micro_batches": (4, 7),
         "precision": ("bf16", 9), "lora_targets": (("all-linear",), 10)},
    ),
    "llama-factory": (
        "sft.yaml",
        "model_name_or_path: Qwen/Qwen3-8B\nstage: sft\nfinetuning_type: lora\nlora_rank: 8\n"
        "lora_target: all\ncutoff_len: 2048\ntemplate: qwen3\nper_device_train_batch_size: 1\n"
        "gradient_accumulation_steps: 8\nbf16: true\n",
        {"has_lora": (True, 3), "sequence_length": (2048, 6), "lora_targets": (("all-linear",), 5)},
    ),
    "torchtune": (
        "8B_full.yaml",
        "model:\n  _component_: torchtune.models.llama3_1.llama3_1_8b\n"
        "tokenizer:\n  _component_: x.y\n  max_seq_len: 4096\nbatch_size: 2\n"
        "gradient_accumulation_steps: 8\noptimizer:\n  _component_: torch.optim.AdamW\n"
        "enable_activation_checkpointing: True\ndtype: bf16\noptimizer_in_bwd: False\n",
        {"model": ("meta-llama/Llama-3.1-8B", 2), "micro_batch": (2, 6), "recompute": ("full", 10)},
    ),
    "verl": (
        "grpo.sh",
        "python3 -m verl.trainer.main_ppo \\\n data.train_batch_size=1024 \\\n"
        " data.max_prompt_length=512 data.max_response_length=1024 \\\n"
        " actor_rollout_ref.model.path=Qwen/Qwen3-8B actor_rollout_ref.rollout.n=5 \\\n"
        " actor_rollout_ref.actor.megatron.tensor_model_parallel_size=2 \\\n"
        " trainer.n_gpus_per_node=8 trainer.nnodes=1 $@\n",
        {"rl_prompts": (1024, 2), "rl_answers": (5, 4), "tp": (2, 5), "zero": (1, 5)},
    ),
    "openrlhf": (
        "sft.sh",
        "read -r -d '' C <<EOF\nopenrlhf.cli.train_sft \\\n  --data.max_len 2048 \\\n"
        "  --train.batch_size 256 \\\n  --train.micro_batch_size 2 \\\n  --ds.zero_stage 2\nEOF\n"
        "deepspeed --module $C\n",
        {"sequence_length": (2048, 3), "global_batch": (256, 4), "zero": (2, 6)},
    ),
}  # fmt: skip


def write(folder: Path, name: str, text: str) -> Path:
    """Return a file of a text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FILES)
def test_facts_come_with_their_lines(tmp_path: Path, name: str) -> None:
    file, text, facts = FILES[name]
    launch = read_launch(write(tmp_path, file, text))
    assert launch.framework == name.partition(" ")[0]
    found = {
        fact: (launch.facts[fact].value, launch.facts[fact].said.line)
        for fact in facts
        if fact in launch.facts
    }
    assert found == facts
    assert {fact.said.file for fact in launch.facts.values() if not fact.usual} == {file}


def both(folder: Path, **texts: str) -> Launch:
    """Launch files read together, named by their endings."""
    return read_launch(
        [write(folder, name.replace("_", "."), text) for name, text in texts.items()]
    )


TRAINER = (
    "model_name_or_path: Qwen/Qwen3-8B\nper_device_train_batch_size: 2\n"
    "gradient_accumulation_steps: 8\nbf16: true\nlearning_rate: 1.0e-5\ndeepspeed: ds.json\n"
)
AUTO = (
    '{"train_micro_batch_size_per_gpu": "auto", "bf16": {"enabled": "auto"},\n'
    ' "gradient_accumulation_steps": "auto", "zero_optimization": {"stage": 2}}'
)


def test_what_deepspeed_leaves_to_its_trainer_is_read_from_the_trainers_file(
    tmp_path: Path,
) -> None:
    launch = both(tmp_path, trainer_yaml=TRAINER, ds_json=AUTO)
    assert launch.framework == "transformers"
    values = {name: launch.get(name) for name in ("micro_batch", "precision", "zero", "recipe")}
    assert values == {"micro_batch": 2, "precision": "bf16", "zero": 2, "recipe": "deepspeed"}
    assert launch.facts["zero"].said.told == "ds.json line 2, zero_optimization.stage"


def test_of_files_that_contradict_each_other_the_last_counts_and_both_are_told(
    tmp_path: Path,
) -> None:
    config = AUTO.replace('"auto"', "4", 1)
    launch = both(tmp_path, trainer_yaml=TRAINER, ds_json=config)
    assert launch.get("micro_batch") == 4
    assert (
        "micro batch: 2 (trainer.yaml line 2, per_device_train_batch_size) and 4 (ds.json line 1, "
        "train_micro_batch_size_per_gpu): ds.json counts, which was given last"
    ) in launch.notes


def test_settings_that_no_fact_comes_of_are_named(tmp_path: Path) -> None:
    file, text, _ = FILES["megatron-lm"]
    more = "--bf16\n  --distribute-saved-activations\n  --brand-new 3\n  --lr 1e-4\n  --seed $SEED"
    launch = read_launch(write(tmp_path, file, text.replace("--bf16", more)))
    told = {each.said.key: each.to_dict()["why"] for each in launch.unused}
    assert told["--brand-new"] == "not known"
    assert "every rank" in told["--distribute-saved-activations"]
    assert {"--lr", "--seed"} <= {each.said.key for each in launch.idle}


def test_a_variable_that_nobody_sets_is_named_and_gives_no_fact(tmp_path: Path) -> None:
    file, text, _ = FILES["megatron-lm"]
    launch = read_launch(write(tmp_path, file, text.replace("TP=4\n", "")))
    assert "tp" not in launch.facts
    [found] = [each for each in launch.unused if each.said.line == 14]
    assert found.to_dict()["why"] == "hangs on TP, which the file does not set"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.py", "x = 1", "Python is not run: dump the configuration"),
        ("a.yaml", "colour: red\nsize: 3", "is of no framework that is known: holds colour, size"),
        ("a.yaml", "", "is empty"),
        ("a.log", "hello\n", "holds no block of arguments"),
        ("a.sh", "echo hello\n", "runs no command with settings"),
        ("a.sh", "#SBATCH --nodes=2\nsrun ./mine --x 1\n", "starts what is of no framework"),
        (
            "a.sh",
            "python pretrain_gpt.py --num-layers eight",
            "a.sh line 1: --num-layers: got 'eig",
        ),
        ("a.yaml", "a: 1\x00", "is not valid YAML"),
    ],
)
def test_what_is_no_launch_file_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_launch(write(tmp_path, name, text))


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    for path, told in ((tmp_path, "is a directory"), (tmp_path / "no.yaml", "cannot be read")):
        with pytest.raises(RequestError, match=told):
            read_launch(path)
    with pytest.raises(RequestError, match="larger than 4 MiB"):
        read_launch(write(tmp_path, "big.yaml", "a: 1\n" * 900_000))
    with pytest.raises(RequestError, match="got no file"):
        read_launch([])


def test_a_dump_of_all_settings_is_read_and_what_it_writes_otherwise_only_named(
    tmp_path: Path,
) -> None:
    model = "model:\n  num_layers: 16\n  hidden_size: 2048\n  num_attention_heads: 32\n"
    model += "  num_moe_experts: [64]\n  seq_length: 8192\n  recompute_modules: [core_attn]\n"
    model += "  tensor_model_parallel_size: [2, 4]\n"
    rest = "train:\n  train_iters: 10\n  global_batch_size: 512\nlogger:\n  log_interval: 1\n"
    rest += "rng:\n  seed: 1\nddp:\n  use_distributed_optimizer: true\nextra:\n"
    rest += "".join(f"  setting_{n}: {n}\n" for n in range(300))
    launch = read_launch(write(tmp_path, "dump.yaml", model + rest))
    assert (launch.framework, launch.get("layers"), launch.get("experts")) == (
        "megatron-bridge", 16, 64,
    )  # fmt: skip
    assert "tp" not in launch.facts
    assert [each.said.key for each in launch.unused] == ["model.tensor_model_parallel_size"]
    assert len(launch.idle) > 300


def test_a_script_of_variables_alone_is_read_where_another_sources_it(tmp_path: Path) -> None:
    file, text, _ = FILES["megatron-lm"]
    script = write(tmp_path, file, text.replace("TP=4\n", "source ./cluster.sh\n"))
    variables = write(tmp_path, "cluster.sh", "#!/bin/bash\nexport TP=2\n")
    for files in ([script, variables], [variables, script]):
        launch = read_launch(files)
        assert launch.get("tp") == 2
        assert launch.notes == ()
    with pytest.raises(RequestError, match=r"cluster\.sh: runs no command with settings"):
        read_launch(variables)


def test_a_flag_that_stands_twice_is_named(tmp_path: Path) -> None:
    file, text, _ = FILES["megatron-lm"]
    twice = text.replace("--bf16\n", "--bf16\n  --tensor-model-parallel-size 2\n")
    launch = read_launch(write(tmp_path, file, twice))
    assert launch.get("tp") == 4
    assert [note.partition(" (")[0] for note in launch.notes] == ["tp: 2"]
    assert launch.notes[0].endswith("--tensor-model-parallel-size): the latter counts")


def test_a_table_that_is_switched_off_says_nothing(tmp_path: Path) -> None:
    """NeMo RL has settings of both backends in one file, and trains with the one that is on."""
    text = (
        "policy:\n  model_name: Qwen/Qwen3-8B\n  train_global_batch_size: 8\n"
        "  max_total_sequence_length: 4096\n  train_micro_batch_size: 1\n"
        "  dtensor_cfg: {enabled: true, tensor_parallel_size: 2, sequence_parallel: false}\n"
        "  megatron_cfg: {enabled: false, tensor_model_parallel_size: 8, sequence_parallel: true,\n"
        "    activation_checkpointing: true, expert_tensor_parallel_size: 4}\n"
    )
    launch = read_launch(write(tmp_path, "sft.yaml", text))
    assert (launch.framework, launch.get("tp"), launch.get("zero")) == ("nemo-rl", 2, 3)
    assert (launch.get("recompute"), launch.get("sequence_parallel")) == ("none", False)
    assert "etp" not in launch.facts
    assert "policy.megatron_cfg.activation_checkpointing" in {e.said.key for e in launch.idle}


def test_openrlhf_trains_a_critic_unless_its_estimator_needs_none(tmp_path: Path) -> None:
    """Its estimator is gae where none is given, which a critic's values go into."""
    ppo = (
        "python3 -m openrlhf.cli.train_ppo_ray --actor.model_name_or_path Qwen/Qwen3-8B \\\n"
        "  --train.batch_size 128 --train.micro_batch_size 2 --rollout.batch_size 128 \\\n"
        "  --rollout.n_samples_per_prompt 1 --ds.zero_stage 3"
    )
    sft = ppo.replace("train_ppo_ray", "train_sft").partition(" --rollout")[0]
    assert read_launch(write(tmp_path, "ppo.sh", ppo)).get("rl_algorithm") == "gae"
    grouped = f"{ppo} --algo.advantage.estimator group_norm"
    assert read_launch(write(tmp_path, "g.sh", grouped)).get("rl_algorithm") == "group_norm"
    assert "rl_algorithm" not in read_launch(write(tmp_path, "sft.sh", sft)).facts


def test_what_a_sourced_script_says_is_told_with_its_own_place(tmp_path: Path) -> None:
    sizes = "#!/bin/bash\n\nSIZES=(\n  --num-layers 32\n  --hidden-size 4096\n  $(nproc)\n)\n"
    run = (
        "#!/bin/bash\nsource sizes.sh\ntorchrun --nproc_per_node 8 pretrain_gpt.py ${SIZES[@]} \\\n"
        "  --num-attention-heads 32 --seq-length 4096 \\\n  --tensor-model-parallel-size 2.5\n"
    )
    files = [write(tmp_path, "run.sh", run), write(tmp_path, "sizes.sh", sizes)]
    with pytest.raises(RequestError, match=r"run\.sh line 5: --tensor-model-parallel-size: got"):
        read_launch(files)
    write(tmp_path, "run.sh", run.replace("2.5", "2"))
    launch = read_launch(files)
    places = {name: fact.said.told for name, fact in launch.facts.items()}
    assert places["layers"] == "sizes.sh line 4, --num-layers"
    assert places["hidden"] == "sizes.sh line 5, --hidden-size"
    assert places["heads"] == "run.sh line 4, --num-attention-heads"
    assert places["tp"] == "run.sh line 5, --tensor-model-parallel-size"
    assert [note.partition(":")[0] for note in launch.notes] == ["sizes.sh line 6"]


def test_further_words_that_nobody_sets_are_no_second_value(tmp_path: Path) -> None:
    text = (
        "torchrun pretrain_gpt.py --num-layers 32 $MORE --hidden-size 4096 ${THIS[@]} $THAT \\\n"
        "  --bf16 $X \\\n"
        "  --num-attention-heads 32 --seq-length $N $MORE --rampup-batch-size 16 16 $SAMPLES --fp16"
    )
    launch = read_launch(write(tmp_path, "run.sh", text))
    assert [launch.get(name) for name in ("layers", "hidden", "heads")] == [32, 4096, 32]
    assert {each.said.key for each in launch.unused} == {"--seq-length", "--rampup-batch-size"}


def test_a_form_that_is_not_known_is_named(tmp_path: Path) -> None:
    file, text, _ = FILES["megatron-lm"]
    odd = text.replace("--time=2-12:00:00", "--time=soon").replace("h100:8", "h100:many")
    launch = read_launch(write(tmp_path, file, odd.replace("--bf16", "--bf16 --window-size wide")))
    assert {each.said.key: each.why for each in launch.unused} == dict.fromkeys(
        ("--time", "--window-size"), "no form of it that is known"
    )
    assert launch.get("accelerator") == "h100"
    unlimited = read_launch(write(tmp_path, file, text.replace("2-12:00:00", "UNLIMITED")))
    assert [each.said.key for each in unlimited.unused] == ["--time"]

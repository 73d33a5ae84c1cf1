"""Count models with llm-analysis and calflops: questions as JSON on standard input, answers out.

Run by an interpreter that has both (bench/README.md); it shares nothing with the project's own
environment, as llm-analysis pins libraries years older than the project needs.

Input: ``{"llm_analysis": [case, …], "calflops": [case, …]}``; either may be left out. A case of
llm-analysis has ``model`` (fields of its ModelConfig), ``parallelism`` (fields of its
ParallelismConfig), ``sequence``, and ``recompute`` (a list of none, selective, full). A case of
calflops has ``config`` (a config.json), ``sequence``, ``device``, ``attention`` (eager or sdpa),
and ``experts`` (an implementation of transformers'; null for the default).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
from importlib.metadata import version
from typing import Any

import torch

PACKAGES = ("llm-analysis", "calflops", "transformers", "torch", "numpy")
GPU = {
    "name": "any",
    # Room for everything: it refuses micro-batches that do not fit.
    "mem_per_GPU_in_GB": 1e9,
    "hbm_bandwidth_in_GB_per_sec": 1000,
    "intra_node_bandwidth_in_GB_per_sec": 300,
    "intra_node_min_message_latency": 8e-6,
    "peak_fp16_TFLOPS": 312,
}


def by_llm_analysis(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from llm_analysis.analysis import ActivationRecomputation, LLMAnalysis
    from llm_analysis.config import GPUConfig, ModelConfig, ParallelismConfig
    from llm_analysis.logger import logger

    # It prints every step otherwise, and that would be most of its time.
    logger.setLevel(logging.CRITICAL)

    def answer(case: dict[str, Any]) -> dict[str, Any]:
        model = ModelConfig(name="case", **case["model"])
        parallelism = ParallelismConfig(**case["parallelism"])
        analysis = LLMAnalysis(model, GPUConfig(**GPU), parallelism_config=parallelism)
        found: dict[str, Any] = {
            "parameters": analysis.get_num_params_total(),
            "active": analysis.get_num_active_params_total(),
            "forward": analysis.get_num_flops_fwd_total(1, case["sequence"]) / case["sequence"],
            "activations": {},
        }
        for mode in case["recompute"]:
            summary = analysis.training(
                batch_size_per_gpu=1,
                seq_len=case["sequence"],
                activation_recomputation=ActivationRecomputation[mode.upper()],
                layernorm_dtype_bytes=2,
            )
            found["weights"] = summary["weight_memory_per_gpu"]
            found["states"] = summary["(weight+op_state+grad)_memory_per_gpu"]
            found["activations"][mode] = summary["activation_memory_per_gpu"]
        return found

    return [_timed(answer, case) for case in cases]


def by_calflops(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from calflops import calculate_flops
    from transformers import AutoConfig, AutoModelForCausalLM

    def answer(case: dict[str, Any]) -> dict[str, Any]:
        device, sequence = case["device"], case["sequence"]
        config = AutoConfig.for_model(**case["config"])
        chosen = {"experts_implementation": case["experts"]} if case["experts"] else {}
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(
                config, attn_implementation=case["attention"], dtype=torch.bfloat16, **chosen
            )
        model.config.use_cache = False
        inputs = {
            "input_ids": torch.zeros((1, sequence), dtype=torch.long, device=device),
            # Without a mask, transformers looks at values to make one: there are none on meta.
            "attention_mask": torch.zeros(
                (1, 1, sequence, sequence), dtype=torch.bfloat16, device=device
            ),
        }
        # It prints its inputs whatever print_results says.
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            flop, macs, parameters = calculate_flops(
                model=model, kwargs=inputs, print_results=False, output_as_string=False
            )
        return {
            "parameters": parameters,
            "forward": flop / sequence,
            # Of matrix products alone: what is done element by element has no MACs.
            "products": 2 * macs / sequence,
        }

    return [_timed(answer, case) for case in cases]


def _timed(answer: Any, case: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    found: dict[str, Any] = answer(case)
    return {**found, "seconds": time.perf_counter() - start}


def main() -> None:
    questions = json.load(sys.stdin)
    answers: dict[str, Any] = {"versions": {name: version(name) for name in PACKAGES}}
    if "llm_analysis" in questions:
        answers["llm_analysis"] = by_llm_analysis(questions["llm_analysis"])
    if "calflops" in questions:
        answers["calflops"] = by_calflops(questions["calflops"])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

"""What llm-analysis and calflops count, ours beside it, and the reason for each difference.

A reason is a formula of the model's sizes: ours less theirs has to equal it. Symbols are those of
Korthikanti et al. 2022: h hidden size, w width of the feed-forward block, L layers, v vocabulary,
s sequence, a heads, t tensor and p pipeline parallel ranks; besides, g key and value heads for each
query head, E experts, k of them chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peer_process import ask_peers

from computebill.architectures import read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.training.layout import Layout
from computebill.training.memory import peak_memory

Note = Callable[[str], None]

PUBLISHED = Path(__file__).parent.parent / "estimator" / "architectures" / "published.json"
SEQUENCE = 2048
RECOMPUTE = ("none", "selective", "full")
TP, PP = 8, 4
EXACT = 1e-9


def configs() -> dict[str, dict[str, Any]]:
    known = {each["name"]: each["config"] for each in json.loads(PUBLISHED.read_text())}
    gpt = known["openai-community/gpt2"]
    return {
        "Llama-2 7B": known["meta-llama/Llama-2-7b-hf"],
        "Llama-3.1 70B": known["meta-llama/Llama-3.1-70B"],
        # GPT-3's sizes (Brown et al. 2020, table 2.1); all of its attention taken as dense.
        "GPT-3 175B": {**gpt, "n_embd": 12288, "n_head": 96, "n_layer": 96, "n_positions": 2048},
        "Mixtral 8x7B": known["mistralai/Mixtral-8x7B-v0.1"],
    }


def layout(name: str, **more: Any) -> Layout:
    """Tensor and pipeline parallel; experts over ep x tp ranks, as llm-analysis divides them."""
    mixture = {"tp": 2, "pp": PP, "dp": 8, "ep": 4, "etp": 2}
    degrees = mixture if "Mixtral" in name else {"tp": TP, "pp": PP}
    return Layout.model_validate({**degrees, "zero": 0, "recipe": "megatron", **more})


def sizes(config: dict[str, Any]) -> SimpleNamespace:
    """Return a configuration's sizes by the symbols above."""
    if config["model_type"] == "gpt2":
        config = {
            "hidden_size": config["n_embd"],
            "num_attention_heads": config["n_head"],
            "num_key_value_heads": config["n_head"],
            "num_hidden_layers": config["n_layer"],
            "intermediate_size": 4 * config["n_embd"],
            **config,
        }
    return SimpleNamespace(
        h=config["hidden_size"],
        a=config["num_attention_heads"],
        L=config["num_hidden_layers"],
        v=config["vocab_size"],
        w=config["intermediate_size"],
        g=config["num_key_value_heads"] / config["num_attention_heads"],
        E=config.get("num_local_experts", 1),
        k=config.get("num_experts_per_tok", 1),
        gpt=config["model_type"] == "gpt2",
    )


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    cases = []
    for name, config in configs().items():
        n, use = sizes(config), layout(name)
        cases.append(
            {
                "model": {
                    "num_layers": n.L,
                    "n_head": n.a,
                    "hidden_dim": n.h,
                    "vocab_size": n.v,
                    "max_seq_len": SEQUENCE,
                    "num_key_value_heads": int(n.g * n.a),
                    "ffn_embed_dim": n.w,
                    # Left to itself it asks for a whole number, and Llama's is none.
                    "expansion_ratio": n.w / n.h,
                    "moe_num_experts": n.E,
                    "moe_top_k": n.k,
                },
                "parallelism": {
                    "tp_size": use.tp,
                    "pp_size": use.pp,
                    "dp_size": use.dp,
                    "ep_size": use.ep,
                },
                "sequence": SEQUENCE,
                "recompute": RECOMPUTE,
            }
        )
    found = ask_peers({"llm_analysis": cases})
    return dict(zip(configs(), found["llm_analysis"], strict=True))


def explained(ours: float, theirs: float, reason: float) -> None:
    assert ours - theirs == pytest.approx(reason, rel=EXACT, abs=EXACT * ours)


def line(name: str, what: str, ours: float, theirs: float, unit: float = 1e9) -> str:
    change = f"{theirs / ours - 1:+8.1%}"
    return f"{name:14} {what:47} ours {ours / unit:9.4g}, theirs {theirs / unit:9.4g}  {change}"


@pytest.mark.parametrize("name", list(configs()))
def test_llm_analysis_parameters(answers: dict[str, Any], note: Note, name: str) -> None:
    config = configs()[name]
    n, theirs = sizes(config), answers[name]
    counted = count_parameters(columns(read_architecture(config)))
    ours = float(counted.total)
    if n.gpt:
        # Biases of products (9 h a layer) and of norms (2 h, and h of the last), and positions.
        reason = n.L * 11 * n.h + n.h + config["n_positions"] * n.h
    else:
        # Two matrices for each feed-forward block, where gated ones have three; the head is taken
        # to be tied.
        reason = n.L * n.E * n.h * n.w + n.v * n.h
    explained(ours, theirs["parameters"], reason)
    note(line(name, "llm-analysis: parameters, 1e9", ours, theirs["parameters"]))


@pytest.mark.parametrize("name", list(configs()))
def test_llm_analysis_flop(answers: dict[str, Any], note: Note, name: str) -> None:
    config = configs()[name]
    n, theirs = sizes(config), answers[name]["forward"]
    flop = count_flop(columns(read_architecture(config)), SEQUENCE)
    # Of three parts forward and backward, one is forward; nothing is masked.
    whole = float(flop.conventions["megatron"]) / 3
    # Its feed-forward blocks are always 4 h wide, of two matrices and one expert, whatever it is
    # told: 16 h². Routers it leaves out.
    matrices = 2 if n.gpt else 3
    router = 2 * n.h * n.E if n.E > 1 else 0
    explained(whole, theirs, n.L * (2 * n.k * matrices * n.h * n.w + router - 16 * n.h**2))
    # Ours by default counts the keys that the mask lets through; it counts all s.
    masked = n.L * 4 * n.h * (SEQUENCE - (SEQUENCE + 1) / 2)
    explained(float(flop.forward), whole, -masked)
    note(line(name, "llm-analysis: forward GFLOP a token", whole, theirs))


@pytest.mark.parametrize("name", list(configs()))
def test_llm_analysis_weights(answers: dict[str, Any], note: Note, name: str) -> None:
    """On the first of the pipeline's stages; biases and norms are too small to be seen."""
    config = configs()[name]
    n, use, theirs = sizes(config), layout(name), answers[name]
    held = peak_memory(columns(read_architecture(config)), SEQUENCE, [use])
    weights = float(held.weights[0, 0])
    states = weights + float(held.gradients[0, 0] + held.optimizer[0, 0])
    t, layers = use.tp, n.L / use.pp
    # Norms it divides over tensor parallel ranks, which each hold them whole; so routers. The
    # last norm it puts on every stage.
    norms = layers * 2 * n.h * (1 - 1 / t) - n.h / t
    if n.gpt:
        # Biases, divided (7 h a layer) and whole (2 h); biases of norms; positions, whole.
        reason = norms + layers * (7 * n.h / t + 4 * n.h) + config["n_positions"] * n.h
    else:
        # The third matrix of gated feed-forward blocks.
        router = n.h * n.E * (1 - 1 / t) if n.E > 1 else 0
        reason = norms + layers * (n.h * n.w * n.E / (use.ep * t) + router)
    explained(weights, theirs["weights"], 2 * reason)
    # Two bytes of a weight, four of its gradient, twelve of Adam's: the same terms nine times.
    explained(states, theirs["states"], 18 * reason)
    at = f"tp {t}, pp {use.pp}" + (f", ep {use.ep}" if use.ep > 1 else "")
    note(line(name, f"llm-analysis: weights, GB, {at}", weights, theirs["weights"]))


def kept_bytes(config: dict[str, Any], use: Layout) -> tuple[float, float]:
    """Bytes that the first stage keeps of p micro-batches in flight, and all it needs at the peak.

    The peak has the layer that is passed backward besides, once: what a further micro-batch in
    flight takes is what is kept of one.
    """
    batch = columns(read_architecture(config))
    both = [use.model_copy(update={"micro_batches": count}) for count in (1, use.pp)]
    one, all_of_them = peak_memory(batch, SEQUENCE, both).activations[0].tolist()
    return (all_of_them - one) * use.pp / (use.pp - 1), all_of_them


@pytest.mark.parametrize("name", list(configs()))
@pytest.mark.parametrize("recompute", RECOMPUTE)
def test_llm_analysis_activations(
    answers: dict[str, Any], note: Note, name: str, recompute: str
) -> None:
    """Flash attention, 16 bits, sequence parallel; first stage, p micro-batches in flight."""
    config = configs()[name]
    n, use = sizes(config), layout(name, recompute=recompute)
    theirs = answers[name]["activations"][recompute]
    kept, peak = kept_bytes(config, use)
    t, h = use.tp, n.h
    # It counts the logits (2 v / t) on every stage, and the input of the last norm; and where a
    # micro-batch is one sequence, adds both a second time.
    outside = -2 * (2 * n.v / t + (0 if recompute == "full" else 2 * h / t))
    layer = 0.0
    if recompute != "full":
        # It counts keys and values as wide as queries, a dropout mask that cannot be turned off,
        # and not the softmax's scale (4 bytes a head).
        layer = 4 * (n.g - 1) * h / t - h / t + 4 * n.a / t
        if not n.gpt:
            # Gated feed-forward blocks keep three of width w, it counts two.
            layer += 2 * n.k * n.w / t
        if n.E > 1:
            # Experts' activations it multiplies by the experts of a rank, as if each of them got
            # k times all tokens. Ranks that divide an expert all have its input, which it divides
            # over them. The router's input and its scores it leaves out.
            share = n.E / use.ep
            layer += n.k * (2 * h * (use.expert_tensor - share) + 4 * n.w * (1 - share)) / t
            layer += (2 * h + 4 * n.E) / t
    if recompute == "none":
        # Flash attention keeps queries, keys, values and output: it counts two more of width h,
        # and 8 bytes a head, and drops these where scores are recomputed.
        layer -= 4 * h / t + 8 * n.a / t
    explained(kept, theirs, SEQUENCE * (n.L * layer + outside))
    assert peak >= kept
    note(line(name, f"llm-analysis: activations, GB, {recompute}", kept, theirs))


def calflops_cases() -> list[dict[str, Any]]:
    """Published sizes on the meta device; nothing is computed there."""
    return [
        {
            "name": name,
            "config": config,
            "sequence": SEQUENCE,
            "device": "meta",
            "attention": attention,
            "experts": None,
        }
        for name, config in configs().items()
        for attention in ("eager", "sdpa")
    ] + [
        # Looping over experts looks at which tokens chose them, which takes real tensors.
        {
            "name": "small Mixtral",
            "config": {**configs()["Mixtral 8x7B"], **SMALL},
            "sequence": 256,
            "device": "cpu",
            "attention": "eager",
            "experts": "eager",
        }
    ]


SMALL = {
    "hidden_size": 512,
    "intermediate_size": 1792,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
}


def test_calflops(note: Note) -> None:
    """Its products are ours but for those it cannot see; its parameters are ours exactly."""
    cases = calflops_cases()
    answers = ask_peers({"calflops": cases})["calflops"]
    for case, theirs in zip(cases, answers, strict=True):
        n, s = sizes(case["config"]), case["sequence"]
        batch = columns(read_architecture(case["config"]))
        assert theirs["parameters"] == float(count_parameters(batch).total)
        whole = float(count_flop(batch, s).conventions["megatron"]) / 3
        # It wraps matmul, linear and addmm, but neither scaled_dot_product_attention nor the
        # grouped products that transformers computes experts with.
        unseen = 4 * s * n.h * n.L if case["attention"] == "sdpa" else 0
        if n.E > 1 and case["experts"] is None:
            unseen += 2 * 3 * n.k * n.h * n.w * n.L
        explained(whole, theirs["products"], unseen)
        # It counts what is done element by element as well, which no convention does.
        assert 1 < theirs["forward"] / theirs["products"] < 1.002
        what = f"calflops, {case['attention']}"
        if case["experts"]:
            what += f", {case['experts']} experts"
        note(line(case["name"], f"{what}: forward GFLOP a token", whole, theirs["forward"]))

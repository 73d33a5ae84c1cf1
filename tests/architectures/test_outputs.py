"""The head is the one of the class that architectures names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from modules import configuration

import computebill as cb
from computebill.architectures.plain import plain_parameters

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 60,
    "pad_token_id": 0,
}
IMAGES = {name: value for name, value in SIZES.items() if name != "vocab_size"}
T5: dict[str, Any] = {
    "d_model": 32,
    "d_ff": 48,
    "d_kv": 8,
    "num_layers": 2,
    "num_heads": 4,
    "vocab_size": 60,
    "decoder_start_token_id": 0,
}
BART: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 48,
    "vocab_size": 60,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60}
LABELS = {"id2label": {str(n): f"L{n}" for n in range(5)}}
DECODERS = {
    "llama": "Llama",
    "qwen3": "Qwen3",
    "gemma2": "Gemma2",
    "mistral": "Mistral",
    "gpt_neox": "GPTNeoX",
}
ENCODERS = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "electra": "Electra",
    "deberta-v2": "DebertaV2",
    "modernbert": "ModernBert",
}
HEADS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "Model")
CASES = [
    *(
        (name, SIZES, cls + head)
        for name, cls in DECODERS.items()
        for head in HEADS
        if hasattr(transformers, cls + head)
    ),
    *((name, SIZES, cls + head) for name, cls in ENCODERS.items() for head in HEADS),
    *((name, SIZES, f"{cls}ForMaskedLM") for name, cls in ENCODERS.items()),
    *(
        (name, SIZES, f"{cls}ForPreTraining")
        for name, cls in (("bert", "Bert"), ("ernie", "Ernie"))
    ),
    *((name, SIZES, f"{ENCODERS[name]}ForMultipleChoice") for name in ("bert", "roberta")),
    ("bert", SIZES, "BertForNextSentencePrediction"),
    ("electra", SIZES, "ElectraForPreTraining"),
    ("gpt2", GPT2, "GPT2DoubleHeadsModel"),
    ("vit", IMAGES, "ViTForMaskedImageModeling"),
    ("whisper", BART, "WhisperForAudioClassification"),
    ("clip_vision_model", IMAGES, "CLIPVisionModelWithProjection"),
    *(("t5", T5, f"T5{head}") for head in ("EncoderModel", "Model", *HEADS[:2])),
    *(("bart", BART, f"Bart{head}") for head in ("ForConditionalGeneration", HEADS[0], *HEADS[2:])),
]


@pytest.mark.parametrize(("model_type", "sizes", "name"), CASES, ids=lambda each: str(each)[:40])
def test_parameters_are_those_of_the_class(
    model_type: str, sizes: dict[str, Any], name: str
) -> None:
    config = {"model_type": model_type, **sizes, **LABELS, "architectures": [name]}
    with torch.device("meta"):
        built = getattr(transformers, name)(configuration(config))
    found = plain_parameters(cb.read_architecture(config))
    assert found.total == sum(each.numel() for each in built.parameters())


@pytest.mark.parametrize("name", ["bart", "plbart", "mbart"])
def test_labels_that_no_field_names_are_those_of_the_type(name: str) -> None:
    cls = {"bart": "Bart", "plbart": "PLBart", "mbart": "MBart"}[name]
    config = {"model_type": name, **BART, "architectures": [f"{cls}ForSequenceClassification"]}
    with torch.device("meta"):
        built = getattr(transformers, config["architectures"][0])(configuration(config))
    found = plain_parameters(cb.read_architecture(config))
    assert found.total == sum(each.numel() for each in built.parameters())


@pytest.mark.parametrize("name", ["gpt2", "gpt_bigcode"])
def test_a_decoder_that_attends_an_encoder_is_refused(name: str) -> None:
    config = {"model_type": name, **GPT2, "add_cross_attention": True}
    with pytest.raises(cb.RequestError, match="add_cross_attention: got True; allowed: false"):
        cb.read_architecture(config)


def test_a_classifier_keeps_no_logits_of_a_vocabulary() -> None:
    llama = {"model_type": "llama", **SIZES}
    assert cb.read_architecture(llama).vocabulary == 60
    for name, labels in (("ForSequenceClassification", 5), ("ForTokenClassification", 5)):
        config = {**llama, **LABELS, "architectures": [f"Llama{name}"]}
        assert cb.read_architecture(config).vocabulary == labels
    assert cb.read_architecture({**llama, "architectures": ["LlamaModel"]}).vocabulary == 0


def test_reward_models_score_through_two_products() -> None:
    qwen = {"model_type": "qwen2", **SIZES}
    base = plain_parameters(cb.read_architecture({**qwen, "architectures": ["Qwen2Model"]})).total
    reward = {**qwen, "architectures": ["Qwen2ForRewardModel"]}
    two = 32 * 32 + 32 + 32 + 1
    assert plain_parameters(cb.read_architecture(reward)).total == base + two


@pytest.mark.parametrize("name", ["LlamaForDreams", "LlamaForCausalLMEagle3"])
def test_a_class_that_no_library_has_is_refused(name: str) -> None:
    config = {"model_type": "llama", **SIZES, "architectures": [name]}
    told = f"architectures: got '{name}', whose head is not known for llama; allowed: a class whose"
    with pytest.raises(cb.RequestError, match=f"{told} name ends in ForCausalLM, "):
        cb.read_architecture(config)
    assert cb.read_architecture({**config, "architectures": "LlamaForCausalLM"}).notes == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"architectures": 3}, "architectures: got 3; allowed: a list of names"),
        ({"architectures": [3]}, "architectures: got [3]; allowed: a list of names"),
        ({"num_labels": -1}, "num_labels: got -1; allowed: a whole number from 1"),
        ({"num_labels": "many"}, "num_labels: got 'many'"),
    ],
)
def test_heads_that_cannot_be(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError, match=problem.replace("[", r"\[")):
        cb.read_architecture({"model_type": "llama", **SIZES, **change})

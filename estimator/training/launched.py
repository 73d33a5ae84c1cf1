"""A launch configuration as fields of a run and of its layout: the one place where they meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.shipped import same_shape, shipped
from computebill.architectures.sources import beside, find_source
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import parse_number
from computebill.launch import Launch
from computebill.launch.batches import last_batch, trained_tokens
from computebill.launch.shapes import has_shape, padded, shaped_config, vocabulary
from computebill.launch.stages import counted_as_layers, layers_of_modules, layers_of_text

from .adapters import TARGETS
from .recipes import MOMENTS, spelled

DEGREES = ("tp", "pp", "cp", "ep")
SETTINGS = (
    "recipe", "weights", "gradients", "reduce_bits", "recompute", "loss", "attention",
    "attention_kernel", "kernels", "tp_overlap", "early_stop",
)  # fmt: skip
"""Facts that are fields of a layout under the same name, whatever else the files say."""

EXCHANGES = ("dispatcher", "ep_overlap")
"""Facts of how experts exchange tokens."""

SIZES = ("hidden_size", "d_model", "n_embd")
"""Fields of a configuration, one of which each that tells a model has."""

SCHEDULES = {
    "zbvzerobubble": "zero-bubble",
    "interleavedzerobubble": "zero-bubble",
    "zero-bubble": "zero-bubble",
    "dualpipev": "dualpipe",
    "dualpipe": "dualpipe",
}
"""Schedules by the frameworks' names; all others are one forward, one backward."""

ENDS = ("first_layers", "last_layers")
DEALT = frozenset((*ENDS, "layers_per_stage", "pp", "vpp", "schedule"))
"""Fields of a layout beside which what files list of stages is no more theirs."""

MOST_HANGING = 4
"""Settings that hang on what nobody knows, as many as are told where something is asked for."""

MEGATRON = ("megatron-lm", "megatron-bridge", "nemo")
"""Frameworks that divide experts as all else, where nobody says otherwise."""

LORA_RANK = 8
"""Rank of adapters where files train them and say none: peft's default, as trainers take it."""

WITH_CRITIC = ("ppo", "gae")
"""Algorithms of reinforcement learning, or estimators of advantages, that train a critic."""

OF_STAGE = ("model", "count", "precision", "framework", "accelerator")
"""Fields of a run that a stage of reinforcement learning has too."""

PLACES = {
    "num_hidden_layers": "layers", "n_layer": "layers", "hidden_size": "hidden", "n_embd": "hidden",
    "num_attention_heads": "heads", "n_head": "heads", "num_key_value_heads": "kv_heads",
    "intermediate_size": "ffn", "n_inner": "ffn", "vocab_size": "vocabulary",
    "max_position_embeddings": "max_positions", "n_positions": "max_positions",
    "layers_per_stage": "stage_layout", "global_batch_tokens": "global_batch",
}  # fmt: skip
"""Facts by the fields that come of them, where they have other names."""

COUNTED = ("tp", "pp", "cp", "ep", "etp", "dp", "global_batch", "shards")
"""Fields of a layout that have to fit the accelerators."""

ASKED = {
    "model": ("the model", "--model"),
    "tokens": ("the tokens that it trains on", "--tokens"),
    "accelerator": ("the accelerator", "--accelerator"),
    "count": ("how many accelerators there are", "--count"),
    "sequence_length": ("the tokens of a sequence", "--sequence-length"),
    "global_batch": ("the sequences of a step", "--global-batch"),
    "steps": ("the steps", "--steps"),
    "prompt_length": ("the tokens of a prompt", "--prompt-length"),
    "answer_length": ("the tokens of an answer as they come, not the most", "--answer-length"),
}
"""What a command may need: in words, and the flag that gives it."""


@dataclass(frozen=True)
class Launched:
    """What launch files come to.

    Attributes:
        launch: what they say.
        fields: of a run: model, sequence_length, global_batch, tokens, count, precision, ….
        layout: fields of its layout.
        notes: what was taken where they are silent, and what was left alone.
        stage: fields of a stage of reinforcement learning; empty where they are of none.
        given: names of the fields, of a run and of its layout, that flags gave.
    """

    launch: Launch
    fields: Mapping[str, Any]
    layout: Mapping[str, Any]
    notes: Sequence[str] = ()
    stage: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def of_stage(self) -> dict[str, Any]:
        """Return the fields of a stage: of reinforcement learning its own, and those it shares."""
        if not self.stage:
            return dict(self.fields)
        return {
            **{name: self.fields[name] for name in OF_STAGE if name in self.fields},
            **self.stage,
        }

    def need(
        self,
        names: Sequence[str],
        given: Mapping[str, Any],
        spelled: Callable[[str], str] = str,
    ) -> None:
        """Ask for what a command needs and neither files nor flags say.

        Args:
            names: of what it needs.
            given: what is known besides.
            spelled: how what gives it is written, from its flag.

        Raises:
            RequestError: naming each, with the flag that gives it.
        """
        known = {**self.fields, **self.stage, **given}
        lacking = [name for name in names if name not in known]
        if "tokens" in lacking and "flop" in given:
            lacking.remove("tokens")
        if lacking:
            told = "; ".join(f"{ASKED[name][0]} ({spelled(ASKED[name][1])})" for name in lacking)
            if "model" in lacking and has_shape(self.launch):
                told += "; the files tell its sizes, but not the entries of its vocabulary"
            epochs = self.launch.facts.get("epochs")
            if "tokens" in lacking and epochs is not None:
                told += f"; {epochs.said.told} counts passes over data whose tokens no file says"
            told += "".join(f"; {each}" for each in self.hanging[:MOST_HANGING])
            raise RequestError(", ".join(self.launch.files), f"does not say: {told}")

    def placed(self, error: RequestError) -> RequestError:
        """Return an error with the places of what it is about, where launch files say that."""
        name = str(error).partition(": got ")[0].rpartition(": ")[2]
        facts = self.launch.facts
        fact = facts.get(PLACES.get(name, name))
        if fact is None and error.field == self.launch.get("model"):
            fact = facts["model"]
        told = []
        if fact is not None and not fact.usual and name not in self.given:
            told.append(fact.said.told)
        devices = facts.get("count", facts.get("node_devices"))
        if name in COUNTED and devices is not None and not self.given & {"count", "dp"}:
            told.append(f"{self.fields.get('count')} accelerators: {devices.said.told}")
        if not told or any(each in str(error) for each in told):
            return error
        return RequestError(error.field, f"{error.problem} ({'; '.join(told)})", error.others)

    @property
    def hanging(self) -> list[str]:
        """Settings that hang on what nobody knows, and so say nothing, each in a sentence."""
        return [
            f"{each.said.told} {each.why}"
            for each in self.launch.unused
            if each.why.startswith("hangs on")
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = self.launch.to_dict()
        return {**found, "notes": [*found["notes"], *self.notes], "hanging": self.hanging}


def launched(
    launch: Launch,
    flags: Mapping[str, Any] | None = None,
    layout: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Launched:
    """Return launch files as fields of a run and of its layout; flags go before them.

    Args:
        launch: what the files say.
        flags: fields of the run that were given otherwise.
        layout: fields of its layout that were given otherwise.
        folder: that a model's path is looked for in; the working folder if not given.

    Raises:
        RequestError: naming the setting and its file, where degrees do not fit together.
    """
    return _Mapping(launch, dict(flags or {}), dict(layout or {}), folder or Path()).result()


@dataclass
class _Mapping:
    launch: Launch
    flags: dict[str, Any]
    given: dict[str, Any]
    folder: Path
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tp, self.pp, self.cp, self.ep = (self.at_least_one(name) for name in DEGREES)

    def at_least_one(self, name: str) -> int:
        """Return a degree; of one that is left to what remains, 1, and say so."""
        found = self.degree(name)
        if found is not None and found < 1:
            said = self.launch.facts[name].said if name in self.launch.facts else None
            where = f" ({said.told})" if said is not None else ""
            self.notes.append(f"{name}: {found}{where} is left to what remains: 1 is taken")
        return max(1, found or 1)

    def degree(self, name: str) -> int | None:
        """Return a whole number of the layout: a flag's, or the files'; None where none is."""
        found = self.given.get(name, self.launch.get(name))
        try:
            return None if found is None else int(found)
        except (TypeError, ValueError):  # what is wrong with a flag is told by its check
            return None

    def number(self, name: str) -> float | None:
        """Return a number of the run: a flag's, or the files'; None where none is, or a range."""
        if name in self.flags:
            try:
                return parse_number(self.flags[name])
            except ValueError:
                return None
        found = self.launch.get(name)
        return None if found is None or found < 1 else float(found)

    def result(self) -> Launched:
        """Return both."""
        count, dp = self.cluster()
        sequence = self.sequence()
        micro = self.micro_batch(count, dp, sequence)
        batch = self.batch(count, dp, sequence, micro)
        fields: dict[str, Any] = {"framework": self.launch.framework, **self.model()}
        if count is not None:
            fields["count"] = count
        if sequence is not None:
            fields["sequence_length"] = sequence
        if batch is not None:
            fields["global_batch"] = batch
        if sequence is not None:
            tokens = trained_tokens(self.launch, sequence, batch)
            fields |= {} if tokens is None else {"tokens": tokens}
        if any(name.startswith("rl_") for name in self.launch.facts) and "tokens" in self.flags:
            self.notes.append(
                "reinforcement learning: with --tokens training on the answers is counted alone; "
                "making them, rewards and a reference model are not"
            )
        for name in ("precision", "packing", "accelerator"):
            if name in self.launch.facts:
                fields[name] = self.launch.get(name)
        laid_out = self.layout(dp, micro, batch)
        given = frozenset((*self.flags, *self.given))
        return Launched(self.launch, fields, laid_out, tuple(self.notes), self.stage(), given)

    def stage(self) -> dict[str, Any]:
        """Return the fields of a stage of reinforcement learning, where files describe one."""
        if not (self.launch.get("rl_prompts") and self.launch.get("rl_answers")):
            return {}
        facts = {
            "prompts": "rl_prompts", "samples_per_prompt": "rl_answers", "steps": "steps",
            "prompt_length": "rl_prompt_tokens", "longest_answer": "rl_answer_tokens",
        }  # fmt: skip
        found = {field: self.launch.get(fact) for field, fact in facts.items()}
        has_critic = self.launch.get("rl_algorithm") in WITH_CRITIC
        kind = "ppo" if has_critic or self.launch.get("rl_critic_model") else "rl"
        return {"kind": kind, **{field: value for field, value in found.items() if value}}

    # The cluster.

    def cluster(self) -> tuple[int | None, int | None]:
        """Return accelerators and data parallel ranks, as far as they follow of each other.

        Raises:
            RequestError: where accelerators are no multiple of what a replica takes.
        """
        replica = self.tp * self.pp * self.cp
        count, said = self.accelerators()
        dp = self.replicas()
        if count is None:
            return (None, None) if dp is None else (replica * dp, dp)
        if "dp" in self.given and "count" not in self.flags and dp is not None:
            return replica * dp, dp
        if count % replica:
            raise RequestError(
                said,
                f"got {count} accelerators; allowed: a multiple of tp x pp x cp, {replica}; give "
                "--count, or --dp",
            )
        if dp is not None and dp * replica != count:
            if "count" not in self.flags:
                self.notes.append(
                    f"tp x pp x cp x dp, {dp * replica}, are the accelerators that count, and not "
                    f"{count} ({said})"
                )
                return dp * replica, dp
            self.notes.append(
                f"dp: {dp} in the files; of --count {count} follow {count // replica}"
            )
        return count, count // replica

    def accelerators(self) -> tuple[int | None, str]:
        """Return how many there are, and where that is said."""
        given = self.number("count") if "count" in self.flags else None
        if given is not None and given >= 1 and not given % 1:
            return int(given), "--count"
        facts = self.launch.facts
        if "count" in facts:
            return int(facts["count"].value), facts["count"].said.told
        if "node_devices" not in facts:
            return None, ""
        nodes, devices = facts.get("nodes"), facts["node_devices"]
        if nodes is None:
            self.notes.append(f"one node, as no file says more ({devices.said.told})")
        several = int(nodes.value) if nodes is not None else 1
        return max(1, several) * max(1, int(devices.value)), devices.said.told

    def replicas(self) -> int | None:
        """Return data parallel ranks, where files say them outright."""
        dp = self.degree("dp")
        if dp is not None and dp > 0:
            return dp
        shards, copies = self.degree("dp_shards"), self.degree("dp_replicas")
        if shards is not None and shards > 0 and (copies is None or copies > 0):
            return shards * (copies or 1)
        return self.of_batches()

    def of_batches(self) -> int | None:
        """Return the ranks that a step's batch and its micro-batches leave, where files say all."""
        parts = [self.launch.facts.get(name) for name in ("micro_batch", "micro_batches")]
        whole = self.launch.facts.get("global_batch")
        if whole is None or any(part is None or part.usual for part in parts):
            return None
        at_once = math.prod(part.value for part in parts if part is not None)
        return None if whole.value < 1 or whole.value % at_once else whole.value // at_once

    # Batches.

    def sequence(self) -> int | None:
        found = self.number("sequence_length")
        parts = [self.launch.get(f"rl_{name}_tokens") for name in ("prompt", "answer")]
        if found is None and all(parts):
            return int(sum(parts))
        return None if found is None or found % 1 else int(found)

    def micro_batch(self, count: int | None, dp: int | None, sequence: int | None) -> int | None:
        """Return sequences of a micro-batch."""
        own, at_once = self.degree("micro_batch"), self.degree("rank_batch")
        if "micro_batch" in self.given:
            return own
        if at_once is not None:
            return (self.degree("stage_batch") or own or 1) if self.pp > 1 else at_once
        tokens, device = self.launch.get("micro_batch_tokens"), self.launch.get("device_batch")
        if own is None and tokens and sequence:
            return max(1, int(tokens) // sequence)
        if own is None and device and count and dp:
            return max(1, round(float(device) * count / dp))
        return own

    def batch(
        self, count: int | None, dp: int | None, sequence: int | None, micro: int | None
    ) -> int | None:
        """Return sequences of a step."""
        given = self.number("global_batch") or last_batch(self.launch)
        if "global_batch_tokens" in self.flags:
            given = None
        prompts = self.launch.get("rl_prompts")
        if given is None and prompts:
            return int(prompts) * int(self.launch.get("rl_answers", 1))
        if given is not None and given >= 1:
            return int(given)
        tokens = self.number("global_batch_tokens")
        if tokens and sequence:
            return int(tokens) // sequence
        times = self.degree("micro_batches") or 1
        device, of_rank = self.launch.get("device_batch"), self.degree("rank_step_batch")
        if device and count:
            return max(1, round(float(device) * count)) * times
        if dp is None:
            return None
        at_once = self.degree("rank_batch") or of_rank
        if at_once:
            return at_once * dp * (1 if of_rank else times)
        is_said = "micro_batches" in self.launch.facts or "micro_batches" in self.given
        return micro * times * dp if micro and is_said else None

    # The model.

    def model(self) -> dict[str, Any]:
        """Return the model, where files tell one."""
        if any(name in self.flags for name in ("model", "params", "params_active", "flop")):
            return {}
        config = self.launch.config
        if "model_type" in config and any(name in config for name in SIZES):
            return {"model": config}
        if has_shape(self.launch):
            entries = vocabulary(self.launch) or self.of_tokenizer()
            if entries is None:
                return {}
            return {"model": shaped_config(self.launch, padded(self.launch, entries, self.tp))}
        named = self.launch.get("model")
        return {} if named is None else {"model": self.named(str(named))}

    def named(self, name: str) -> str:
        """Return the model of a name: a file, one at hand, or one that ships and has its shape."""
        found = beside(self.folder, name)
        same = same_shape(name)
        if same is None or found != name or shipped(name) is not None:
            return found
        try:
            find_source(name)
        except RequestError:
            self.notes.append(f"{name} is taken to have the shape of {same}, which ships")
            return same
        return name

    def of_tokenizer(self) -> int | None:
        """Return the vocabulary of the model whose tokenizer is named, if it ships."""
        found = shipped(str(self.launch.get("tokenizer")))
        entries = found.fields.get("vocab_size") if found is not None else None
        if entries is None or found is None:
            return None
        self.notes.append(f"vocabulary: {entries:,}, as {found.name}, whose tokenizer is named")
        return int(entries)

    def layers(self) -> int | None:
        """Return the model's layers, for what hangs on them."""
        model = self.flags.get("model") or self.model().get("model")
        if model is None or isinstance(model, Architecture):
            return None if model is None else int(model.layer_count)
        try:
            return int(read_architecture(model).layer_count)
        except RequestError:  # told where the model itself is read
            return None

    # The layout.

    def layout(self, dp: int | None, micro: int | None, batch: int | None) -> dict[str, Any]:
        """Return the fields of a layout."""
        found: dict[str, Any] = {"tp": self.tp, "pp": self.pp, "cp": self.cp, "ep": self.ep}
        if dp is not None:
            found["dp"] = dp
        if micro is not None:
            found["micro_batch"] = micro
        if batch is None and self.degree("micro_batches"):
            found["micro_batches"] = self.degree("micro_batches")
        found |= self.sharding(dp)
        found |= self.stages(found.get("zero", 0))
        found |= self.repeated(found.get("vpp", 1))
        found |= {name: self.launch.get(name) for name in SETTINGS if name in self.launch.facts}
        if self.ep > 1:  # else no tokens of experts are on their way
            names = [name for name in EXCHANGES if name in self.launch.facts]
            found |= {name: self.launch.get(name) for name in names}
        if self.cp > 1 and "cp_exchange" in self.launch.facts:
            found["cp_exchange"] = self.launch.get("cp_exchange")
        is_megatron = self.launch.framework in MEGATRON
        if self.launch.get("etp") and (self.ep > 1 or is_megatron):
            found["etp"] = self.launch.get("etp")
        elif self.ep > 1 and is_megatron:
            found["etp"] = self.tp
        if self.tp > 1 and "sequence_parallel" in self.launch.facts:
            found["sequence_parallel"] = self.launch.get("sequence_parallel")
        if "experts_kernel" in self.launch.facts:
            found["experts"] = self.launch.get("experts_kernel")
        if "dropout" in self.launch.facts or "attention_dropout" in self.launch.facts:
            rates = (self.launch.get("dropout", 0.0), self.launch.get("attention_dropout", 0.0))
            found["dropout"] = any(rate > 0 for rate in rates)
        found |= self.optimizer(found.get("zero", 0)) | self.adapters()
        return {**found, **self.given}

    def sharding(self, dp: int | None) -> dict[str, Any]:
        """Return the ZeRO stage, and the ranks that it divides over."""
        fact = self.launch.facts.get("zero")
        shards, copies = self.degree("dp_shards"), self.degree("dp_replicas") or 1
        if shards is None:
            found = {} if fact is None else {"zero": fact.value}
        elif shards in (0, 1) and copies > 1:
            return {"zero": 0}
        else:
            found = {"zero": 3 if fact is None or fact.usual else fact.value}
        if dp is not None and copies > 1 and "zero" in found and "shards" not in self.given:
            found["shards"] = max(1, dp // copies) * self.cp
        own = self.launch.get("shards")
        return {**found, "shards": own} if own else found

    def stages(self, zero: int) -> dict[str, Any]:
        """Return chunks of a stage, and the schedule of the pipeline."""
        if self.pp == 1:
            return {}
        name = str(self.launch.get("pipeline") or self.launch.get("schedule") or "1f1b")
        plain = name.lower().replace("_", "").replace(" ", "")
        schedule = SCHEDULES.get(plain, "1f1b")
        listed = self.listed()
        if schedule != "1f1b":
            if zero == 3:
                self.notes.append(f"{name} is not counted with sharded weights: 1f1b is taken")
                return {}
            dealt = {"layers_per_stage": listed} if listed and len(listed) == self.pp else {}
            return {"schedule": schedule, **dealt}
        chunks, each = self.degree("vpp"), self.degree("chunk_layers")
        if chunks is None and each:
            layers = self.layers()
            chunks = max(1, round(layers / (self.pp * each))) if layers else None
        if chunks is None and plain.startswith(("interleaved", "looped")):
            chunks = 2
            self.notes.append(f"vpp: 2, as {name} has two chunks of a stage where none are given")
        listed = listed or self.dealt(chunks or 1)
        if listed:
            chunks = len(listed) // self.pp
            return {"layers_per_stage": listed, **({"vpp": chunks} if chunks > 1 else {})}
        own = {name: self.degree(name) for name in ("first_layers", "last_layers")}
        ends = {name: layers for name, layers in own.items() if layers}
        if chunks is None or chunks == 1:
            return ends
        if ends:
            self.notes.append(
                "ends of a pipeline with layers of their own are not counted with vpp"
            )
        return {"vpp": chunks}

    def listed(self) -> tuple[int, ...] | None:
        """Return the layers of every stage that files list; None where they, or flags, do not."""
        text, parts = (self.launch.facts.get(name) for name in ("stage_layout", "stage_modules"))
        fact = text if text is not None else parts
        if fact is None or not DEALT.isdisjoint(self.given):
            return None
        found = (
            layers_of_modules(fact.value)
            if text is None
            else layers_of_text(fact.value, fact.said.told)
        )
        if len(found) % self.pp:
            self.notes.append(
                f"{fact.said.told}: lists {len(found)} parts, no multiple of {self.pp} stages; "
                "layers are dealt out evenly"
            )
            return None
        return found

    def dealt(self, chunks: int) -> tuple[int, ...] | None:
        """Return the layers of every stage where embedding and head are dealt out as layers."""
        ends = [self.launch.facts.get(name) for name in ("embedding_layers", "head_layers")]
        known = [each for each in ends if each is not None]
        layers = self.layers()
        has_own = any(self.launch.get(name) for name in ENDS)
        if not known or not layers or has_own or not DEALT.isdisjoint(self.given):
            return None
        first, last = (0 if each is None else int(each.value) for each in ends)
        found = counted_as_layers(layers, self.pp * chunks, first, last) if first or last else None
        if found is not None:
            self.notes.append(
                f"layers of stages: {', '.join(map(str, found))}, as embedding and head count as "
                f"{first} and {last} layers ({known[0].said.told})"
            )
        return found

    def repeated(self, vpp: int) -> dict[str, Any]:
        """Return how many layers of a stage are computed again, where that is not all."""
        fact = self.launch.facts.get("recompute_layers")
        if fact is None or self.launch.get("recompute") != "full" or "recompute" in self.given:
            return {}
        if self.launch.get("recompute_method") == "block":
            return {"recompute_layers": fact.value * vpp}
        if fact.value > 1:
            self.notes.append(
                f"{fact.said.told}: inputs of every layer are counted as saved, not of every "
                f"{fact.value}th"
            )
        return {}

    def optimizer(self, zero: int) -> dict[str, Any]:
        """Return the optimizer, and what rests on the host."""
        found: dict[str, Any] = {}
        fact = self.launch.facts.get("optimizer")
        if fact is not None:
            name = str(spelled(MOMENTS, fact.value))
            if name in MOMENTS:
                found["optimizer"] = name
            else:
                self.notes.append(
                    f"{fact.said.told}: {shown(fact.value)} is no optimizer that is counted "
                    f"(--optimizer: {', '.join(MOMENTS)})"
                )
        parts = ("optimizer", "weights", "activations")
        hosted = tuple(part for part in parts if self.launch.get(f"offload_{part}"))
        if "weights" in hosted and zero < 3:
            said = self.launch.facts["offload_weights"].said
            self.notes.append(f"{said.told}: weights rest on the host where ZeRO 3 divides them")
            hosted = tuple(part for part in hosted if part != "weights")
        if hosted:
            found["offload"] = hosted
        return found

    def adapters(self) -> dict[str, Any]:
        """Return what low-rank adapters are, and what their base rests in."""
        has = self.launch.get("has_lora", bool(self.launch.get("lora_rank")))
        if not has:
            return {}
        rank = self.launch.get("lora_rank")
        if not rank:
            self.notes.append(f"lora_rank: {LORA_RANK}, as no file says it")
        found: dict[str, Any] = {"lora_rank": rank or LORA_RANK}
        targets = tuple(each for each in self.launch.get("lora_targets", ()) if each in TARGETS)
        if targets:
            found["lora_targets"] = targets
        if self.launch.get("in_4_bits"):
            doubled = self.launch.get("is_double_quantised", False)
            found["weights"] = "nf4" if doubled else "nf4-single"
        return found

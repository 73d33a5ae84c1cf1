"""A model's parameters and FLOP alone: no memory, and no torch to count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.counts import FlopPerToken, Parameters
from computebill.architectures.plain import plain_flop, plain_parameters
from computebill.architectures.shipped import shipped_models
from computebill.base.assumptions import Assumption
from computebill.training.layout import check_sequence_length, default_sequence, sequence_told

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ModelCount:
    """What ``count_model`` finds.

    Attributes:
        architecture: the model as its configuration describes it.
        sequence: tokens of a sequence that FLOP are for.
        parameters: counts.
        flop: per token.
        assumptions: what the counts rest on.
    """

    architecture: Architecture
    sequence: int
    parameters: Parameters
    flop: FlopPerToken
    assumptions: tuple[Assumption, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: a card's, without its memory."""
        return {
            **counts_dict(self.architecture, self.sequence, self.parameters, self.flop),
            "memory_gb": [],
            "notes": list(self.architecture.notes),
            "assumptions": [each.to_dict() for each in self.assumptions],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row: its counts."""
        import pandas as pd

        found = self.to_dict()
        return pd.DataFrame([{name: found[name] for name in COLUMNS}])


COLUMNS = ("model_type", "params", "params_active", "params_embedding", "layers", "hidden")


def counts_dict(
    architecture: Architecture, sequence: int, counts: Parameters, flop: FlopPerToken
) -> dict[str, Any]:
    """Return the JSON form of what a model is and of its counts; its keys are a contract."""
    looked_up = int(counts.embedding)
    return {
        "model_type": architecture.model_type,
        "counted_by": architecture.counted_by,
        "stored": architecture.stored,
        "params": int(counts.total),
        "params_active": int(counts.active),
        "params_active_without_embeddings": int(counts.active) - looked_up,
        "params_embedding": looked_up,
        "params_adapters": int(counts.adapters),
        "layers": int(architecture.layer_count),
        "hidden": int(architecture.hidden),
        "vocabulary": int(architecture.vocabulary),
        "sequence_length": sequence,
        "flop_per_token": {
            "forward": float(flop.forward),
            "backward": float(flop.backward),
            "recomputed": float(flop.recomputed),
            "hardware": float(flop.hardware),
            "by_operator": {
                name: {"forward": float(forward), "backward": float(backward)}
                for name, (forward, backward) in flop.by_operator.items()
            },
            "conventions": {name: float(value) for name, value in flop.conventions.items()},
        },
    }


def count_model(
    config: str | Path | Mapping[str, Any] | Architecture, *, sequence_length: float | None = None
) -> ModelCount:
    """Count a model's parameters and FLOP; torch is not loaded.

    Args:
        config: a ``config.json``, a directory that holds one, ``-`` for standard input, its
            content, or an architecture.
        sequence_length: tokens of a sequence; else the model's own limit, at most 4,096.

    Raises:
        RequestError: naming the field that is wrong.
    """
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    length = default_sequence(architecture) if sequence_length is None else sequence_length
    sequence = check_sequence_length(architecture, length)
    architecture = architecture.at(sequence)
    if architecture.adapter is not None:
        rank, _, base = architecture.adapter
        note = (
            f"Its adapter (LoRA, rank {rank}) is not counted: these are the counts of {base}, all "
            "of it trained; with its memory, adapters are counted too."
        )
        architecture = replace(architecture, notes=(*architecture.notes, note))
    return ModelCount(
        architecture=architecture,
        sequence=sequence,
        parameters=plain_parameters(architecture),
        flop=plain_flop(architecture, sequence),
        assumptions=(sequence_told(architecture, sequence, is_given=sequence_length is not None),),
    )


def listed_models() -> list[dict[str, Any]]:
    """Return the models whose configuration ships: names, type, counts, where each is from."""
    found = []
    for each in shipped_models():
        architecture = read_architecture(each.fields)
        counts = plain_parameters(architecture)
        found.append(
            {
                "name": each.short,
                "repository": each.name,
                "model_type": architecture.model_type,
                "params": int(counts.total),
                "params_active": int(counts.active),
                "source": each.source,
                "checked": each.is_checked,
            }
        )
    return found

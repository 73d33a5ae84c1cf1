"""A model's parameters and FLOP alone: no memory, and no torch to count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.counts import FlopPerToken, Parameters
from computebill.architectures.plain import plain_flop, plain_parameters
from computebill.architectures.shipped import shipped_models
from computebill.base.assumptions import Assumption
from computebill.training.documents import Documents, packed
from computebill.training.from_files import adapter_assumptions, trained_of, with_files
from computebill.training.layout import Layout

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
    config: str | Path | Mapping[str, Any] | Architecture,
    *,
    sequence_length: float | None = None,
    documents: Documents | None = None,
) -> ModelCount:
    """Count a model's parameters and FLOP; torch is not loaded.

    Args:
        config: a ``config.json``, a directory that holds one, ``-`` for standard input, its
            content, or an architecture.
        sequence_length: tokens of a sequence; else of the longest document, or the model's own
            limit, at most 4,096.
        documents: that are packed into sequences, see ``read_documents``.

    Raises:
        RequestError: naming the field that is wrong.
    """
    architecture = config if isinstance(config, Architecture) else read_architecture(config)
    architecture, sequence, told = packed(architecture, sequence_length, documents)
    given = Layout()
    layout = with_files(given, architecture)
    trained = trained_of(layout)
    return ModelCount(
        architecture=architecture,
        sequence=sequence,
        parameters=plain_parameters(architecture, trained),
        flop=plain_flop(architecture, sequence, trained),
        assumptions=(
            *told,
            *adapter_assumptions(layout, given, architecture),
        ),
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

"""Measured training steps of tracked runs, as rows of the table that ``calibrate`` reads."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from computebill.base.errors import RequestError
from computebill.base.specfile import parse_toml
from computebill.batches.writing import harmless

from .result import Ledger
from .rules import config_value
from .telling import clean

MODEL = ("n_layers", "hidden", "n_heads", "ffn_hidden", "seq_len")
"""What a step of a known model needs."""
BATCH = ("global_batch_seqs", "global_batch_tokens")
SPEEDS = ("iter_seconds", "tokens_per_s_per_gpu")
SOURCE = "own records"


@cache
def _words() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("steps.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = parse_toml(text, "steps.toml")
    return found


def measured_steps(found: Ledger) -> pd.DataFrame:
    """Return a row for each configuration that trackers tell whole, at the median of its speeds.

    Raises:
        RequestError: where no tracked run tells model, layout and speed, naming what they lack.
    """
    runs = found.trackers
    if not len(runs) or "config" not in runs:
        told = "needs runs of a tracker, with their configurations; --anonymise leaves those out"
        raise RequestError("--steps-to", told)
    rows = _rows(runs)
    lacking = {
        "/".join(names): rows.reindex(columns=list(names)).isna().all(axis=1)
        for names in (*((each,) for each in ("gpu", "n_gpus", *MODEL, "precision")), BATCH, SPEEDS)
    }
    is_whole = ~np.logical_or.reduce([each.to_numpy() for each in lacking.values()])
    if not is_whole.any():
        names = [name for name, is_lacking in lacking.items() if is_lacking.all()]
        what = f"none tells {', '.join(names)}" if names else "each lacks another part"
        told = f"no tracked run tells model, layout and speed: {what}"
        raise RequestError("--steps-to", f"{told}; docs/measured-steps.md has the columns")
    rows = rows[is_whole]
    keys = [name for name in rows.columns if name not in SPEEDS]
    speeds = [name for name in SPEEDS if name in rows.columns]
    several: pd.DataFrame = (
        rows.groupby(keys, dropna=False, sort=False)[speeds].median().reset_index()
    )
    return several.dropna(axis=1, how="all")


def steps_csv(found: Ledger) -> str:
    """Return them as CSV, no cell of which is run as a formula."""
    rows = measured_steps(found)
    texts = {
        name: pa.array([None if pd.isna(each) else f"{each}" for each in rows[name]], pa.string())
        for name in rows.columns
    }
    made: pd.DataFrame = harmless(pa.table(texts)).to_pandas()
    return made.to_csv(index=False)


def _rows(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what each run tells by the table's columns."""
    config = pa.array(runs["config"], pa.string())
    words = _words()
    found = pd.DataFrame(index=runs.index)
    found["source_id"] = SOURCE
    for column, keys in words["columns"].items():
        values = pd.Series(np.nan, index=runs.index, dtype=object)
        for key in (column, *keys):
            told = pd.Series(config_value(config, key).to_pylist(), index=runs.index, dtype=object)
            values = values.where(values.notna(), told.where(told.notna(), np.nan))
        found[column] = values
    for column in ("n_layers", "hidden", *SPEEDS, *BATCH):
        numbers = pd.to_numeric(found[column], errors="coerce")
        found[column] = numbers.where(numbers > 0)
    found["model"] = found["model"].where(found["model"].notna(), runs["name"]).map(_told)
    found["gpu"] = runs["accelerator"]
    found["n_gpus"] = runs["accelerators"]
    found["year"] = pd.to_datetime(runs["start"]).dt.year
    for column in ("precision", "recompute"):
        meant = {each: name for name, several in words[column].items() for each in several}
        found[column] = found[column].map(lambda text, meant=meant: meant.get(_plain(text)))
    found["precision"] = found["precision"].where(found["precision"].notna(), _flags(config))
    for column, value in words["defaults"].items():
        found[column] = found[column].where(found[column].notna(), value)
    return found


def _flags(config: pa.Array) -> np.ndarray:
    """Return the precision that is told by a switch of its own, as Megatron-LM's ``bf16``."""
    found = np.full(len(config), None, dtype=object)
    for name in ("bf16", "fp16"):
        told = [_plain(each) == "true" for each in config_value(config, name).to_pylist()]
        found[np.array(told, dtype=bool) & (found == None)] = name  # noqa: E711 -- each of them
    return found


def _plain(text: object) -> str:
    return text.strip().strip("\"'").lower() if isinstance(text, str) else ""


def _told(name: object) -> str:
    return clean(str(name)) if isinstance(name, str) else ""

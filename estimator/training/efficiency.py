"""Efficiencies: few numbers, each with a physical meaning, that measurements correct.

Each has a value that is sensible before anything was measured, and how far off that may be. Fitted
values are data: they ship with their date and the rows they came from, and a profile fitted on
one's own measurements takes their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tomli_w
import torch
from torch import Tensor

from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.specfile import parse_toml, read_text, validate
from computebill.base.writing import replacing
from computebill.hardware.fitted import Fitted
from computebill.kernels.setting import Efficiency

from .parameters import INDEX, PARAMETERS, bounds_of

if TYPE_CHECKING:
    from computebill.hardware.accelerators import Accelerator

SHIPPED = "efficiency.toml"

WHOLE = ("16", "32")
"""Formats that need no casts and no scales."""

FINE_SCALES = ("fp8-rowwise", "fp8-blockwise")
"""8-bit formats with a scale for each row, or for each block of 128."""


def read_profile(path: Path | None = None) -> Fitted:
    """Return a fitted profile; the shipped one without a path.

    Raises:
        RequestError: naming the file and the field.
    """
    if path is None:
        return _shipped()
    return _checked(parse_toml(read_text(path), str(path)), str(path))


@cache
def _shipped() -> Fitted:
    text = files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8")
    return _checked(parse_toml(text, SHIPPED), SHIPPED)


def _checked(data: Mapping[str, object], name: str) -> Fitted:
    return _bounds_checked(validate(Fitted, data, name), name)


def _bounds_checked(fitted: Fitted, name: str) -> Fitted:
    for key, value in fitted.values.items():
        if key not in PARAMETERS:
            raise RequestError(name, f"values.{key} is not a known efficiency")
        low, high = bounds_of(key)
        if not low <= value <= high:
            bound = "above 0 and below 1" if PARAMETERS[key].is_share else "above 0"
            bound += f", {low:g} to {'1 less as much' if high < 1 else f'{high:g}'}"
            raise RequestError(name, f"values.{key}: got {value:g}; allowed: {bound}")
    return fitted


def efficiencies_of(accelerator: Accelerator, path: Path | None = None) -> Fitted:
    """Return the efficiencies that an accelerator's steps have.

    A file that was asked for goes first; then what the accelerator's own profile says, and the
    shipped values where it says nothing. Intervals stay the shipped ones where it has none.

    Raises:
        RequestError: naming the file or the profile, and the field.
    """
    own = accelerator.efficiency
    if path is not None or own is None:
        return read_profile(path)
    return _over_shipped(own, accelerator.name)


def _over_shipped(own: Fitted, name: str) -> Fitted:
    _bounds_checked(own, f"{name}: efficiency")
    shipped = _shipped()
    return own.model_copy(
        update={
            "intervals": {**shipped.intervals, **own.intervals},
            "apart": own.apart if "apart" in own.model_fields_set else shipped.apart,
            "values": {**shipped.values, **own.values},
            "spread": own.spread or shipped.spread,
        }
    )


def write_profile(fitted: Fitted, path: Path) -> None:
    """Write a profile under its final name in one step."""
    head = "# Fitted by `computebill calibrate`; what each is: estimator/training/parameters.py."
    data = {
        "fitted": fitted.fitted,
        "rows": fitted.rows,
        "sources": list(fitted.sources),
        "note": fitted.note,
        "apart": float(f"{fitted.apart:.4g}"),
        "intervals": {
            name: [float(f"{end:.4g}") for end in ends] for name, ends in fitted.intervals.items()
        },
        "values": {name: float(f"{value:.6g}") for name, value in fitted.values.items()},
    }
    if fitted.spread is not None:
        spread = fitted.spread
        data["spread"] = {
            "row": float(f"{spread.row:.6g}"),
            "tails": [float(f"{end:.4g}") for end in spread.tails],
            "own_tails": [float(f"{end:.4g}") for end in spread.own_tails],
            "unseen": list(spread.unseen),
            "makers": list(spread.makers),
        }
    with replacing(path) as temporary:
        text = f"{head}\n{tomli_w.dumps(data)}{_triangle(fitted)}{_doubts(fitted)}"
        temporary.write_text(text, encoding="utf-8")


def _triangle(fitted: Fitted) -> str:
    """Return the covariance as a file's last lines, one a row: ``tomli_w`` has one a number."""
    if fitted.spread is None:
        return ""
    rows = (", ".join(f"{value:.4g}" for value in row) for row in fitted.spread.covariance)
    return "covariance = [\n" + "".join(f"[{row}],\n" for row in rows) + "]\n"


def _doubts(fitted: Fitted) -> str:
    """Return tables of the spread, which go after all that is in none."""
    if fitted.spread is None or not fitted.spread.doubts:
        return ""
    sizes = {
        name: [float(f"{end:.6g}") for end in ends] for name, ends in fitted.spread.sizes.items()
    }
    doubts = {name: float(f"{each:.4g}") for name, each in fitted.spread.doubts.items()}
    return "\n" + tomli_w.dumps({"spread": {"sizes": sizes, "doubts": doubts}})


class Kind(NamedTuple):
    """What decides which efficiencies a case has.

    Attributes:
        hardware: generation of the accelerator.
        number: class of the products' precision.
        software: generation of the software.
        is_ultra: whether it is Blackwell Ultra.
        is_sharded: whether weights are fully sharded.
        attention: its kernel: unfused, or which fused one.
        overlaps_tensor: whether tensor parallel communication hides behind products; None: as
            the software does.
        loops_experts: whether experts are computed one after the other.
    """

    hardware: str
    number: str
    software: str
    is_ultra: bool
    is_sharded: bool
    attention: str
    overlaps_tensor: bool | None = None
    loops_experts: bool = False


def kernel_efficiency(values: Tensor, kinds: Sequence[Kind]) -> Efficiency:
    """Return the columns of the step kernel; differentiable in ``values``.

    Args:
        values: all efficiencies, ``(parameters,)``.
        kinds: one a row.
    """
    rows = _Rows(values, kinds)
    return Efficiency(
        **_products(rows),
        **_attention(rows),
        **_memory(rows),
        **_communication(rows),
        **_experts(rows),
        **_overheads(rows),
    )


class _Rows(NamedTuple):
    """Efficiencies of kinds of cases, one a row.

    Attributes:
        values: all efficiencies, ``(parameters,)``.
        kinds: one a row.
    """

    values: Tensor
    kinds: Sequence[Kind]

    def by_kind(self, name: Callable[[Kind], str]) -> Tensor:
        """The efficiency that the kind of each row names; ``(rows,)``."""
        places = [INDEX[name(kind)] for kind in self.kinds]
        return self.values[torch.tensor(places, device=self.values.device)]

    def same(self, name: str) -> Tensor:
        """One efficiency of all rows."""
        return self.values[INDEX[name]].expand(len(self.kinds))

    def flag(self, holds: Callable[[Kind], bool]) -> Tensor:
        """1 where something holds of a row's kind, else 0."""
        flags = [float(holds(kind)) for kind in self.kinds]
        return torch.tensor(flags, dtype=torch.float64, device=self.values.device)

    @property
    def fine(self) -> Tensor:
        """1 where scales are fine."""
        return self.flag(lambda kind: kind.number in FINE_SCALES)


def _products(rows: _Rows) -> dict[str, Tensor]:
    ultra = rows.flag(lambda kind: kind.is_ultra and kind.number in ("fp8", "mxfp8"))
    products = rows.by_kind(product_name) * (1 + rows.fine * (rows.same("fine_scales") - 1))
    return {
        "products": products * (1 + ultra * (rows.same("ultra") - 1)),
        "half_k": rows.by_kind(lambda kind: _half_k(kind.number)),
        "harshness": rows.same("harshness"),
        "grouped": rows.by_kind(
            lambda kind: "grouped.16" if kind.number in WHOLE else "grouped.low"
        ),
        "head": rows.same("head"),
    }


def _attention(rows: _Rows) -> dict[str, Tensor]:
    unfused = rows.flag(lambda kind: kind.attention == "unfused")
    return {
        "attention": rows.by_kind(attention_name),
        "half_width": rows.same("half_width"),
        "half_keys": rows.same("half_keys"),
        "attention_backward": rows.same("attention_backward"),
        "score_passes": rows.same("score_passes") * unfused,
        "misaligned": rows.same("misaligned"),
    }


def _memory(rows: _Rows) -> dict[str, Tensor]:
    """Element-wise traffic and the optimizer's."""
    traffic = rows.by_kind(lambda kind: f"traffic.{compiler(kind)}")
    low = rows.flag(lambda kind: kind.number not in WHOLE)
    return {
        # What is kept in 16 bits takes twice the bytes in 32.
        "traffic": traffic * (1 + rows.flag(lambda kind: kind.number == "32")),
        # Finer scales are found along rows for one pass and along columns for the other.
        "cast_traffic": rows.same("casts") * low * (1 + rows.fine),
        "memory": rows.same("memory"),
        "optimizer_traffic": rows.same("optimizer_traffic"),
    }


def _communication(rows: _Rows) -> dict[str, Tensor]:
    sharded = rows.flag(lambda kind: kind.is_sharded) > 0

    def by_sharding(name: str) -> Tensor:
        return torch.where(sharded, rows.same(f"{name}.sharded"), rows.same(f"{name}.replicated"))

    return {
        "inside": rows.by_kind(
            lambda kind: "inside.volta" if kind.hardware == "volta" else "inside"
        ),
        "across": rows.same("across"),
        "tensor_overlap": rows.by_kind(overlap_name),
        "data_overlap": by_sharding("data_overlap"),
        "data_exposed": by_sharding("data_exposed"),
    }


def _experts(rows: _Rows) -> dict[str, Tensor]:
    return {
        "exchange": rows.same("exchange"),
        "exchange_across": rows.same("exchange.across"),
        "expert_overlap": rows.same("expert_overlap"),
        "expert_imbalance": rows.same("imbalance"),
        "permutation": rows.by_kind(lambda kind: expert_name("permutation", kind)),
        "expert_floor": rows.same("floor.experts"),
        "expert_launch": rows.by_kind(launch_name),
    }


def _overheads(rows: _Rows) -> dict[str, Tensor]:
    """Launches, what a step takes besides, and waiting for the slowest."""
    return {
        "layer_floor": rows.by_kind(lambda kind: f"floor.{family(kind)}"),
        "step_floor": rows.same("step_floor"),
        "pace": rows.same("pace"),
        "straggling": rows.same("straggling"),
    }


def compiler(kind: Kind) -> str:
    """Return whose element-wise kernels and overlap a case has; TPUs have their own compiler."""
    return "tpu" if kind.hardware == "tpu" else family(kind)


def family(kind: Kind) -> str:
    """Return the generation of software whose kernels a case has, but for experts'."""
    return "modern" if kind.software == "graphed" else kind.software


def expert_name(name: str, kind: Kind) -> str:
    """Return an efficiency of experts' layers, whose kernels have a generation of their own."""
    return f"{name}.graphed" if kind.software == "graphed" else name


def launch_name(kind: Kind) -> str:
    """Return the efficiency of launching an expert's products: looped over, or in one kernel."""
    return "loop.expert" if kind.loops_experts else expert_name("launch.expert", kind)


def overlap_name(kind: Kind) -> str:
    """Return the efficiency of a case's tensor parallel overlap: as told, or as its software's."""
    told = {None: compiler(kind), True: "fused", False: "eager"}
    return f"tensor_overlap.{told[kind.overlaps_tensor]}"


def product_name(kind: Kind) -> str:
    """Return the efficiency of a case's products; 16 bits' where its format was never measured."""
    name = f"products.{kind.hardware}.{kind.number}"
    if name in PARAMETERS:
        return name
    low = f"products.{kind.hardware}.fp8"
    if kind.number not in WHOLE and low in PARAMETERS:
        return low
    return f"products.{kind.hardware}.16"


def attention_name(kind: Kind) -> str:
    """Return the efficiency of a case's attention: its kernel's, on its generation of hardware.

    Those made for Ampere came in two generations (Dao 2023, arXiv 2307.08691), Hopper's own in two
    more (Shah et al. 2024, arXiv 2407.08608).
    """
    if kind.attention == "unfused":
        return "attention.unfused"
    if kind.hardware in ("ampere", "hopper") and kind.attention == "flash1":
        return f"attention.{kind.hardware}.flash1"
    if kind.hardware == "hopper":
        if kind.attention == "flash3" or (kind.attention == "fused" and family(kind) == "modern"):
            return "attention.hopper.modern"
        return "attention.hopper" if kind.attention == "fused" else "attention.hopper.early"
    return f"attention.{kind.hardware}"


def _half_k(number: str) -> str:
    names = {"16": "half_k.16", "32": "half_k.16", "nvfp4": "half_k.4"}
    return names.get(number, "half_k.8")


def efficiency_assumptions(fitted: Fitted) -> Iterator[Assumption]:
    """Yield fitted efficiencies."""
    for name, value in fitted.values.items():
        yield Assumption(f"efficiency {name}", f"{value:.4g}", fitted.origin)
